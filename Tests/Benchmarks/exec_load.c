/* Starts a program over and over, at a steady rate, with ever other argv.
 *
 * usage: exec_load RATE SECONDS PROGRAM
 * prints {"execs": N, "failed": N, "seconds": N} */

#define _GNU_SOURCE
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "pace.h"

#define WORDS 12

static char words[WORDS + 2][32];

/* 1 to 13 words; the last one never comes twice. */
static void write_argv(char *argv[], char *program, int64_t number)
{
	int count = 1 + number % WORDS;

	argv[0] = program;
	for (int index = 1; index <= count; index++) {
		snprintf(words[index], sizeof(words[index]), "--option-%d=%lld",
			 index, (long long)(number * 7919 % 1000003));
		argv[index] = words[index];
	}
	argv[count + 1] = NULL;
}

/* Returns how many of those that ended did not end well. */
static int64_t reap(int flags)
{
	int64_t failed = 0;
	int status;

	while (waitpid(-1, &status, flags) > 0)
		failed += status != 0;
	return failed;
}

int main(int argc, char *argv[])
{
	char *arguments[WORDS + 2], *environment[] = { NULL };
	int64_t execs = 0, failed = 0;
	struct pace pace;

	if (argc != 4) {
		fprintf(stderr, "usage: exec_load RATE SECONDS PROGRAM\n");
		return 64;
	}
	pace = pace_of(number_of(argv[1], "RATE"),
		       number_of(argv[2], "SECONDS"));
	while (next_is_due(&pace)) {
		pid_t pid;

		write_argv(arguments, argv[3], pace.done);
		/* glibc's is a vfork. */
		if (posix_spawn(&pid, argv[3], NULL, NULL, arguments,
				environment))
			failed++;
		else
			execs++;
		failed += reap(WNOHANG);
	}
	failed += reap(0);
	printf("{\"execs\": %lld, \"failed\": %lld, \"seconds\": %.3f}\n",
	       (long long)execs, (long long)failed, seconds_since(pace.begin));
	return 0;
}
