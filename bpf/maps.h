/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Everything the kernel part remembers. All maps are pinned by the agent and
 * outlive it; an agent that starts again adopts them. */

/* What the kernel saw of each process, by tgid; a reader checks the start
 * time. Written: exec.bpf.c; iterate.bpf.c for those that run already. Read:
 * facts.h, the agent. Removed: exec.bpf.c, when the last thread is gone.
 * Without room a process is unknown, and processes_lost says so. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct process_facts);
} processes SEC(".maps");

/* Folders of cgroup v2 that processes in scope were seen in. Written:
 * cgroup.h. Removed: cgroup.h, when the folder is. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64); /* cgroup id */
	__type(value, struct cgroup_facts);
} cgroups SEC(".maps");

/* Which class a number belongs to. Written and removed: the agent. Read:
 * classes.h, decision.h. The same holds for all selector maps. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct selector_number);
	__type(value, __u32);
} number_classes SEC(".maps");

/* Which class a text belongs to: that of the longest entry it begins with,
 * whose row takes all shorter ones into account. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct selector_text);
	__type(value, __u32);
} text_classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct selector_class);
	__type(value, struct selector_row);
} selector_rows SEC(".maps");

/* Which identity a selector stands for. Index: (generation & 1) *
 * SELECTOR_SLOTS + bit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * SELECTOR_SLOTS);
	__type(key, __u32);
	__type(value, struct selector_slot);
} selector_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct policy);
} policies SEC(".maps");

/* The policy in force. Flipping this word is the whole of a policy change. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active_generation SEC(".maps");

/* What the agent found out of processes the kernel part cannot decide alone.
 * Written: the agent. Removed: exec.bpf.c, on exec and exit. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct process_key); /* of one image */
	__type(value, struct user_space_answer);
} user_space_answers SEC(".maps");

/* One decision on its way. */
struct decision {
	__u32 generation;
	__u32 used_words; /* of rows */
	__u32 slot;	  /* SELECTOR_SLOTS: none */
	__u32 answered;	  /* user space has said something */
	struct selector_row matching; /* selectors, so far */
	struct selector_row wanted;   /* those that one group or another has */
};

/* Room for what is too large for the stack. A program takes one by `busy` and
 * gives it back; another that runs meanwhile takes another. */
#define SCRATCH_SLOTS 64
struct scratch {
	__u32 busy;
	union {
		struct selector_text key;
		struct {
			struct credentials credentials;
			struct decision decision;
		};
		__u8 path[2 * PROCESS_PATH_LEN];
	};
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* The process an iterator has in hand; iterators run one at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct process_facts);
} found_process SEC(".maps");

/* The question to decide_asked and its answer. Written: both. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decision_request);
} decision_asked SEC(".maps");

/* Network namespaces that have the proxy in them, by cookie: room for
 * Namespaces.inAll of Sources/Limits. Written: the agent, last when it begins
 * to serve one and first when it ends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32); /* unused */
} networks SEC(".maps");

/* Where managed workloads listen, here and elsewhere: room for
 * Endpoints.inAll and Endpoints.ofHost of Sources/Limits together. Written:
 * the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct place);
	__type(value, __u32); /* unused */
} destinations SEC(".maps");

/* Written: the agent, as the next three, which it writes first. Read:
 * egress.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outbound_settings);
} outbound_settings SEC(".maps");

/* Identities that may reach, but for managed workloads, only what is in their
 * list. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32); /* identity */
	__type(value, __u32); /* list */
} outbound_lists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct egress_range);
	__type(value, struct egress_ports);
} egress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct managed_network);
	__type(value, __u32); /* NETWORK_... */
} managed_networks SEC(".maps");

/* Who connected a socket. Written: connect.bpf.c, and flow.bpf.c for the
 * proxy's accepted sockets, where the agent reads it by descriptor. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct kept_flow);
} flows SEC(".maps");

/* Flows between SYN and accepted socket. Written: flow.bpf.c before the SYN
 * leaves. Removed: by the accepted socket, or when the dialling socket
 * closes, whichever comes first, so no later user of a source port can find
 * it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct place); /* the source of the dialling socket */
	__type(value, struct kept_flow);
} pending_flows SEC(".maps");

/* The agent's dials to local applications. Written: the agent, by
 * descriptor, before it connects. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct upstream);
} upstreams SEC(".maps");

/* Connections that reach the application itself, and their true clients.
 * Written: flow.bpf.c before the agent's SYN leaves. Removed: when that
 * socket closes. Read: steer.bpf.c. An entry left behind would be a way
 * around the proxy. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct connection);
	__type(value, struct upstream_client);
} upstream_clients SEC(".maps");

/* The client an application is told of: on each socket that was accepted from
 * the proxy. Written: flow.bpf.c on accept. The proxy's own inbound sockets have
 * one without a port, from their listeners, where the agent puts it: what is at
 * a managed place without either came past the proxy. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct endpoint);
} accepted_clients SEC(".maps");

/* Listening sockets of the scope, by cookie: a record is its socket's and ends
 * with it. Written: listen.bpf.c, iterate.bpf.c; its identity: decide_listener(),
 * for the agent. Removed: listen.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct listener);
} listeners SEC(".maps");

/* How many of these sockets are at a place, and what they are: PLACE_... .
 * What steer() goes by; what a socket lets in is its own record's matter.
 * Written and removed: listen.bpf.c. Read: places.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct place);
	__type(value, __u64);
} places SEC(".maps");

/* Listeners that found no room above and may be managed: nobody reaches them.
 * Written: listen.bpf.c. Read: steer.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32); /* unused */
} closed_sockets SEC(".maps");

/* The proxy's listeners. The kernel removes an entry when its socket closes.
 * Written: the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct proxy_listener);
	__type(value, __u64);
} proxy_listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agent_settings);
} agent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agent_credentials);
} agent_credentials SEC(".maps");

/* What the agent has to know to keep the policy: listeners, processes to be
 * found out, namespaces to be served. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} events SEC(".maps");

/* How much of `events` each user has caused lately (current_payer()): a word with
 * a window of time above and a number below, for all whose uids end alike; behind
 * these the same of EVENT_UNSERVED alone. Written: share.h. */
#define EVENT_SHARES 1024
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * EVENT_SHARES);
	__type(key, __u32);
	__type(value, __u64);
} event_shares SEC(".maps");

/* What operators are told. Of its own, so that whoever is refused, however
 * often, displaces nothing of `events`. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} notices SEC(".maps");

/* How often who was refused, and why. Written: refusal.h. Removed: the agent,
 * where nothing is counted any more. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct refusal_source);
	__type(value, struct refusal_tally);
} refusal_tallies SEC(".maps");

/* The same of those that found no room there, by reason. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REFUSAL_REASONS);
	__type(key, __u32);
	__type(value, struct refusal_tally);
} crowded_refusals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kernel_statistics);
} statistics SEC(".maps");
