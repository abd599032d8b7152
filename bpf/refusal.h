/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Refusals are counted by who caused them and why; user space is told of the
 * first in a second, and reads the counts of the others. So nobody can make
 * more of them than it can read, whatever he dials. */

#define REFUSAL_WINDOW_NS 1000000000ULL

/* - source: becomes many where there is no room for it alone. */
static __always_inline struct refusal_tally *
tally_of(struct refusal_source *source)
{
	static const struct refusal_tally none;
	struct refusal_tally *tally;
	__u32 reason = source->reason % REFUSAL_REASONS;

	tally = bpf_map_lookup_elem(&refusal_tallies, source);
	if (tally)
		return tally;
	bpf_map_update_elem(&refusal_tallies, source, &none, BPF_NOEXIST);
	tally = bpf_map_lookup_elem(&refusal_tallies, source);
	if (tally)
		return tally;
	*source = (struct refusal_source){
		.reason = source->reason,
		.crowded = 1,
	};
	return bpf_map_lookup_elem(&crowded_refusals, &reason);
}

/* Whether it is the first of its window. */
static __always_inline bool opens_window(__u64 *last, __u64 length)
{
	__u64 window = bpf_ktime_get_ns() / length + 1;
	__u64 seen = *(volatile __u64 *)last;

	return seen != window &&
	       __sync_val_compare_and_swap(last, seen, window) == seen;
}

static __noinline int tell_refusal(__u32 reason,
				   const struct process_key *process,
				   __u32 identity,
				   const struct endpoint *endpoint,
				   __u64 netns_cookie)
{
	struct refusal_source source = {
		.uid = current_user(),
		.reason = reason,
		.identity = identity,
	};
	struct refusal_tally *tally = tally_of(&source);
	struct kernel_event *event;
	__u64 count;

	if (!tally)
		return 0;
	count = __sync_fetch_and_add(&tally->count, 1) + 1;
	if (!opens_window(&tally->window, REFUSAL_WINDOW_NS))
		return 0;
	event = bpf_ringbuf_reserve(&notices, sizeof(*event), 0);
	if (!event) {
		count(notices_lost); /* Still in the tally. */
		return 0;
	}
	event->process = *process;
	event->kind = EVENT_REFUSED;
	event->reason = reason;
	event->identity = identity;
	event->endpoint = endpoint ? *endpoint : (struct endpoint){};
	event->netns_cookie = netns_cookie;
	event->source = source;
	event->count = count;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}
