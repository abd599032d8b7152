#pragma once

/* Work at a steady rate: so many pieces are due after so much time. */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND 1000000000LL /* nanoseconds */
#define TICK (SECOND / 1000)
#define MAY_GO_UNUSED __attribute__((unused))

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static void sleep_until(int64_t moment)
{
	struct timespec time = { moment / SECOND, moment % SECOND };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) ==
	       EINTR)
		;
}

struct pace {
	int64_t begin; /* CLOCK_MONOTONIC */
	int64_t rate;  /* a second */
	int64_t total;
	int64_t deadline; /* nanoseconds after begin */
	int64_t done;
};

static MAY_GO_UNUSED struct pace pace_of(long rate, long seconds)
{
	return (struct pace){
		.begin = now(),
		.rate = rate,
		.total = (int64_t)rate * seconds,
		.deadline = seconds * SECOND * 3 / 2,
	};
}

/* Waits until the next piece is due. What was missed is made up for, within
 * half as much time again; false when all is done or that time is over. */
static MAY_GO_UNUSED bool next_is_due(struct pace *pace)
{
	int64_t passed = now() - pace->begin;

	if (pace->done == pace->total || passed > pace->deadline)
		return false;
	/* Whole ticks: a sleep for each of 20,000 would cost more than it. */
	while (pace->done >= pace->rate * (passed / TICK) / 1000) {
		sleep_until(pace->begin + (passed / TICK + 1) * TICK);
		passed = now() - pace->begin;
	}
	pace->done++;
	return true;
}

static MAY_GO_UNUSED double seconds_since(int64_t begin)
{
	return (double)(now() - begin) / SECOND;
}

/* A whole number above zero, or the end of the program. */
static long number_of(const char *text, const char *what)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*end || number <= 0) {
		fprintf(stderr, "%s: expected a whole number above 0: %s\n",
			what, text);
		exit(64);
	}
	return number;
}
