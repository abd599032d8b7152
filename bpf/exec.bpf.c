// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Keeps what a process is, as of its last exec. Runs in the new image's
 * context before its first instruction, so nothing in here is the process's
 * own later word. */

/* The pages of argv were written a moment ago by exec itself, so reading them
 * without sleeping works. Where it does not, argv stays empty: that matches
 * only selectors that do not ask for it. */
static __always_inline void write_argv(struct process_facts *facts,
				       struct mm_struct *memory)
{
	__u64 length = memory->arg_end - memory->arg_start;

	if (length > PROCESS_ARGV_LEN) {
		length = PROCESS_ARGV_LEN;
		facts->flags |= PROCESS_ARGV_TRUNCATED;
	}
	if (!bpf_probe_read_user(facts->argv, length,
				 (void *)memory->arg_start))
		facts->argv_len = length;
}

/* The kernel was asked for a script and executed its interpreter. */
static __always_inline void write_script(struct process_facts *facts,
					 struct linux_binprm *program)
{
	if (program->interp != program->filename)
		bpf_probe_read_kernel_str(facts->script, sizeof(facts->script),
					  program->filename);
}

/* Whose exec it was, and where names led to at that moment: what a relative name
 * of the command line means, the interpreter is about to see. */
static __always_inline void write_origin(struct process_facts *facts,
					  struct process_key image,
					  struct task_struct *task)
{
	image.image = facts->image;
	facts->origin = image;
	facts->executed_boottime_ns = bpf_ktime_get_boot_ns();
	write_folders(facts, task);
	if (BPF_CORE_READ(task, fs, users) > 1)
		facts->flags |= PROCESS_SHARED_FOLDER;
}

/* A fresh record in the table, blank but for the key's tgid. Where there is
 * no room the record of the previous image goes as well: a process is never
 * taken for what it was before. */
static __always_inline struct process_facts *blank_record(__u32 tgid)
{
	static const struct process_facts blank;

	if (bpf_map_update_elem(&processes, &tgid, &blank, BPF_ANY)) {
		bpf_map_delete_elem(&processes, &tgid);
		count(processes_lost);
		return NULL;
	}
	return bpf_map_lookup_elem(&processes, &tgid);
}

/* Most have none, and looking takes no lock. */
static __always_inline void forget_answer(const struct process_key *image)
{
	if (bpf_map_lookup_elem(&user_space_answers, image))
		bpf_map_delete_elem(&user_space_answers, image);
}

/* Who it is now: the agent hears of it before the first connection, and can
 * have credentials, hashes and the proxy ready. Who is out of scope opens
 * nothing that is seen, and is nobody's concern until he comes into it. */
static __always_inline void announce(struct task_struct *task,
				     struct process_facts *facts)
{
	__u64 netns_cookie = netns_of(task);
	struct ids ids;
	__u32 identity, image;

	if (!is_below_scope(task->cgroups->dfl_cgrp->kn))
		return;
	identity = identify_current(&facts->key, NULL, &ids, &image);
	if (identity == IDENTITY_NONE)
		return;
	if (identity != IDENTITY_UNKNOWN && !is_served(netns_cookie))
		report(EVENT_UNSERVED, 0, &facts->key, identity, NULL,
		       netns_cookie);
}

/* Of the whole machine, as the next three (typed tracepoints, which can refuse
 * nothing): who finds no room is unknown, and refused where it matters. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_executed, struct task_struct *task, int old_pid,
	     struct linux_binprm *program)
{
	struct mm_struct *memory = task->mm;
	struct process_key parent = {}, key = key_of(task), former = key;
	struct process_facts *facts = facts_of(&key);
	__u32 connected = 0;

	if (facts) {
		parent = facts->parent;
		former = image_of(facts);
		connected = facts->connected;
	}
	facts = blank_record(task->tgid);
	/* Only now: the agent looks for the record behind its answer. */
	forget_answer(&former);
	count(execs);
	if (facts && memory) {
		facts->parent = parent;
		facts->image = former.image + 1;
		facts->connected = connected;
		write_origin(facts, key, task);
		if (is_on_host(task))
			facts->flags |= PROCESS_ON_HOST;
		bpf_get_current_comm(facts->name, sizeof(facts->name));
		write_executable(facts, task, memory);
		write_argv(facts, memory);
		write_script(facts, program);
		barrier();
		facts->key = key; /* last: it makes the record valid */
		announce(task, facts);
	}
	/* What it opened as somebody else, the agent looks at; also where there
	 * was no room for what it is now. */
	if (connected)
		report(EVENT_EXECUTED, connected, &key, IDENTITY_NONE, NULL,
		       netns_of(task));
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_forked, struct task_struct *parent,
	     struct task_struct *child)
{
	struct process_key before = key_of(parent);
	struct process_facts *facts = facts_of(&before);
	__u32 tgid = child->tgid;

	if (tgid == before.tgid || !facts) /* a thread; an unknown's child */
		return 0;
	if (bpf_map_update_elem(&processes, &tgid, facts, BPF_ANY)) {
		count(processes_lost);
		return 0;
	}
	facts = bpf_map_lookup_elem(&processes, &tgid);
	if (!facts)
		return 0;
	facts->parent = before;
	facts->identified = IDENTITY_NONE;
	facts->asked = 0;
	facts->image = 0;
	facts->connected = 0;
	facts->untold = 0;
	if (!is_on_host(child))
		facts->flags &= ~PROCESS_ON_HOST;
	facts->memo = (struct decision_memo){}; /* may have been half written */
	barrier();
	facts->key = key_of(child);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exited, struct task_struct *task)
{
	struct process_key key = key_of(task);
	struct process_key last = key;
	struct process_facts *facts;

	if (task->signal->live.counter)
		return 0;
	facts = facts_of(&key);
	if (facts)
		last = image_of(facts);
	bpf_map_delete_elem(&processes, &key.tgid);
	/* Only now: the agent looks for the record behind its answer. */
	forget_answer(&last);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_removed, struct cgroup *cgroup)
{
	__u64 id = cgroup->kn->id;

	bpf_map_delete_elem(&cgroups, &id);
	return 0;
}
