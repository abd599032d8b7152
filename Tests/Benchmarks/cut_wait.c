/* Waits until a connection it was executed with is cut, and prints how long that took, in milliseconds.
 *
 * usage: cut_wait DESCRIPTOR START   START: nanoseconds of CLOCK_MONOTONIC
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* Milliseconds. Whatever is measured is far below that. */
#define PATIENCE 10000

int main(int argc, char **argv)
{
	struct pollfd cut = { .events = POLLIN };
	struct timespec now;
	char byte;
	long long start;

	if (argc != 3)
		return 64;
	cut.fd = atoi(argv[1]);
	start = atoll(argv[2]);
	if (poll(&cut, 1, PATIENCE) != 1) {
		fprintf(stderr, "cut_wait: the connection is not cut\n");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (recv(cut.fd, &byte, 1, 0) != -1 || errno != ECONNRESET) {
		fprintf(stderr, "cut_wait: something came, and no reset\n");
		return 1;
	}
	printf("%.3f\n", (now.tv_sec * 1000000000LL + now.tv_nsec - start) / 1e6);
	return 0;
}
