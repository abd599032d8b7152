/* Accepts and closes until it is killed: the other end of connect_load.
 *
 * usage: accept_load ADDRESS PORT
 * prints {"listening": PORT} once it does */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pace.h"

#define BACKLOG 4096

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int listener_at(const char *text, int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		fprintf(stderr, "ADDRESS: expected an IPv4 address: %s\n",
			text);
		exit(64);
	}
	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(listener, (void *)&address, sizeof(address)) ||
	    listen(listener, BACKLOG))
		fail(text);
	return listener;
}

int main(int argc, char *argv[])
{
	struct linger reset = { 1, 0 };
	int listener, port;

	if (argc != 3) {
		fprintf(stderr, "usage: accept_load ADDRESS PORT\n");
		return 64;
	}
	port = number_of(argv[2], "PORT");
	listener = listener_at(argv[1], port);
	printf("{\"listening\": %d}\n", port);
	fflush(stdout);
	for (;;) {
		int connection = accept4(listener, NULL, NULL, 0);

		if (connection < 0 && errno != ECONNABORTED && errno != EINTR)
			fail("accept");
		if (connection < 0)
			continue;
		setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset));
		close(connection);
	}
}
