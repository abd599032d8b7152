/* Connects to a listener on this host and closes with a reset, which leaves
 * nothing behind, from many source addresses, so that ports do not run out.
 *
 * usage: connect_load timed ADDRESS PORT COUNT    one after the other
 *        connect_load paced ADDRESS PORT RATE SECONDS
 * prints {"connects": N, "established": N, "refused": N, "failed": N,
 *         "seconds": N, "median_ns": N}; the median is of connect() alone
 *
 * It goes under whatever name makes it the process that is to be measured. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pace.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#define SOURCES 200 /* 127.0.0.2 and up */
#define SAMPLES (1 << 20)

static uint32_t samples[SAMPLES]; /* nanoseconds */
static int64_t sampled, established, refused, failed;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int dial_from(uint32_t source)
{
	int on = 1, dial = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct linger reset = { 1, 0 };
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source),
	};

	if (dial < 0)
		fail("socket");
	if (setsockopt(dial, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    setsockopt(dial, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)))
		fail("setsockopt");
	if (bind(dial, (void *)&address, sizeof(address)))
		fail("bind");
	return dial;
}

static void count_outcome(int dial, int status, int reason)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);
	socklen_t reason_length = sizeof(reason);

	if (status && reason != EINPROGRESS) {
		/* A hook's refusal is EPERM or EHOSTUNREACH. */
		if (reason == EPERM || reason == EHOSTUNREACH)
			refused++;
		else
			failed++;
		return;
	}
	/* On one host the handshake is over when connect() returns, and the
	 * other end may have accepted and closed already. */
	if (getsockopt(dial, SOL_TCP, TCP_INFO, &info, &length) ||
	    getsockopt(dial, SOL_SOCKET, SO_ERROR, &reason, &reason_length))
		fail("getsockopt");
	if (info.tcpi_state == TCP_ESTABLISHED || reason == ECONNRESET)
		established++;
	else
		failed++;
}

static void connect_once(const struct sockaddr_in *address, int64_t number)
{
	int dial = dial_from(number % SOURCES);
	int64_t begin = now();
	int status = connect(dial, (void *)address, sizeof(*address));
	int reason = errno;

	samples[sampled++ % SAMPLES] = now() - begin;
	count_outcome(dial, status, reason);
	close(dial);
}

static int by_size(const void *left, const void *right)
{
	uint32_t one = *(const uint32_t *)left, other = *(const uint32_t *)right;

	return (one > other) - (one < other);
}

static void print_outcome(int64_t begin)
{
	double seconds = seconds_since(begin);
	int64_t kept = sampled < SAMPLES ? sampled : SAMPLES;

	qsort(samples, kept, sizeof(*samples), by_size);
	printf("{\"connects\": %lld, \"established\": %lld, \"refused\": %lld, "
	       "\"failed\": %lld, \"seconds\": %.3f, \"median_ns\": %u}\n",
	       (long long)sampled, (long long)established, (long long)refused,
	       (long long)failed, seconds, kept ? samples[kept / 2] : 0);
}

static struct sockaddr_in address_of(const char *text, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(number_of(port, "PORT")),
	};

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		fprintf(stderr, "ADDRESS: expected an IPv4 address: %s\n",
			text);
		exit(64);
	}
	return address;
}

int main(int argc, char *argv[])
{
	bool timed = argc == 5 && !strcmp(argv[1], "timed");
	bool paced = argc == 6 && !strcmp(argv[1], "paced");
	struct sockaddr_in address;
	int64_t begin = now();

	if (!timed && !paced) {
		fprintf(stderr, "usage: connect_load timed ADDRESS PORT COUNT |"
				" paced ADDRESS PORT RATE SECONDS\n");
		return 64;
	}
	address = address_of(argv[2], argv[3]);
	if (timed) {
		for (long left = number_of(argv[4], "COUNT"); left > 0; left--)
			connect_once(&address, left);
	} else {
		struct pace pace = pace_of(number_of(argv[4], "RATE"),
					   number_of(argv[5], "SECONDS"));

		while (next_is_due(&pace))
			connect_once(&address, pace.done);
	}
	print_outcome(begin);
	return 0;
}
