/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Who is this process. */

#define FIELDS_OF_CGROUPS (1U << FIELD_CGROUP | 1U << FIELD_UNIT)

static __always_inline __u32 decide_anew(struct task_struct *task,
					 struct process_facts *facts,
					 const struct policy *policy,
					 const struct ids *ids)
{
	struct scratch *scratch = take_scratch();
	struct cgroup_facts *cgroup = NULL;
	__u32 identity;

	if (!scratch) {
		count(decisions_lost);
		return IDENTITY_UNKNOWN;
	}
	scratch->credentials.ids = *ids;
	if (policy->fields & (1U << FIELD_GROUPS))
		read_groups(task, &scratch->credentials);
	if (policy->fields & FIELDS_OF_CGROUPS)
		cgroup = cgroup_of(task);
	identity = decide(scratch, facts, cgroup);
	give_back(scratch);
	return identity;
}

/* Whether a decision rests on nothing but the facts and what the memo holds.
 * Groups are not in it. What user space has still to say can only take
 * selectors away that need it, so it changes no decision made without. */
static __always_inline bool can_be_kept(const struct policy *policy,
					const struct process_facts *facts,
					__u32 generation, __u32 identity)
{
	if (identity >= IDENTITY_UNDECIDED ||
	    (policy->fields & (1U << FIELD_GROUPS)))
		return false;
	return !(policy->fields & (1U << FIELD_USER_SPACE)) ||
	       !user_space_class(generation, facts);
}

/* Identity of the current process, told to user space when it is new.
 * - facts: its own; NULL where there are none.
 * - ids: what it was decided by, for the caller.
 * - image: of which of its execs that holds; another one may come before
 *   user space looks. */
static __always_inline __u32
identify_by(struct process_facts *facts, const struct endpoint *endpoint,
	    struct ids *ids, __u32 *image)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct occasion now = { .ids = ids };
	struct policy *policy = policy_in_force(&now.generation);
	__u32 identity;

	read_ids(task, ids);
	if (!policy || !policy->fields)
		return IDENTITY_NONE; /* Nobody can be anybody. */
	if (!facts)
		return IDENTITY_UNKNOWN;
	*image = facts->image;
	now.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	if (!recall(facts, &now, &identity)) {
		identity = decide_anew(task, facts, policy, ids);
		if (can_be_kept(policy, facts, now.generation, identity))
			keep(facts, &now, identity);
		note_standing(facts, identity, now.generation);
	}
	tell_identity(task, facts, identity, endpoint, now.generation);
	return identity;
}

static __always_inline __u32
identify_current(const struct process_key *process,
		 const struct endpoint *endpoint, struct ids *ids,
		 __u32 *image)
{
	return identify_by(facts_of(process), endpoint, ids, image);
}
