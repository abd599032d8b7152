// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Listens and closes as nobody does on purpose: two at once at one place, again
 * and again. Reads one command a line, answers each with one line.
 *
 *   pairs HOST PORT ROUNDS PIN  wrong sums of the place in the map pinned there
 *   churn HOST PORT ROUNDS      the same without looking
 *   serve HOST PORT ROUNDS      connections accepted by sockets that listen
 *                               only for a moment
 *   flood HOST PORT             dials, until it ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../bpf/abi/network.h"

static struct sockaddr_in address;

static int make(void)
{
	int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  0);
	int on = 1;

	setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(made, (struct sockaddr *)&address, sizeof(address)))
		abort();
	return made;
}

/* Two runners in step: what one does between two of these happens at once with
 * what the other does. */
static _Atomic unsigned int arrived;

static void meet(unsigned int *met)
{
	*met += 2;
	arrived++;
	for (unsigned int spins = 0; (int)(arrived - *met) < 0; spins++)
		if (spins > 1000)
			sched_yield();
}

struct race {
	long rounds;
	int places; /* the map; -1: do not look */
	struct place place;
	long wrong;
	int turn;
};

static void expect(struct race *race, uint64_t expected)
{
	uint64_t found = 0;
	union bpf_attr ask = {
		.map_fd = race->places,
		.key = (uintptr_t)&race->place,
		.value = (uintptr_t)&found,
	};

	if (race->places < 0)
		return;
	syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &ask, sizeof(ask));
	race->wrong += found != expected;
}

/* Both open at once, then both close at once. */
static void *run(void *argument)
{
	struct race *race = argument;
	unsigned int met = 0;

	for (long round = 0; round < race->rounds; round++) {
		int held = make();

		meet(&met);
		listen(held, 1);
		meet(&met);
		expect(race, 2 * PLACE_MANAGED);
		meet(&met);
		close(held);
		meet(&met);
		expect(race, 0);
		meet(&met);
	}
	return NULL;
}

/* One opens while the other closes, as in a restart without a gap: the place
 * may be without a socket for a moment in between, and never is afterwards. */
static void *take_turns(void *argument)
{
	struct race *race = argument;
	unsigned int met = 0;
	int held = -1;

	for (long round = 0; round < race->rounds; round++) {
		int is_mine = (round & 1) == race->turn;

		if (is_mine)
			held = make();
		meet(&met);
		if (is_mine)
			listen(held, 1);
		else if (held >= 0)
			close(held);
		meet(&met);
		expect(race, PLACE_MANAGED);
		meet(&met);
	}
	if (((race->rounds - 1) & 1) == race->turn)
		close(held);
	return NULL;
}

static long race_by(void *(*runner)(void *), struct race *races)
{
	pthread_t other;

	arrived = 0;
	pthread_create(&other, NULL, runner, &races[1]);
	runner(&races[0]);
	pthread_join(other, NULL);
	expect(&races[0], 0);
	return races[0].wrong + races[1].wrong;
}

static uint64_t netns_cookie(void)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	int any = socket(AF_INET, SOCK_STREAM, 0);

	getsockopt(any, SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie, &length);
	close(any);
	return cookie;
}

static int open_map(const char *pin)
{
	union bpf_attr ask = { .pathname = (uintptr_t)pin };

	return syscall(SYS_bpf, BPF_OBJ_GET, &ask, sizeof(ask));
}

static void pairs(long rounds, const char *pin)
{
	struct race one = { .rounds = rounds, .places = -1 }, two[2];
	long wrong;

	if (pin) {
		one.places = open_map(pin);
		if (one.places < 0) {
			dprintf(STDOUT_FILENO, "error %s\n",
				strerrorname_np(errno));
			return;
		}
	}
	one.place = (struct place){
		.netns_cookie = netns_cookie(),
		.endpoint = {
			.address = { 0, 0, htonl(0xffff),
				     address.sin_addr.s_addr },
			.port = ntohs(address.sin_port),
		},
	};
	two[0] = two[1] = one;
	wrong = race_by(run, two);
	two[1].turn = 1;
	two[0].wrong = two[1].wrong = 0;
	wrong += race_by(take_turns, two);
	dprintf(STDOUT_FILENO, "%ld wrong\n", wrong);
}

static void serve(long rounds)
{
	long accepted = 0;

	for (long round = 0; round < rounds; round++) {
		int listener = make();

		listen(listener, 128);
		for (int attempt = 0; attempt < 4; attempt++) {
			int connection = accept(listener, NULL, NULL);

			if (connection < 0)
				continue;
			accepted++;
			close(connection);
		}
		close(listener);
	}
	dprintf(STDOUT_FILENO, "%ld accepted\n", accepted);
}

static void *flood(void *unused)
{
	struct linger abrupt = { .l_onoff = 1 };

	(void)unused;
	for (;;) {
		int dialler = socket(AF_INET,
				     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				     0);

		setsockopt(dialler, SOL_SOCKET, SO_LINGER, &abrupt,
			   sizeof(abrupt));
		connect(dialler, (struct sockaddr *)&address, sizeof(address));
		close(dialler);
	}
	return NULL;
}

static void answer(char *line)
{
	char *verb = strtok(line, " \n"), *host = strtok(NULL, " \n");
	char *port = strtok(NULL, " \n"), *rounds = strtok(NULL, " \n");
	char *pin = strtok(NULL, " \n");
	pthread_t flooder;

	address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
		.sin_addr = { inet_addr(host) },
	};
	if (!strcmp(verb, "flood")) {
		pthread_create(&flooder, NULL, flood, NULL);
		dprintf(STDOUT_FILENO, "flooding\n");
	} else if (!strcmp(verb, "serve")) {
		serve(atol(rounds));
	} else {
		pairs(atol(rounds), pin);
	}
}

int main(void)
{
	char line[512];

	dprintf(STDOUT_FILENO, "ready\n");
	while (fgets(line, sizeof(line), stdin))
		answer(line);
	return 0;
}
