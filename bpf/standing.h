/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Who was a workload, and lost that. */

/* Whoever is a workload by one policy and nobody by the next has lost it by the
 * policy's doing, and is kept from managed places; see is_disowned(). By one and
 * the same policy it has shed it itself. */
static __always_inline void note_standing(struct process_facts *facts,
					  __u32 identity, __u32 generation)
{
	if (identity == IDENTITY_NONE) {
		if (facts->managed_under == generation)
			facts->managed_under = 0;
	} else if (identity < IDENTITY_UNDECIDED) {
		facts->managed_under = generation;
	}
}

/* Was a workload until a policy came by which it is none, and has executed
 * nothing since. */
static __always_inline bool is_disowned(const struct process_facts *facts)
{
	__u32 *generation;

	if (!facts || !facts->managed_under)
		return false;
	generation = bpf_map_lookup_elem(&active_generation, &(__u32){ 0 });
	return !generation || *generation != facts->managed_under;
}
