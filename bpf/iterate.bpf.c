// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Finds what was there before the kernel part: processes, and the sockets they
 * listen on. Run by the agent, once, when it has loaded the kernel part anew;
 * the hooks are attached by then, so nothing is missed in between, and what
 * they have recorded is never overwritten. */

#define E2BIG 7 /* the map is full */

static __always_inline void read_argv(struct process_facts *facts,
				      struct task_struct *task,
				      struct mm_struct *memory)
{
	__u64 start = memory->arg_start, length = memory->arg_end - start;

	if (length > PROCESS_ARGV_LEN) {
		length = PROCESS_ARGV_LEN;
		facts->flags |= PROCESS_ARGV_TRUNCATED;
	}
	if (!bpf_copy_from_user_task(facts->argv, length, (void *)start, task,
				     0))
		facts->argv_len = length;
}

SEC("iter.s/task")
int find_processes(struct bpf_iter__task *ctx)
{
	static const struct process_facts blank;
	struct task_struct *task = ctx->task;
	struct process_facts *facts =
		bpf_map_lookup_elem(&found_process, &(__u32){ 0 });
	struct mm_struct *memory;
	__u32 tgid;

	if (!task || !facts || task->pid != task->tgid)
		return 0;
	memory = task->mm;
	tgid = task->tgid;
	if (!memory || bpf_map_lookup_elem(&processes, &tgid))
		return 0;
	bpf_map_update_elem(&found_process, &(__u32){ 0 }, &blank, BPF_ANY);
	facts->flags = PROCESS_FOUND_RUNNING;
	facts->parent = key_of(task->real_parent);
	bpf_probe_read_kernel_str(facts->name, sizeof(facts->name),
				  task->comm);
	write_executable(facts, task, memory);
	read_argv(facts, task, memory);
	facts->key = key_of(task);
	if (bpf_map_update_elem(&processes, &tgid, facts, BPF_NOEXIST) ==
	    -E2BIG)
		count(processes_lost);
	return 0;
}

/* Whether the socket belongs to the cgroup the agent is attached to, or to one
 * below it. */
static __always_inline bool is_in_scope(struct sock *sk)
{
	struct agent_settings *agent = settings();
	struct kernfs_node *node =
		BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn);

	if (!agent)
		return false;
	for (__u32 depth = 0; depth < CGROUP_DEPTH && node; depth++) {
		if (BPF_CORE_READ(node, id) == agent->cgroup_id)
			return true;
		node = parent_of(node);
	}
	return false;
}

static __always_inline struct endpoint bound_end(struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);
	struct in6_addr address;

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET)
		return endpoint_v4(BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr),
				   port);
	address = BPF_CORE_READ(sk, __sk_common.skc_v6_rcv_saddr);
	return endpoint_v6(address.in6_u.u6_addr32, port);
}

static __always_inline bool is_tcp_listener(struct sock *sk)
{
	__u32 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == AF_INET || family == AF_INET6) &&
	       BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
	       is_stream(BPF_CORE_READ(sk, sk_protocol)) &&
	       BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_LISTEN;
}

/* The agent decides each of them at once; until then nobody reaches it. */
static __always_inline void note_listener(struct sock *sk,
					  struct task_struct *task)
{
	struct agent_settings *agent = settings();
	struct listener listener = {
		.process = key_of(task),
		.identity = IDENTITY_UNDECIDED,
		.flags = LISTENER_FOUND_RUNNING,
	};
	struct place place = {
		.netns_cookie =
			BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie),
		.endpoint = bound_end(sk),
	};

	if (!agent || same_process(&listener.process, &agent->process))
		return;
	if (!is_v4(&place.endpoint) &&
	    BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only))
		listener.flags |= LISTENER_V6ONLY;
	read_ids(task, &listener.ids);
	if (bpf_map_update_elem(&listeners, &place, &listener, BPF_NOEXIST) ==
	    -E2BIG)
		count(listeners_lost);
}

SEC("iter/task_file")
int find_listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (sk && is_tcp_listener(sk) && is_in_scope(sk))
		note_listener(sk, task);
	return 0;
}
