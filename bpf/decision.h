/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Which selectors hold for a process, and whose they are. */

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

/* Whether any selector is left. */
__noinline bool keep_common(struct selector_row *kept,
			    const struct selector_row *row, __u32 words)
{
	__u64 left = 0;

	if (!kept || !row)
		return false;
	for (__u32 word = 0; word < SELECTOR_WORDS && word < words; word++) {
		kept->words[word] &= row->words[word];
		left |= kept->words[word];
	}
	return left;
}

__noinline int add_all(struct selector_row *set,
		       const struct selector_row *row, __u32 words)
{
	if (!set || !row)
		return 0;
	for (__u32 word = 0; word < SELECTOR_WORDS && word < words; word++)
		set->words[word] |= row->words[word];
	return 0;
}

/* SELECTOR_SLOTS for the empty set. */
__noinline __u32 first_slot(const struct selector_row *set, __u32 words)
{
	if (!set)
		return SELECTOR_SLOTS;
	for (__u32 word = 0; word < SELECTOR_WORDS && word < words; word++)
		if (set->words[word])
			return word * 64 + lowest_bit(set->words[word]);
	return SELECTOR_SLOTS;
}

static __always_inline struct selector_row *row_of(__u32 generation,
						   __u32 class)
{
	struct selector_class key = { generation, class };

	return bpf_map_lookup_elem(&selector_rows, &key);
}

/* Only selectors stay that a value of this class satisfies; where there is no
 * row, none. False where none is left. */
static __always_inline bool narrow(struct decision *decision, __u32 class)
{
	return keep_common(&decision->matching,
			   row_of(decision->generation, class),
			   decision->used_words);
}

static __always_inline __u64 *word_of(struct decision *decision, __u32 slot)
{
	return &decision->matching.words[(slot / 64) & (SELECTOR_WORDS - 1)];
}

/* The same for a value that has a few selectors to itself. */
static __always_inline bool narrow_to_slots(struct decision *decision,
					    __u32 field, __u32 class)
{
	__u32 one = class, other = class >> SLOT_BITS;
	__u64 kept_one = *word_of(decision, one) & (1ULL << (one & 63));
	__u64 kept_other = *word_of(decision, other) & (1ULL << (other & 63));
	bool left = narrow(decision, field);

	*word_of(decision, one) |= kept_one;
	*word_of(decision, other) |= kept_other;
	return left || kept_one || kept_other;
}

static __always_inline __u32 class_of(__u32 generation, __u32 field,
				      struct process_facts *facts,
				      const struct credentials *credentials,
				      struct cgroup_facts *cgroup,
				      struct policy *policy)
{
	const __u32 *ids = (const __u32 *)&credentials->ids;

	if (field < FIELD_NAME)
		return class_of_number(generation, field, ids[field & 3]);
	if (field < FIELD_CGROUP)
		return class_of_process(generation, field, facts, policy);
	if (field == FIELD_HOST)
		return class_of_number(generation, field,
				       !!(facts->flags & PROCESS_ON_HOST));
	/* Or the compiler would compute with it before it is looked at. */
	barrier_var(cgroup);
	return cgroup ? class_of_cgroup(generation, field, cgroup) : CLASS_LOST;
}

/* Selectors stay that want one of the groups or leave them open, and exclude
 * none of them. */
__noinline bool narrow_by_groups(struct decision *decision,
				 struct credentials *credentials)
{
	__u32 generation, count;
	bool left = true;

	if (!decision || !credentials)
		return false;
	generation = decision->generation;
	count = credentials->group_count;
	if (count > CREDENTIALS_GROUPS)
		return narrow(decision, CLASS_UNKNOWN(FIELD_GROUPS));
	__builtin_memset(&decision->wanted, 0, sizeof(decision->wanted));
	add_all(&decision->wanted, row_of(generation, FIELD_GROUPS),
		decision->used_words);
	for (__u32 group = 0; group < CREDENTIALS_GROUPS; group++) {
		__u32 class;

		if (group >= count)
			break;
		class = class_of_number(generation, FIELD_GROUPS,
					credentials->groups[group]);
		if (class == FIELD_GROUPS) /* no selector names it */
			continue;
		add_all(&decision->wanted, row_of(generation, class),
			decision->used_words);
		left = narrow(decision, class + 1);
	}
	return left && keep_common(&decision->matching, &decision->wanted,
				   decision->used_words);
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
	if ((slot->flags & SLOT_NEEDS_USER_SPACE) && !decision->answered)
		return IDENTITY_UNDECIDED;
	return slot->identity;
}

enum narrowed {
	SOME_LEFT,
	NONE_LEFT,
	CANNOT_KNOW, /* some class could not be found out */
};

/* Selectors stay that hold in all fields with one value. */
static __always_inline enum narrowed
narrow_by_values(struct scratch *scratch, struct process_facts *facts,
		 struct cgroup_facts *cgroup, struct policy *policy)
{
	struct decision *decision = &scratch->decision;

	for (__u32 field = 0; field < FIELD_GROUPS; field++) {
		__u32 class;

		if (!(policy->fields & (1U << field)))
			continue;
		class = class_of(decision->generation, field, facts,
				 &scratch->credentials, cgroup, policy);
		if (class == CLASS_LOST)
			return CANNOT_KNOW;
		if (class & CLASS_OF_SLOTS ?
			    !narrow_to_slots(decision, field, class) :
			    !narrow(decision, class))
			return NONE_LEFT;
	}
	return SOME_LEFT;
}

/* User space takes selectors away that need it; until it has said something
 * they count as held. */
static __always_inline bool narrow_by_answer(struct decision *decision,
					     const struct process_facts *facts)
{
	__u32 class = user_space_class(decision->generation, facts);

	decision->answered = class != 0;
	return !class || narrow(decision, class);
}

static __always_inline enum narrowed
narrow_down(struct scratch *scratch, struct process_facts *facts,
	    struct cgroup_facts *cgroup, struct policy *policy)
{
	enum narrowed left = narrow_by_values(scratch, facts, cgroup, policy);

	if (left != SOME_LEFT)
		return left;
	if ((facts->flags & PROCESS_HIDES_OTHERS) &&
	    !narrow(&scratch->decision, CLASS_HIDING))
		return NONE_LEFT;
	if ((policy->fields & (1U << FIELD_GROUPS)) &&
	    !narrow_by_groups(&scratch->decision, &scratch->credentials))
		return NONE_LEFT;
	if ((policy->fields & (1U << FIELD_USER_SPACE)) &&
	    !narrow_by_answer(&scratch->decision, facts))
		return NONE_LEFT;
	return SOME_LEFT;
}

/* The decision: identity of a process with these facts that now runs with the
 * credentials in the scratch, in this cgroup. Swift says the same in
 * `Matcher.match`. Of all selectors that hold the one of the lowest slot names
 * it: scratch->decision.slot. */
__noinline __u32 decide(struct scratch *scratch, struct process_facts *facts,
			struct cgroup_facts *cgroup)
{
	struct decision *decision;
	struct policy *policy;
	enum narrowed left;

	if (!scratch || !facts)
		return IDENTITY_UNKNOWN;
	decision = &scratch->decision;
	decision->slot = SELECTOR_SLOTS;
	policy = policy_in_force(&decision->generation);
	if (!policy)
		return decision->generation ? IDENTITY_UNKNOWN : IDENTITY_NONE;
	count(decisions);
	if (!policy->fields) /* No selector at all. */
		return IDENTITY_NONE;
	decision->used_words = policy->used_words;
	decision->answered = false;
	__builtin_memset(&decision->matching, 0xff, sizeof(decision->matching));
	left = narrow_down(scratch, facts, cgroup, policy);
	if (left == CANNOT_KNOW) {
		count(decisions_lost); /* Fail closed: it could be managed. */
		return IDENTITY_UNKNOWN;
	}
	if (left == NONE_LEFT)
		return IDENTITY_NONE;
	decision->slot = first_slot(&decision->matching, decision->used_words);
	return name_slot(decision);
}
