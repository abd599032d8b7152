/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* From a value to its class: the number under which the rows of selectors
 * know it; see abi/selector.h. */

#define SCRATCH_TRIES 8

/* There was no memory to ask: nothing can be decided. Never kept. */
#define CLASS_LOST 0xffffffff

static __always_inline struct scratch *take_scratch(void)
{
	__u32 first = bpf_get_smp_processor_id();

	for (__u32 try = 0; try < SCRATCH_TRIES; try++) {
		__u32 index = (first + try) % SCRATCH_SLOTS;
		struct scratch *scratch =
			bpf_map_lookup_elem(&scratches, &index);

		if (scratch &&
		    __sync_val_compare_and_swap(&scratch->busy, 0, 1) == 0)
			return scratch;
	}
	return NULL;
}

static __always_inline void give_back(struct scratch *scratch)
{
	__sync_lock_test_and_set(&scratch->busy, 0);
}

/* - text: bytes in kernel memory, with the NUL where the text is complete.
 * CLASS_LOST where no memory is left to ask. */
static __noinline __u32 class_of_text(__u32 generation, __u32 field,
				      const void *text, __u32 length)
{
	struct scratch *scratch = take_scratch();
	__u32 *class, answer = field;

	if (!scratch)
		return CLASS_LOST;
	if (length > SELECTOR_TEXT_LEN)
		length = SELECTOR_TEXT_LEN;
	scratch->key.prefix_bits =
		8 * (sizeof(scratch->key.tag) + length);
	scratch->key.tag = SELECTOR_TAG(generation, field);
	bpf_probe_read_kernel(scratch->key.text, length, text);
	class = bpf_map_lookup_elem(&text_classes, &scratch->key);
	if (class)
		answer = *class;
	give_back(scratch);
	return answer;
}

static __always_inline __u32 class_of_number(__u32 generation, __u32 field,
					     __u32 value)
{
	struct selector_number key = {
		.tag = SELECTOR_TAG(generation, field),
		.value = value,
	};
	__u32 *class = bpf_map_lookup_elem(&number_classes, &key);

	return class ? *class : field;
}

/* A class is kept with the policy it belongs to in one word, so that a reader
 * never sees the one without the other. */
static __always_inline bool is_of(__u64 kept, __u32 generation)
{
	return kept >> CLASS_GENERATION_SHIFT == generation;
}

static __always_inline __u64 kept_class(__u32 generation, __u32 class)
{
	return (__u64)generation << CLASS_GENERATION_SHIFT | class;
}

static __always_inline __u32 keep_class(__u64 *kept, __u32 generation,
					__u32 class)
{
	if (class != CLASS_LOST)
		*(volatile __u64 *)kept = kept_class(generation, class);
	return class;
}

struct word_search {
	const __u8 *bytes; /* of argv */
	__u32 wanted;      /* how many words are to be passed */
	__u32 start;       /* of the word, once wanted is 0 */
	__u32 end;         /* of the word: its NUL; 0: not found yet */
};

static long find_word(__u32 index, struct word_search *search)
{
	if (index >= PROCESS_ARGV_LEN)
		return 1;
	if (search->bytes[index])
		return 0;
	if (!search->wanted) {
		search->end = index;
		return 1;
	}
	search->wanted--;
	search->start = index + 1;
	return 0;
}

/* A word that is not there satisfies nobody; one that may be cut has no NUL,
 * so it satisfies prefixes alone. */
static __noinline __u32 class_of_argument(__u32 generation, __u32 field,
					  struct process_facts *facts,
					  __u32 index)
{
	struct word_search search = { .bytes = facts->argv, .wanted = index };
	__u32 length = facts->argv_len;

	if (length > PROCESS_ARGV_LEN)
		length = PROCESS_ARGV_LEN;
	bpf_loop(length, find_word, &search, 0);
	if (search.wanted || (!search.end && search.start >= length))
		return field;
	length = search.end ? search.end + 1 - search.start :
			      length - search.start;
	return class_of_text(generation, field,
			     facts->argv +
				     (search.start & (PROCESS_ARGV_LEN - 1)),
			     length);
}

/* Global: the verifier looks at such a function once, and not once a path that
 * leads to it. */
__noinline __u32 find_class(__u32 generation, __u32 field,
			    struct process_facts *facts, struct policy *policy)
{
	__u32 argument = (field - FIELD_ARGUMENT) % SELECTOR_ARGUMENTS;

	if (!facts || !policy)
		return CLASS_UNKNOWN(field);
	if (field == FIELD_NAME)
		return class_of_text(generation, field, facts->name,
				     sizeof(facts->name));
	if (field == FIELD_CMDLINE)
		return class_of_text(generation, field, facts->argv,
				     facts->argv_len);
	if (field == FIELD_PROGRAM)
		return facts->script[0] ?
			       CLASS_MAY_RUN_SCRIPT :
			       class_of_text(generation, field, facts->program,
					     sizeof(facts->program));
	if (field != FIELD_PATH)
		return class_of_argument(generation, field, facts,
					 policy->argument_index[argument]);
	if (facts->flags & (PROCESS_PATH_FOREIGN | PROCESS_PATH_TRUNCATED))
		return CLASS_UNKNOWN(field);
	return class_of_text(generation, field, facts->path,
			     SELECTOR_TEXT_LEN);
}

/* Texts of a process change with exec alone, so each is looked up once a
 * policy. */
static __always_inline __u32 class_of_process(__u32 generation, __u32 field,
					      struct process_facts *facts,
					      struct policy *policy)
{
	__u64 *kept = &facts->classes[field - FIELD_NAME];
	__u64 seen = *(volatile __u64 *)kept;

	if (!is_of(seen, generation))
		seen = keep_class(kept, generation,
				  find_class(generation, field, facts, policy));
	return seen;
}
