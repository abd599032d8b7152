/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Who is this process. */

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

static __always_inline void set_class(struct decision *decision, __u32 field,
				      __u32 class)
{
	decision->classes[field] = class;
	decision->lost |= class == CLASS_LOST;
}

static __always_inline struct selector_row *row_of(__u32 generation,
						   __u32 class)
{
	struct selector_class key = { generation, class };

	return bpf_map_lookup_elem(&selector_rows, &key);
}

/* Where there is no row nobody is in it. The compiler would leave the mask out,
 * the verifier wants to see it. */
static __always_inline __u64 word_of(const struct selector_row *row, __u32 word)
{
	barrier_var(word);
	return row ? row->words[word & (SELECTOR_WORDS - 1)] : 0;
}

/* BPF has no instruction for it, and branches would have the verifier follow
 * each of 64 answers: de Bruijn's sequence instead, which has every number of
 * six bits in it once. */
static __always_inline __u32 lowest_bit(__u64 set)
{
	static const __u8 place[64] = {
		0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,
		62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
		63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
		46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
	};

	return place[((set & -set) * 0x03f79d71b4cb0a89ULL) >> 58];
}

/* Selectors that the groups satisfy: those that want none of them or one that
 * is there, without those that exclude one that is there. */
__noinline __u64 groups_word(struct decision *decision,
			     struct credentials *credentials, __u32 word)
{
	__u64 wanted, allowed = ~0ULL;
	struct selector_row *row;

	if (!decision || !credentials || word >= SELECTOR_WORDS)
		return 0;
	row = row_of(decision->generation, decision->classes[FIELD_GROUPS]);
	if (!row)
		return 0;
	wanted = word_of(row, word);
	for (__u32 group = 0; group < CREDENTIALS_GROUPS; group++) {
		__u32 class = credentials->groups[group];

		if (!class)
			continue;
		row = row_of(decision->generation, class);
		wanted |= word_of(row, word);
		row = row_of(decision->generation, class + 1);
		allowed &= word_of(row, word);
	}
	return wanted & allowed;
}

__noinline __u64 matching_word(struct decision *decision,
			       struct credentials *credentials, __u32 word)
{
	__u64 matching = ~0ULL;

	if (!decision || word >= SELECTOR_WORDS)
		return 0;
	for (__u32 field = 0; field < FIELD_GROUPS; field++) {
		struct selector_row *row;

		if (!(decision->fields & (1U << field)))
			continue;
		row = row_of(decision->generation, decision->classes[field]);
		matching &= word_of(row, word);
		if (!matching)
			return 0;
	}
	if (matching && (decision->fields & (1U << FIELD_GROUPS)))
		matching &= groups_word(decision, credentials, word);
	if (matching && decision->classes[FIELD_USER_SPACE]) {
		struct selector_row *row =
			row_of(decision->generation,
			       decision->classes[FIELD_USER_SPACE]);

		matching &= word_of(row, word);
	}
	return matching;
}

/* Words of the rows in which every field has a bit. */
__noinline __u64 promising_words(struct decision *decision)
{
	__u64 words = ~0ULL;

	if (!decision)
		return 0;
	for (__u32 field = 0; field < FIELD_GROUPS; field++) {
		struct selector_row *row;

		if (!(decision->fields & (1U << field)))
			continue;
		row = row_of(decision->generation, decision->classes[field]);
		words &= row ? row->summary : 0;
		if (!words)
			return 0;
	}
	return words;
}

struct word_trial {
	struct scratch *scratch;
};

static long try_word(__u32 index, struct word_trial *trial)
{
	struct decision *decision = &trial->scratch->decision;
	__u32 word;
	__u64 matching;

	if (!decision->words)
		return 1;
	word = lowest_bit(decision->words);
	decision->words &= decision->words - 1;
	matching = matching_word(decision, &trial->scratch->credentials,
				 word);
	if (!matching)
		return 0;
	decision->slot = word * 64 + lowest_bit(matching);
	return 1;
}

static __always_inline void classify(struct decision *decision,
				     struct process_facts *facts,
				     const struct credentials *credentials,
				     struct cgroup_facts *cgroup,
				     struct policy *policy)
{
	__u32 generation = decision->generation, field;

	decision->classes[FIELD_EUID] = class_of_number(
		generation, FIELD_EUID, credentials->ids.euid);
	decision->classes[FIELD_UID] =
		class_of_number(generation, FIELD_UID, credentials->ids.uid);
	decision->classes[FIELD_EGID] = class_of_number(
		generation, FIELD_EGID, credentials->ids.egid);
	decision->classes[FIELD_GID] =
		class_of_number(generation, FIELD_GID, credentials->ids.gid);
	for (field = FIELD_NAME; field < FIELD_CGROUP; field++)
		if (decision->fields & (1U << field))
			set_class(decision, field,
				  class_of_process(generation, field, facts,
						   policy));
	for (field = FIELD_CGROUP; field <= FIELD_UNIT; field++)
		if (decision->fields & (1U << field))
			set_class(decision, field,
				  cgroup ? class_of_cgroup(generation, field,
							   cgroup) :
					   CLASS_LOST);
}

/* Puts a class in the place of each group that some selector names, and 0 in
 * that of all others. */
static __always_inline void classify_groups(struct decision *decision,
					    struct credentials *credentials)
{
	__u32 count = credentials->group_count;

	decision->classes[FIELD_GROUPS] = count > CREDENTIALS_GROUPS ?
						  CLASS_UNKNOWN(FIELD_GROUPS) :
						  FIELD_GROUPS;
	for (__u32 group = 0; group < CREDENTIALS_GROUPS; group++) {
		__u32 class = FIELD_GROUPS;

		if (group < count && count <= CREDENTIALS_GROUPS)
			class = class_of_number(decision->generation,
						FIELD_GROUPS,
						credentials->groups[group]);
		credentials->groups[group] = class == FIELD_GROUPS ? 0 : class;
	}
}

/* One run of one image: what is found out of it does not hold for the next. */
static __always_inline struct process_key
image_of(const struct process_facts *facts)
{
	struct process_key key = facts->key;

	key.image = facts->image;
	return key;
}

/* What user space said of this image for this policy; 0: nothing yet. */
static __always_inline __u32 user_space_class(__u32 generation,
					      const struct process_facts *facts)
{
	struct process_key image = image_of(facts);
	struct user_space_answer *answer;
	__u64 kept;

	answer = bpf_map_lookup_elem(&user_space_answers, &image);
	if (!answer)
		return 0;
	kept = *(volatile __u64 *)&answer->classes[generation & 1];
	return is_of(kept, generation) ? kept : 0;
}

static __always_inline __u32 name_slot(struct decision *decision)
{
	__u32 index = decision->slot +
		      (decision->generation & 1) * SELECTOR_SLOTS;
	struct selector_slot *slot;

	if (decision->slot >= SELECTOR_SLOTS)
		return IDENTITY_NONE;
	slot = bpf_map_lookup_elem(&selector_slots, &index);
	if (!slot)
		return IDENTITY_UNKNOWN;
	/* As far as the kernel part can see. */
	if ((slot->flags & SLOT_NEEDS_USER_SPACE) &&
	    !decision->classes[FIELD_USER_SPACE])
		return IDENTITY_UNDECIDED;
	return slot->identity;
}

/* The decision: identity of a process with these facts that now runs with the
 * credentials in the scratch, in this cgroup. Swift says the same in
 * `Matcher.match`. Of all selectors that hold the one of the lowest slot names
 * it: scratch->decision.slot. Uses up the groups. */
__noinline __u32 decide(struct scratch *scratch, struct process_facts *facts,
			struct cgroup_facts *cgroup)
{
	struct word_trial trial = { scratch };
	struct decision *decision;
	struct policy *policy;

	if (!scratch || !facts)
		return IDENTITY_UNKNOWN;
	decision = &scratch->decision;
	__builtin_memset(decision, 0, sizeof(*decision));
	decision->slot = SELECTOR_SLOTS;
	policy = policy_in_force(&decision->generation);
	if (!policy)
		return decision->generation ? IDENTITY_UNKNOWN : IDENTITY_NONE;
	count(decisions);
	decision->fields = policy->fields;
	if (!decision->fields) /* No selector at all. */
		return IDENTITY_NONE;
	classify(decision, facts, &scratch->credentials, cgroup, policy);
	if (decision->lost) { /* Fail closed: it could be managed. */
		count(decisions_lost);
		return IDENTITY_UNKNOWN;
	}
	if (decision->fields & (1U << FIELD_GROUPS))
		classify_groups(decision, &scratch->credentials);
	if (decision->fields & (1U << FIELD_USER_SPACE))
		decision->classes[FIELD_USER_SPACE] =
			user_space_class(decision->generation, facts);
	decision->words = promising_words(decision);
	bpf_loop(SELECTOR_WORDS, try_word, &trial, 0);
	return name_slot(decision);
}

#include "memo.h"

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

/* Identity of the current process, told to user space when it is new.
 * - ids: what it was decided by, for the caller.
 * - image: of which of its execs that holds; another one may come before
 *   user space looks. */
static __always_inline __u32
identify_current(const struct process_key *process,
		 const struct endpoint *endpoint, struct ids *ids,
		 __u32 *image)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct process_facts *facts = facts_of(process);
	struct decision_memo memo = {};
	struct policy *policy = policy_in_force(&memo.generation);

	read_ids(task, ids);
	if (!policy || !policy->fields)
		return IDENTITY_NONE; /* Nobody can be anybody. */
	if (!facts)
		return IDENTITY_UNKNOWN;
	*image = facts->image;
	memo.ids = *ids;
	memo.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	if (!recall(facts, &memo, &memo.identity)) {
		memo.identity = decide_anew(task, facts, policy, ids);
		if (can_be_kept(policy, facts, &memo))
			keep(facts, &memo);
	}
	tell_identity(task, facts, memo.identity, endpoint, memo.generation);
	return memo.identity;
}
