// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* A workload in C: for what Python cannot do, and to be run under any name,
 * argv and owner. Reads one command a line, answers each with one line. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "witness.h"

#define PATIENCE 20 /* seconds */
#define STACK_SIZE (256 * 1024)

typedef int connector(int descriptor, const struct sockaddr *address,
		      socklen_t length);

struct destination {
	char *host, *port;
};

static void fail(int code)
{
	dprintf(STDOUT_FILENO, "error %s\n", strerrorname_np(code));
}

/* What the far end sends first, and who the kernel says it is. */
static void tell_peer(int descriptor)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	char text[100], host[INET_ADDRSTRLEN];
	ssize_t count = recv(descriptor, text, sizeof(text), 0);

	if (count < 0 ||
	    getpeername(descriptor, (struct sockaddr *)&peer, &length)) {
		fail(errno == EAGAIN ? ETIME : errno);
		return;
	}
	inet_ntop(AF_INET, &peer.sin_addr, host, sizeof(host));
	dprintf(STDOUT_FILENO, "%.*s %s|%u\n", (int)count, text, host,
		ntohs(peer.sin_port));
}

static void dial(struct destination to, connector *connect)
{
	struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(to.port)),
		.sin_addr = { inet_addr(to.host) },
	};
	int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int status;

	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
	status = connect(descriptor, (struct sockaddr *)&address,
			 sizeof(address));
	if (status)
		fail(-status);
	else
		tell_peer(descriptor);
	close(descriptor);
}

static int blocking(int descriptor, const struct sockaddr *address,
		    socklen_t length)
{
	return connect(descriptor, address, length) ? -errno : 0;
}

static int in_line(int descriptor, const struct sockaddr *address,
		   socklen_t length)
{
	return ring_connect(descriptor, address, length, 0, 0);
}

static int by_worker(int descriptor, const struct sockaddr *address,
		     socklen_t length)
{
	return ring_connect(descriptor, address, length, 0, IOSQE_ASYNC);
}

static int by_poller(int descriptor, const struct sockaddr *address,
		     socklen_t length)
{
	return ring_connect(descriptor, address, length,
			    IORING_SETUP_SQPOLL, 0);
}

/* The child borrows memory and stack of its sleeping parent. */
static void dial_in_vfork(struct destination to)
{
	pid_t child = vfork();

	if (!child) {
		dial(to, blocking);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static int dial_and_end(void *to)
{
	dial(*(struct destination *)to, blocking);
	_exit(0);
}

/* A process of its own that shares its parent's memory. */
static void dial_in_clone(struct destination to)
{
	char *stack = malloc(STACK_SIZE);
	pid_t child = clone(dial_and_end, stack + STACK_SIZE,
			    CLONE_VM | CLONE_FILES | SIGCHLD, &to);

	if (child < 0)
		fail(errno);
	waitpid(child, NULL, 0);
	free(stack);
}

static void answer_commands(void);

static void *answer_and_end(void *leader)
{
	/* Joined: the leader is a zombie from here on. */
	pthread_join(*(pthread_t *)leader, NULL);
	dprintf(STDOUT_FILENO, "retired\n");
	answer_commands();
	exit(0);
}

/* The first thread ends, the process goes on. */
static void retire(void)
{
	static pthread_t leader;
	pthread_t successor;

	leader = pthread_self();
	pthread_create(&successor, NULL, answer_and_end, &leader);
	pthread_exit(NULL);
}

/* A child that has exactly this process id, and answers from now on. */
static void be_reborn(pid_t wanted)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&wanted,
		.set_tid_size = 1,
	};
	pid_t child = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (child < 0) {
		fail(errno);
	} else if (child) {
		waitpid(child, NULL, 0);
		exit(0);
	} else {
		dprintf(STDOUT_FILENO, "reborn %d\n", getpid());
	}
}

static void become(char *path, char **arguments)
{
	execv(path, arguments);
	fail(errno);
}

static void obey(char **words)
{
	struct destination to = { words[1], words[1] ? words[2] : NULL };
	const char *command = words[0];

	if (!strcmp(command, "connect"))
		dial(to, blocking);
	else if (!strcmp(command, "ring"))
		dial(to, in_line);
	else if (!strcmp(command, "ring-worker"))
		dial(to, by_worker);
	else if (!strcmp(command, "ring-poller"))
		dial(to, by_poller);
	else if (!strcmp(command, "vfork"))
		dial_in_vfork(to);
	else if (!strcmp(command, "clone"))
		dial_in_clone(to);
	else if (!strcmp(command, "retire"))
		retire();
	else if (!strcmp(command, "reborn"))
		be_reborn(atoi(words[1]));
	else if (!strcmp(command, "become"))
		become(words[1], words + 2);
	else
		fail(EINVAL);
}

static void answer_commands(void)
{
	char line[4096], *words[16], *rest;

	while (fgets(line, sizeof(line), stdin)) {
		int count = 0;

		rest = line;
		while (count < 15 && (words[count] = strsep(&rest, " \n")))
			count += *words[count] ? 1 : 0;
		words[count] = NULL;
		if (count)
			obey(words);
	}
}

int main(void)
{
	dprintf(STDOUT_FILENO, "ready\n");
	answer_commands();
	return 0;
}
