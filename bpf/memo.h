/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* The last decision, kept with the process: most connections are decided by
 * comparing a few numbers. */

static __always_inline bool same_ids(const struct ids *left,
				     const struct ids *right)
{
	return left->euid == right->euid && left->uid == right->uid &&
	       left->egid == right->egid && left->gid == right->gid;
}

/* What a decision rests on beside the facts; of the ids only the address, as the
 * stack that they are on is nearly full. */
struct occasion {
	__u32 generation;
	__u64 cgroup_id;
	const struct ids *ids;
};

/* Adding nothing is a barrier: neither of the two reads of `sequence` can swap
 * with what is read between them. */
static __always_inline bool recall(struct process_facts *facts,
				   const struct occasion *asked,
				   __u32 *identity)
{
	struct decision_memo *memo = &facts->memo;
	__u32 before = __sync_fetch_and_add(&memo->sequence, 0);
	bool holds = memo->generation == asked->generation &&
		     memo->cgroup_id == asked->cgroup_id &&
		     same_ids(&memo->ids, asked->ids);

	*identity = memo->identity;
	return holds && !(before & 1) &&
	       __sync_fetch_and_add(&memo->sequence, 0) == before;
}

static __always_inline void keep(struct process_facts *facts,
				 const struct occasion *decided, __u32 identity)
{
	struct decision_memo *memo = &facts->memo;
	__u32 before = *(volatile __u32 *)&memo->sequence;

	if ((before & 1) ||
	    __sync_val_compare_and_swap(&memo->sequence, before,
					before + 1) != before)
		return; /* Another thread is at it. */
	memo->generation = decided->generation;
	memo->ids = *decided->ids;
	memo->cgroup_id = decided->cgroup_id;
	memo->identity = identity;
	__sync_fetch_and_add(&memo->sequence, 1);
}
