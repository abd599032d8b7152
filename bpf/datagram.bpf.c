// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Datagrams sent without connect(): let go or refused by the same list, as
 * nobody can hold them. */

static __always_inline bool may_send(struct bpf_sock_addr *ctx,
				     struct endpoint *destination)
{
	struct process_key process = current_process();
	struct agent_settings *agent = settings();
	struct process_facts *facts;
	__u32 identity, image = 0;
	struct ids ids;
	__u32 reason = REFUSED_DATAGRAM;

	if (!agent)
		return false; /* Never happens; fail closed all the same. */
	if (same_process(&process, &agent->process))
		return true;
	resolve_any(destination);
	facts = facts_of(&process);
	identity = identify_by(facts, destination, &ids, &image);
	if (identity == IDENTITY_NONE ?
		    !is_disowned(facts) || !in_managed_network(destination) :
		    may_leave(identity, destination))
		return true;
	if (identity == IDENTITY_NONE)
		reason = REFUSED_DISOWNED;
	else if (identity == IDENTITY_UNKNOWN)
		reason = REFUSED_UNKNOWN_PROCESS;
	else if (in_managed_network(destination))
		reason = REFUSED_DATAGRAM_MANAGED;
	count(refusals);
	count(datagrams_refused);
	report(EVENT_REFUSED, reason, &process, identity, destination,
	       bpf_get_netns_cookie(ctx));
	return false;
}

SEC("cgroup/sendmsg4")
int send_ipv4(struct bpf_sock_addr *ctx)
{
	struct endpoint destination =
		endpoint_v4(ctx->user_ip4, bpf_ntohs(ctx->user_port));

	return !anything_confines() || may_send(ctx, &destination);
}

SEC("cgroup/sendmsg6")
int send_ipv6(struct bpf_sock_addr *ctx)
{
	struct endpoint destination = {
		.address = { ctx->user_ip6[0], ctx->user_ip6[1],
			     ctx->user_ip6[2], ctx->user_ip6[3] },
		.port = bpf_ntohs(ctx->user_port),
	};

	return !anything_confines() || may_send(ctx, &destination);
}
