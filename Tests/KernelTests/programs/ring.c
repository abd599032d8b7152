// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "witness.h"

#define ENTRIES 4

struct ring {
	int descriptor;
	struct io_uring_params parameters;
	uint8_t *queues; /* both: IORING_FEAT_SINGLE_MMAP, Linux 5.4 */
	struct io_uring_sqe *entries;
};

static void *map(struct ring *ring, size_t size, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, ring->descriptor,
			    offset);

	return memory == MAP_FAILED ? NULL : memory;
}

static int open_ring(struct ring *ring, unsigned int flags)
{
	struct io_uring_params *parameters = &ring->parameters;
	size_t sent, answered;

	parameters->flags = flags;
	parameters->sq_thread_idle = 100; /* ms */
	ring->descriptor = syscall(SYS_io_uring_setup, ENTRIES, parameters);
	if (ring->descriptor < 0)
		return -errno;
	sent = parameters->sq_off.array +
	       parameters->sq_entries * sizeof(uint32_t);
	answered = parameters->cq_off.cqes +
		   parameters->cq_entries * sizeof(struct io_uring_cqe);
	ring->queues = map(ring, sent > answered ? sent : answered,
			   IORING_OFF_SQ_RING);
	ring->entries = map(ring, ENTRIES * sizeof(struct io_uring_sqe),
			    IORING_OFF_SQES);
	return ring->queues && ring->entries ? 0 : -ENOMEM;
}

static uint32_t *word(struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->queues + offset);
}

static void submit(struct ring *ring, int descriptor,
		   const struct sockaddr *address, socklen_t length,
		   unsigned int flags)
{
	struct io_sqring_offsets *offsets = &ring->parameters.sq_off;

	memset(ring->entries, 0, sizeof(*ring->entries));
	ring->entries->opcode = IORING_OP_CONNECT;
	ring->entries->flags = flags;
	ring->entries->fd = descriptor;
	ring->entries->addr = (uintptr_t)address;
	ring->entries->off = length;
	*word(ring, offsets->array) = 0;
	__atomic_store_n(word(ring, offsets->tail), 1, __ATOMIC_SEQ_CST);
}

/* Sleeps until the one answer is there. */
static int answer(struct ring *ring, bool polled)
{
	struct io_cqring_offsets *offsets = &ring->parameters.cq_off;
	unsigned int flags = IORING_ENTER_GETEVENTS |
			     (polled ? IORING_ENTER_SQ_WAKEUP : 0);
	struct io_uring_cqe *answers = (void *)(ring->queues + offsets->cqes);
	unsigned int unsent = 1;

	while (!__atomic_load_n(word(ring, offsets->tail), __ATOMIC_ACQUIRE)) {
		if (syscall(SYS_io_uring_enter, ring->descriptor, unsent, 1,
			    flags, NULL, 0) < 0 && errno != EINTR)
			return -errno;
		unsent = 0;
	}
	return answers->res;
}

int ring_connect(int descriptor, const struct sockaddr *address,
		 socklen_t length, unsigned int setup, unsigned int entry)
{
	struct ring ring = {};
	int status = open_ring(&ring, setup);

	if (!status) {
		submit(&ring, descriptor, address, length, entry);
		status = answer(&ring, setup & IORING_SETUP_SQPOLL);
	}
	if (ring.descriptor >= 0)
		close(ring.descriptor);
	return status;
}
