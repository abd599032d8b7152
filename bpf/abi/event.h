/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "network.h"

enum event_kind {
	EVENT_LISTEN_OPENED = 1, /* endpoint: where; identity: whose; those of
				  * nobody are counted alone */
	EVENT_LISTEN_CLOSED = 2, /* endpoint: where */
	EVENT_REFUSED = 3,       /* endpoint: the destination; reason: why; told
				  * in `notices`, the first of a second */
	EVENT_IDENTIFIED = 4,    /* a process is first seen as an identity; told
				  * in `notices` */
	EVENT_UNDECIDED = 5,     /* user space has to find out what it is */
	EVENT_UNSERVED = 6,      /* a managed process in a network namespace
				  * without the proxy */
	EVENT_CREDENTIALS = 7,   /* an identified process changed its uid or
				  * gid; told by kernels with BPF LSM alone */
	EVENT_EXECUTED = 8,      /* a process that has opened connections as
				  * somebody executed another program; reason:
				  * CONNECTED_... */
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
	/* It was a workload until a policy came by which it is none. */
	REFUSED_DISOWNED = 7,
	/* A datagram to what is not in the identity's list. */
	REFUSED_DATAGRAM = 8,
	/* A datagram into a managed network. */
	REFUSED_DATAGRAM_MANAGED = 9,
	/* The socket is bound to a device, on which there is no proxy. */
	REFUSED_DEVICE = 10,
};

/* More than there are reasons; a power of two. */
#define REFUSAL_REASONS 64

/* Who causes refusals, and why: what they are counted by. */
struct refusal_source {
	abi_u32 uid; /* the real one, in the initial user namespace */
	abi_u32 reason; /* enum refusal */
	abi_u32 identity;
	abi_u32 crowded; /* 1: no source but many, which found no room each and
			  * are counted by the reason alone; never a key */
};
_Static_assert(sizeof(struct refusal_source) == 16, "refusal_source is ABI");

struct refusal_tally {
	abi_u64 count;  /* ever */
	abi_u64 window; /* in which user space was told last */
};
_Static_assert(sizeof(struct refusal_tally) == 16, "refusal_tally is ABI");

struct kernel_event {
	struct process_key process;
	abi_u32 kind;     /* enum event_kind */
	abi_u32 reason;   /* enum refusal, but for EVENT_EXECUTED */
	abi_u32 identity;
	struct endpoint endpoint;
	abi_u64 netns_cookie; /* where the process is */
	struct refusal_source source; /* of EVENT_REFUSED alone, like: */
	abi_u64 count;                /* of its tally */
};
_Static_assert(sizeof(struct kernel_event) == 80, "kernel_event is ABI");
