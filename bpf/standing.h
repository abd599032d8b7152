/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* What note_standing() is to a process that opens something, of one that opens
 * nothing at the moment: it may have become a workload since it last did, by a
 * policy or by what user space has answered. Nothing is taken back from whoever
 * stands still. */
static __always_inline void look_at_standing(struct task_struct *task,
					     struct process_facts *facts)
{
	struct decision_memo memo = {};
	struct policy *policy = policy_in_force(&memo.generation);
	struct process_facts *parent;

	if (!policy || !policy->fields ||
	    facts->managed_under == memo.generation)
		return;
	read_ids(task, &memo.ids);
	memo.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	if (!recall(facts, &memo, &memo.identity))
		memo.identity = decide_anew(task, facts, policy, &memo.ids);
	if (memo.identity == IDENTITY_UNDECIDED && !facts->image) {
		/* Nobody has asked about a child that does nothing. It runs
		 * what its parent runs. */
		parent = facts_of(&facts->parent);
		if (!parent || parent->managed_under != memo.generation)
			return;
		facts->managed_under = memo.generation;
	} else if (memo.identity != IDENTITY_NONE) {
		note_standing(facts, memo.identity, memo.generation);
	}
}
