/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "network.h"

enum event_kind {
	EVENT_LISTEN_OPENED = 1, /* endpoint: where; identity: whose */
	EVENT_LISTEN_CLOSED = 2, /* endpoint: where */
	EVENT_REFUSED = 3,       /* endpoint: the destination; reason: why */
	EVENT_IDENTIFIED = 4,    /* a process is first seen as an identity */
	EVENT_UNDECIDED = 5,     /* user space has to find out what it is */
	EVENT_UNSERVED = 6,      /* a managed process in a network namespace
				  * without the proxy */
	EVENT_CREDENTIALS = 7,   /* an identified process changed its uid or
				  * gid; told by kernels with BPF LSM alone */
};

enum refusal {
	REFUSED_NOT = 0,
	/* Somebody dialled the proxy's port without being redirected. */
	REFUSED_DIRECT_DIAL = 1,
	/* A managed process in a network namespace not served (yet). */
	REFUSED_NAMESPACE = 2,
	/* The same, opening a listener; one that could not be prevented has
	 * EVENT_LISTEN_OPENED's endpoint but is never in `listeners`. */
	REFUSED_LISTEN_NAMESPACE = 3,
	/* The kernel had no memory for the socket's record. */
	REFUSED_NO_MEMORY = 4,
	/* Nothing is known of the process: the table was full. */
	REFUSED_UNKNOWN_PROCESS = 5,
	/* Somebody else would have traced a managed process. */
	REFUSED_TRACER = 6,
};

struct kernel_event {
	struct process_key process;
	abi_u32 kind;     /* enum event_kind */
	abi_u32 reason;   /* enum refusal */
	abi_u32 identity;
	struct endpoint endpoint;
	abi_u64 netns_cookie; /* where the process is */
};
_Static_assert(sizeof(struct kernel_event) == 56, "kernel_event is ABI");
