/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "network.h"

enum event_kind {
	EVENT_LISTEN_OPENED = 1, /* endpoint: where; identity: whose */
	EVENT_LISTEN_CLOSED = 2, /* endpoint: where */
	EVENT_REFUSED = 3,       /* endpoint: the destination; reason: why */
	EVENT_IDENTIFIED = 4,    /* a process is first seen as an identity */
};

enum refusal {
	REFUSED_NOT = 0,
	/* Somebody dialled the proxy's port without being redirected. */
	REFUSED_DIRECT_DIAL = 1,
	/* A managed process outside the agent's network namespace. */
	REFUSED_NAMESPACE = 2,
	/* The same, opening a listener; one that could not be prevented has
	 * EVENT_LISTEN_OPENED's endpoint but is never in `listeners`. */
	REFUSED_LISTEN_NAMESPACE = 3,
	/* The kernel had no memory for the socket's record. */
	REFUSED_NO_MEMORY = 4,
};

struct kernel_event {
	struct process_key process;
	abi_u32 kind;     /* enum event_kind */
	abi_u32 reason;   /* enum refusal */
	abi_u32 identity;
	struct endpoint endpoint;
};
_Static_assert(sizeof(struct kernel_event) == 48, "kernel_event is ABI");
