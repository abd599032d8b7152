/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Who is this process, and what everybody needs to say about it. */

#define AF_INET 2
#define AF_INET6 10

#define count(field)                                                      \
	({                                                                \
		struct kernel_statistics *counters =                      \
			bpf_map_lookup_elem(&statistics, &(__u32){ 0 });  \
		if (counters)                                             \
			__sync_fetch_and_add(&counters->field, 1);        \
	})

static __always_inline struct agent_settings *settings(void)
{
	return bpf_map_lookup_elem(&agent, &(__u32){ 0 });
}

/* The start time is the group leader's, which exec from another thread
 * hands on to the new leader. */
static __always_inline struct process_key key_of(struct task_struct *task)
{
	return (struct process_key){
		.start_boottime_ns = task->group_leader->start_boottime,
		.tgid = task->tgid,
	};
}

static __always_inline struct process_key current_process(void)
{
	return key_of(bpf_get_current_task_btf());
}

static __always_inline bool same_process(const struct process_key *left,
					 const struct process_key *right)
{
	return left->tgid == right->tgid &&
	       left->start_boottime_ns == right->start_boottime_ns;
}

/* Facts of exactly this run; NULL for a process that is older than the kernel
 * part, or that found no room. */
static __always_inline struct process_facts *
facts_of(const struct process_key *process)
{
	struct process_facts *facts;

	facts = bpf_map_lookup_elem(&processes, &process->tgid);
	if (!facts || !same_process(&facts->key, process))
		return NULL;
	return facts;
}

static __always_inline struct selector_bits *
bits_for_argv(__u32 generation, const struct process_facts *facts)
{
	struct selector_argv key;
	__u32 length = facts->argv_len;

	if (length > SELECTOR_ARGV_LEN)
		length = SELECTOR_ARGV_LEN;
	key.prefix_bits = 8 * (sizeof(key.generation) + length);
	key.generation = generation;
	__builtin_memcpy(key.argv, facts->argv, sizeof(key.argv));
	return bpf_map_lookup_elem(&argv_bits, &key);
}

/* The decision: identity of a process with these facts that now runs with
 * this effective uid. Swift says the same in `Matcher.match`. */
static __noinline __u32 decide(const struct process_facts *facts, __u32 euid)
{
	struct selector_bits *uid, *name, *argv;
	struct selector_wildcards *open;
	struct selector_name by_name;
	struct selector_uid by_uid;
	__u32 *active, *identity;
	__u32 generation, bank;

	active = bpf_map_lookup_elem(&active_generation, &(__u32){ 0 });
	if (!facts || !active || !*active)
		return IDENTITY_NONE;
	generation = *active;
	bank = generation & 1;
	open = bpf_map_lookup_elem(&wildcard_bits, &bank);
	if (!open)
		return IDENTITY_NONE;

	by_uid.generation = generation;
	by_uid.uid = euid;
	uid = bpf_map_lookup_elem(&uid_bits, &by_uid);
	by_name.generation = generation;
	__builtin_memcpy(by_name.name, facts->name, sizeof(by_name.name));
	name = bpf_map_lookup_elem(&name_bits, &by_name);
	argv = bits_for_argv(generation, facts);

	for (__u32 word = 0; word < SELECTOR_WORDS; word++) {
		__u64 matching =
			(open->uid.words[word] | (uid ? uid->words[word] : 0)) &
			(open->name.words[word] |
			 (name ? name->words[word] : 0)) &
			(open->argv.words[word] |
			 (argv ? argv->words[word] : 0));
		__u32 bit = 0;

		if (!matching)
			continue;
		/* The lowest set bit, by halves: no instruction for it. */
		for (__u32 half = 32; half; half /= 2) {
			if (!(matching & ((1ULL << half) - 1))) {
				matching >>= half;
				bit += half;
			}
		}
		bit += bank * SELECTOR_SLOTS + word * 64;
		identity = bpf_map_lookup_elem(&slot_identity, &bit);
		return identity ? *identity : IDENTITY_NONE;
	}
	return IDENTITY_NONE;
}

static __always_inline __u32 current_euid(void)
{
	return bpf_get_current_task_btf()->cred->euid.val;
}

static __always_inline void
report(__u32 kind, __u32 reason, const struct process_key *process,
       __u32 identity, const struct endpoint *endpoint)
{
	struct kernel_event *event;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count(events_lost);
		return;
	}
	event->process = *process;
	event->kind = kind;
	event->reason = reason;
	event->identity = identity;
	event->endpoint = *endpoint;
	bpf_ringbuf_submit(event, 0);
}

/* Identity of the current process, told to user space when it is new. */
static __always_inline __u32
identify_current(const struct process_key *process,
		 const struct endpoint *endpoint)
{
	struct process_facts *facts = facts_of(process);
	__u32 identity;

	if (!facts)
		return IDENTITY_NONE;
	identity = decide(facts, current_euid());
	if (identity != facts->identified) {
		facts->identified = identity;
		if (identity != IDENTITY_NONE)
			report(EVENT_IDENTIFIED, REFUSED_NOT, process,
			       identity, endpoint);
	}
	return identity;
}
