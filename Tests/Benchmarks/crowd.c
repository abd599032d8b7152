/* Starts many processes that sleep, says so, and sleeps as well until all of
 * them are killed with their cgroup.
 *
 * usage: crowd {COUNT PROGRAM}…
 * prints {"processes": N} when all have executed PROGRAM */

#define _GNU_SOURCE
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include "pace.h"

#define RATE 4000 /* a second: other programs want to run as well */

static void start(char *program)
{
	char *arguments[] = { program, NULL }, *environment[] = { NULL };
	pid_t pid;
	int status = posix_spawn(&pid, program, NULL, NULL, arguments,
				 environment);

	if (status) {
		fprintf(stderr, "crowd: %s: %s; is there room for so many?\n",
			program, strerror(status));
		exit(1);
	}
}

int main(int argc, char *argv[])
{
	long processes = 0;

	for (int index = 1; index + 1 < argc; index += 2) {
		long count = number_of(argv[index], "COUNT");
		/* Time for many more than there is room for. */
		struct pace pace = pace_of(RATE, 60);

		pace.total = count;
		while (next_is_due(&pace))
			start(argv[index + 1]);
		processes += pace.done;
	}
	printf("{\"processes\": %ld}\n", processes);
	fflush(stdout);
	for (;;)
		pause();
}
