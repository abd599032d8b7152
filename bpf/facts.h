/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* What is known of a process: its record, and what it runs by now. */

/* Facts of exactly this run; NULL for a process that found no room. */
static __always_inline struct process_facts *
facts_of(const struct process_key *process)
{
	struct process_facts *facts;

	facts = bpf_map_lookup_elem(&processes, &process->tgid);
	if (!facts || !same_process(&facts->key, process))
		return NULL;
	return facts;
}

static __always_inline void read_ids(struct task_struct *task, struct ids *ids)
{
	const struct cred *cred = task->cred;

	ids->euid = cred->euid.val;
	ids->uid = cred->uid.val;
	ids->egid = cred->egid.val;
	ids->gid = cred->gid.val;
}

static __always_inline void read_groups(struct task_struct *task,
					struct credentials *credentials)
{
	const struct group_info *groups = task->cred->group_info;

	credentials->group_count = groups->ngroups;
	bpf_probe_read_kernel(credentials->groups,
			      sizeof(credentials->groups), &groups->gid);
}

/* One run of one image: what is found out of it does not hold for the next. */
static __always_inline struct process_key
image_of(const struct process_facts *facts)
{
	struct process_key key = facts->key;

	key.image = facts->image;
	return key;
}
