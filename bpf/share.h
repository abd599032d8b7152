/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Policy's ring has room for some ten thousand events, which the agent reads in
 * milliseconds. Nobody has more of it than a tenth: what one user causes beyond
 * that is not told but counted as lost, and the agent looks at its process. */

#define SHARE_WINDOW_NS 100000000ULL
#define SHARE_EVENTS 1024
/* Of these: a namespace is opened for each, and one that is beyond its user's
 * share is told of at each connect(). */
#define SHARE_UNSERVED 64

/* The real uid, in the initial user namespace, as the kernel's own helper has it;
 * but not each type of program has that helper. */
static __always_inline __u32 current_user(void)
{
	return bpf_get_current_task_btf()->cred->uid.val;
}

/* No more are nested in each other; kernel/user_namespace.c. */
#define USER_NAMESPACES 33

/* Whose share it is: who made the outermost user namespace that the process is
 * in, as whoever makes one may have any of many uids in it. Those that root made
 * are as the host's; in none but these, by the real uid. Swift says the same in
 * `UserNamespace.payer`. */
static __always_inline __u32 current_payer(void)
{
	const struct cred *cred = bpf_get_current_task_btf()->cred;
	struct user_namespace *namespace = cred->user_ns;
	__u32 payer = cred->uid.val;

	for (__u32 depth = 0; depth < USER_NAMESPACES; depth++) {
		if (!namespace->level)
			break;
		if (namespace->owner.val)
			payer = namespace->owner.val;
		namespace = namespace->parent;
	}
	return payer;
}

/* Whoever comes at the turn of a window may be counted in neither of the two. */
static __always_inline bool is_below(__u32 slot, __u32 limit)
{
	__u64 *share = bpf_map_lookup_elem(&event_shares, &slot);
	__u64 window = bpf_ktime_get_ns() / SHARE_WINDOW_NS << 32;
	__u64 seen;

	if (!share)
		return true; /* Never happens. */
	seen = *(volatile __u64 *)share;
	if ((seen ^ window) >> 32)
		__sync_val_compare_and_swap(share, seen, window);
	return (__u32)__sync_fetch_and_add(share, 1) < limit;
}

/* On a stack of its own: that of connect() is full. */
static __noinline bool is_within_share(__u32 kind)
{
	__u32 payer = current_payer() % EVENT_SHARES;

	if (kind == EVENT_UNSERVED &&
	    !is_below(EVENT_SHARES + payer, SHARE_UNSERVED))
		return false;
	return is_below(payer, SHARE_EVENTS);
}
