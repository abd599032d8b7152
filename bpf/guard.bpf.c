// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* What the hooks of cgroups cannot see, on kernels whose BPF LSM can be used:
 * somebody who would put words into a managed process's mouth, and a managed
 * process that becomes somebody else while its connections are open. An extra:
 * nothing else rests on it. */

#define EPERM 1
#define PTRACE_MODE_ATTACH 2 /* not only reading what ps reads */

/* Who a process is, as last told; it has told before it had any connection. */
static __always_inline __u32 told_identity(struct process_key *process)
{
	struct process_facts *facts = facts_of(process);

	return facts ? facts->identified : IDENTITY_NONE;
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(tracer_checked, struct task_struct *tracee, unsigned int mode,
	     int refused)
{
	struct process_key tracer = current_process(), key = key_of(tracee);
	struct agent_settings *agent = settings();
	__u32 identity;

	if (refused || !(mode & PTRACE_MODE_ATTACH) || !agent)
		return refused;
	/* Root can do anything, by other ways as well. */
	if (!bpf_get_current_task_btf()->cred->euid.val ||
	    same_process(&tracer, &key) || same_process(&tracer, &agent->process))
		return 0;
	identity = told_identity(&key);
	if (identity == IDENTITY_NONE || identity == told_identity(&tracer))
		return 0;
	count(refusals);
	report(EVENT_REFUSED, REFUSED_TRACER, &key, identity, NULL,
	       netns_of(tracee));
	return -EPERM;
}

static __always_inline void tell_new_ids(const struct cred *new,
					 const struct cred *old)
{
	struct process_key process = current_process();
	__u32 identity = told_identity(&process);

	if (identity == IDENTITY_NONE ||
	    (new->euid.val == old->euid.val && new->uid.val == old->uid.val &&
	     new->egid.val == old->egid.val && new->gid.val == old->gid.val))
		return;
	report(EVENT_CREDENTIALS, REFUSED_NOT, &process, identity, NULL,
	       netns_of(bpf_get_current_task_btf()));
}

SEC("lsm/task_fix_setuid")
int BPF_PROG(user_changed, struct cred *new, const struct cred *old, int flags,
	     int refused)
{
	if (!refused)
		tell_new_ids(new, old);
	return refused;
}

SEC("lsm/task_fix_setgid")
int BPF_PROG(group_changed, struct cred *new, const struct cred *old, int flags,
	     int refused)
{
	if (!refused)
		tell_new_ids(new, old);
	return refused;
}
