/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "process.h"

/* What the kernel part needs to know of the agent. Written at its start. */
struct agent_settings {
	struct process_key process;
	/* The host's root file system: the one the agent's program is on. */
	abi_u64 root_device;
	abi_u64 root_inode;
	abi_u64 cgroup_id;     /* the scope */
	abi_u16 outbound_port; /* host byte order; the same in each network
				* namespace */
	abi_u16 found_running; /* 1: what ran before has been looked for */
	abi_u32 mount_namespace; /* the initial one; 0: not known, and nobody
				  * is in it */
};
_Static_assert(sizeof(struct agent_settings) == 48, "agent_settings is ABI");

#define AGENT_CREDENTIALS_LEN 8192

/* The agent's own key and certificate, kept over a restart. No BPF program
 * reads it. */
struct agent_credentials {
	abi_u32 length; /* 0: none */
	abi_u32 reserved;
	/* Bytes; words, as Swift imports no array beyond 4096 elements. */
	abi_u64 words[AGENT_CREDENTIALS_LEN / 8];
};
_Static_assert(sizeof(struct agent_credentials) == 8200,
	       "agent_credentials is ABI");

/* One per CPU; the sum is what counts. */
struct kernel_statistics {
	abi_u64 execs;
	abi_u64 processes_lost; /* no room in `processes`: unknown */
	abi_u64 redirects;
	abi_u64 refusals;
	abi_u64 events_lost;    /* no room in `events`, or beyond a share */
	abi_u64 flows_lost;     /* no room in `pending_flows`: refused */
	abi_u64 listeners_lost; /* no room in `listeners`: unreachable */
	abi_u64 decisions;      /* complete ones, not from a cache */
	abi_u64 decisions_lost; /* no room or no memory: unknown */
	abi_u64 notices_lost;   /* no room in `notices`; counted all the same */
	abi_u64 unknown_places; /* redirected, as nobody is known to be managed
				 * there and it may not be reached as it is */
	abi_u64 datagrams_refused;
	abi_u64 listeners_of_nobody; /* opened or closed; told by this number
				      * alone */
};
_Static_assert(sizeof(struct kernel_statistics) == 104,
	       "kernel_statistics is ABI");
