/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Everything the kernel part remembers. All maps are pinned by the agent and
 * outlive it; an agent that starts again adopts them. */

/* What the kernel saw of each process, by tgid; a reader checks the start
 * time. Written: exec.bpf.c. Read: identity.h, the agent. Removed:
 * exec.bpf.c, when the last thread is gone. Without room a process has no
 * identity, and processes_lost says so. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct process_facts);
} processes SEC(".maps");

/* Which selectors ask for this effective uid. Written and removed: the agent.
 * Read: identity.h. The same holds for all selector maps. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct selector_uid);
	__type(value, struct selector_bits);
} uid_bits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct selector_name);
	__type(value, struct selector_bits);
} name_bits SEC(".maps");

/* Which selectors' words argv begins with. Each entry holds the union of its
 * prefixes' bits, because a trie answers with the longest alone. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct selector_argv);
	__type(value, struct selector_bits);
} argv_bits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct selector_wildcards);
} wildcard_bits SEC(".maps");

/* Which identity a selector stands for. Index: (generation & 1) *
 * SELECTOR_SLOTS + bit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * SELECTOR_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} slot_identity SEC(".maps");

/* The policy in force. Flipping this word is the whole of a policy change. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active_generation SEC(".maps");

/* Where managed workloads listen, here and elsewhere. Written: the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct endpoint);
	__type(value, __u32); /* unused */
} destinations SEC(".maps");

/* Who connected a socket. Written: connect.bpf.c, and flow.bpf.c for the
 * proxy's accepted sockets, where the agent reads it by descriptor. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow);
} flows SEC(".maps");

/* Flows between SYN and accepted socket. Written: flow.bpf.c before the SYN
 * leaves. Removed: by the accepted socket, or when the dialling socket
 * closes, whichever comes first, so no later user of a source port can find
 * it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct flow_source);
	__type(value, struct flow);
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
 * socket closes. Read: listen.bpf.c. An entry left behind would be a way
 * around the proxy. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct connection);
	__type(value, struct endpoint);
} upstream_clients SEC(".maps");

/* The client an application is told of. Written: flow.bpf.c on accept. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct endpoint);
} accepted_clients SEC(".maps");

/* Listening sockets of the scope in the agent's network namespace. Written:
 * listen.bpf.c; the agent changes `identity` after a change of policy. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct endpoint);
	__type(value, struct listener);
} listeners SEC(".maps");

/* How many sockets share a listener's endpoint (SO_REUSEPORT). Written:
 * listen.bpf.c alone, hence apart from `listeners`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct endpoint);
	__type(value, __u32);
} listener_sockets SEC(".maps");

/* The proxy's listeners, by enum proxy_listener. The kernel empties a slot
 * when its socket closes. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, PROXY_LISTENERS);
	__type(key, __u32);
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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kernel_statistics);
} statistics SEC(".maps");
