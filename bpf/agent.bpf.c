// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* What the agent asks of the kernel part, in its own context. */

/* More than any chain of processes is long, from the agent up. */
#define ANCESTORS 64

/* That of the kernel's first task, which started process 1: it is above all
 * others, and can be asked whatever rights the agent has to it. */
static __always_inline __u32 initial_mount_namespace(struct task_struct *task)
{
	for (__u32 distance = 0; distance < ANCESTORS; distance++) {
		if (!BPF_CORE_READ(task, pid))
			return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
		task = BPF_CORE_READ(task, real_parent);
	}
	return 0; /* Fail closed: nobody is on the host. */
}

/* The agent introduces itself at its start: user space cannot read its own
 * start time to the nanosecond, and the root file system its program is on is
 * the host's. */
SEC("syscall")
int register_agent(struct agent_settings *asked)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct agent_settings settings = *asked;
	struct scratch *scratch = take_scratch();
	struct path_walk walk = {};

	if (!scratch)
		return -1;
	walk.buffer = scratch->path;
	walk_up(&walk, task->mm->exe_file);
	give_back(scratch);
	if (!walk.complete)
		return -1;
	read_root(&walk, &settings.root_device, &settings.root_inode);
	settings.mount_namespace = initial_mount_namespace(task);
	settings.process = current_process();
	return bpf_map_update_elem(&agent, &(__u32){ 0 }, &settings, BPF_ANY);
}

/* The decision for a process with other credentials, in another cgroup: what
 * the comparison with Swift's `Matcher` asks. Never attached, only run by the
 * agent; of a type that does not sleep, as those cannot use a trie. */
SEC("raw_tp")
int decide_asked(void *unused)
{
	struct decision_request *request =
		bpf_map_lookup_elem(&decision_asked, &(__u32){ 0 });
	struct scratch *scratch = request ? take_scratch() : NULL;
	struct process_facts *facts;
	struct cgroup_facts *cgroup;
	__u32 tgid;
	__u64 id;

	if (!request || !scratch)
		return -1;
	tgid = request->tgid;
	id = request->cgroup_id;
	facts = bpf_map_lookup_elem(&processes, &tgid);
	cgroup = bpf_map_lookup_elem(&cgroups, &id);
	scratch->credentials = request->credentials;
	request->identity = decide(scratch, facts, cgroup);
	request->slot = scratch->decision.slot;
	give_back(scratch);
	return 0;
}
