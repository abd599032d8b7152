// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* What is done to each of many things, by the agent.
 *
 * First, what was there before the kernel part is found: processes, and the
 * sockets they listen on. Once, when the kernel part was loaded anew; the hooks
 * are attached by then, so nothing is missed in between, and what they have
 * recorded is never overwritten. */

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

/* Of each process the first thread met that lives: the one it began with may
 * have ended, and has no memory then. */
SEC("iter.s/task")
int find_processes(struct bpf_iter__task *ctx)
{
	static const struct process_facts blank;
	struct task_struct *task = ctx->task;
	struct process_facts *facts =
		bpf_map_lookup_elem(&found_process, &(__u32){ 0 });
	struct mm_struct *memory;
	__u32 tgid;

	if (!task || !facts)
		return 0;
	memory = task->mm;
	tgid = task->tgid;
	if (!memory || bpf_map_lookup_elem(&processes, &tgid))
		return 0;
	bpf_map_update_elem(&found_process, &(__u32){ 0 }, &blank, BPF_ANY);
	facts->flags = PROCESS_FOUND_RUNNING;
	if (is_on_host(task))
		facts->flags |= PROCESS_ON_HOST;
	facts->parent = key_of(task->group_leader->real_parent);
	bpf_probe_read_kernel_str(facts->name, sizeof(facts->name),
				  task->group_leader->comm);
	write_executable(facts, task, memory);
	facts->origin = key_of(task);
	write_folders(facts, task);
	read_argv(facts, task, memory);
	facts->key = key_of(task);
	if (bpf_map_update_elem(&processes, &tgid, facts, BPF_NOEXIST) ==
	    -E2BIG)
		count(processes_lost);
	return 0;
}

static __always_inline bool is_tcp_listener(struct sock *sk)
{
	__u32 family = sk->__sk_common.skc_family;

	return (family == AF_INET || family == AF_INET6) &&
	       sk->sk_type == SOCK_STREAM && is_stream(sk->sk_protocol) &&
	       sk->__sk_common.skc_state == BPF_TCP_LISTEN;
}

/* The agent decides each of them at once; until then nobody reaches it. Who
 * holds it first is taken for who listened. */
static __always_inline void note_listener(struct sock *sk,
					  struct task_struct *task)
{
	struct agent_settings *agent = settings();
	struct listener listener = {
		.process = key_of(task),
		.flags = LISTENER_FOUND_RUNNING,
	};

	if (!agent || same_process(&listener.process, &agent->process))
		return;
	listener.place = place_of_listener(sk);
	read_ids(task, &listener.ids);
	if (!keep_listener(bpf_get_socket_cookie(sk), &listener,
			   IDENTITY_UNDECIDED)) {
		count(listeners_lost);
		bpf_sk_storage_get(&closed_sockets, sk, NULL,
				   BPF_SK_STORAGE_GET_F_CREATE);
	}
	/* It was shut down before there was a record to end. */
	if (sk->__sk_common.skc_state != BPF_TCP_LISTEN)
		close_listener(sk);
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
	sk = socket->sk;
	if (sk && is_tcp_listener(sk) && is_in_scope(sk))
		note_listener(sk, task);
	return 0;
}

/* What note_standing() is to a process that opens something, of one that opens
 * nothing at the moment: it may have become a workload since it last did, by a
 * policy or by what user space has answered. Nothing is taken back from whoever
 * stands still. */
static __always_inline void look_at_standing(struct task_struct *task,
					     struct process_facts *facts)
{
	struct ids ids;
	struct occasion now = { .ids = &ids };
	struct policy *policy = policy_in_force(&now.generation);
	struct process_facts *parent;
	__u32 identity;

	if (!policy || !policy->fields ||
	    facts->managed_under == now.generation)
		return;
	read_ids(task, &ids);
	now.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	if (!recall(facts, &now, &identity))
		identity = decide_anew(task, facts, policy, &ids);
	if (identity == IDENTITY_UNDECIDED && !facts->image) {
		/* Nobody has asked about a child that does nothing. It runs
		 * what its parent runs, or ran: whose record says nothing of a
		 * former image. To compare images would therefore only ever
		 * let a child go that is kept from managed places now, until
		 * it executes something. */
		parent = facts_of(&facts->parent);
		if (!parent || parent->managed_under != now.generation)
			return;
		facts->managed_under = now.generation;
	} else if (identity != IDENTITY_NONE) {
		note_standing(facts, identity, now.generation);
	}
}

/* Before a policy ends: who is a workload by it, and has opened nothing since it
 * became one, has been one all the same. Of threads those that live, as ids are
 * theirs; most are known by their process's memo. */
SEC("iter/task")
int note_standings(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process_facts *facts;
	struct process_key key;

	if (!task || !task->mm ||
	    !is_below_scope(task->cgroups->dfl_cgrp->kn))
		return 0;
	key = key_of(task);
	facts = facts_of(&key);
	if (facts)
		look_at_standing(task, facts);
	return 0;
}
