/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* The agent, the process at hand, and what is told and counted of it. */

#define AF_INET 2
#define AF_INET6 10

/* A macro, as it is told the name of a field. */
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

static __always_inline __u64 netns_of(struct task_struct *task)
{
	return task->nsproxy->net_ns->net_cookie;
}

/* A namespace of its own is what a container is made of: who is in the host's is
 * in none. */
static __always_inline bool is_on_host(struct task_struct *task)
{
	struct agent_settings *agent = settings();
	__u32 mounts = task->nsproxy->mnt_ns->ns.inum;

	return agent && mounts && mounts == agent->mount_namespace &&
	       !task->cred->user_ns->level && !task->thread_pid->level;
}

/* Whether the agent's proxy is in this network namespace. */
static __always_inline bool is_served(__u64 netns_cookie)
{
	return bpf_map_lookup_elem(&networks, &netns_cookie);
}

/* The policy in force; NULL where there is none yet. */
static __always_inline struct policy *policy_in_force(__u32 *generation)
{
	__u32 *active = bpf_map_lookup_elem(&active_generation, &(__u32){ 0 });
	__u32 bank;

	*generation = active ? *active : 0;
	bank = *generation & 1;
	return *generation ? bpf_map_lookup_elem(&policies, &bank) : NULL;
}

#include "share.h"
#include "refusal.h"

/* The agent looks at whom it was not told of, and at nobody else. */
static __noinline int note_untold(const struct process_key *process)
{
	struct process_facts *facts =
		bpf_map_lookup_elem(&processes, &process->tgid);

	if (facts && same_process(&facts->key, process))
		facts->untold = untold_time(bpf_ktime_get_ns());
	return 0;
}

/* - endpoint: NULL where there is none.
 * False where the agent is not told: it looks for itself then, see
 * events_lost. A refusal is in its tally in any case. */
static __always_inline bool
report(__u32 kind, __u32 reason, const struct process_key *process,
       __u32 identity, const struct endpoint *endpoint, __u64 netns_cookie)
{
	struct kernel_event *event = NULL;

	if (kind == EVENT_REFUSED) {
		tell_refusal(reason, process, identity, endpoint,
			     netns_cookie);
		return true;
	}
	if (kind == EVENT_IDENTIFIED)
		event = bpf_ringbuf_reserve(&notices, sizeof(*event), 0);
	else if (is_within_share(kind))
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		if (kind == EVENT_IDENTIFIED) {
			count(notices_lost);
			return false;
		}
		/* In this order: who sees the number finds the process. */
		note_untold(process);
		count(events_lost);
		return false;
	}
	event->process = *process;
	event->kind = kind;
	event->reason = reason;
	event->identity = identity;
	event->endpoint = endpoint ? *endpoint : (struct endpoint){};
	event->netns_cookie = netns_cookie;
	event->source = (struct refusal_source){};
	event->count = 0;
	/* Nobody waits for notices: the agent looks every few milliseconds, and
	 * waking it costs more than the whole decision. */
	bpf_ringbuf_submit(event, kind == EVENT_IDENTIFIED ?
					  BPF_RB_NO_WAKEUP :
					  0);
	return true;
}

/* Says once a process who it is, once a policy that user space has to find
 * out, and each time that the proxy is not where it is. */
static __always_inline void tell_identity(struct task_struct *task,
					  struct process_facts *facts,
					  __u32 identity,
					  const struct endpoint *endpoint,
					  __u32 generation)
{
	__u64 netns_cookie = netns_of(task);

	if (identity == IDENTITY_UNDECIDED) {
		if (facts->asked == generation)
			return;
		/* Not heard is asked again. */
		if (report(EVENT_UNDECIDED, 0, &facts->key, identity, endpoint,
			   netns_cookie))
			facts->asked = generation;
		return;
	}
	if (identity == facts->identified)
		return;
	facts->identified = identity;
	if (identity == IDENTITY_NONE || identity == IDENTITY_UNKNOWN)
		return;
	report(EVENT_IDENTIFIED, 0, &facts->key, identity, endpoint,
	       netns_cookie);
}
