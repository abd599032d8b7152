// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Datagrams sent without connect(): let go or refused by the same list, as
 * nobody can hold them. */

#define SOCK_DGRAM 2
#define ETH_P_IP 0x0800

static __always_inline bool may_send(struct endpoint *destination,
				     __u64 netns_cookie)
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
	       netns_cookie);
	return false;
}

/* sendto() and sendmsg() of UDP sockets to a destination that the call names
 * (Linux 4.18). Refused with EPERM. */
SEC("cgroup/sendmsg4")
int send_ipv4(struct bpf_sock_addr *ctx)
{
	struct endpoint destination =
		endpoint_v4(ctx->user_ip4, bpf_ntohs(ctx->user_port));

	return !anything_confines() ||
	       may_send(&destination, bpf_get_netns_cookie(ctx));
}

SEC("cgroup/sendmsg6")
int send_ipv6(struct bpf_sock_addr *ctx)
{
	struct endpoint destination = {
		.address = { ctx->user_ip6[0], ctx->user_ip6[1],
			     ctx->user_ip6[2], ctx->user_ip6[3] },
		.port = bpf_ntohs(ctx->user_port),
	};

	return !anything_confines() ||
	       may_send(&destination, bpf_get_netns_cookie(ctx));
}

static __always_inline bool read_destination(struct __sk_buff *skb,
					     struct endpoint *destination)
{
	__u32 words[4] = {};

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 16, words, 4))
			return false;
		*destination = endpoint_v4(words[0], 0);
	} else {
		if (bpf_skb_load_bytes(skb, 24, words, 16))
			return false;
		*destination = endpoint_v6(words, 0);
	}
	return true;
}

/* Each packet of the scope. Of interest are those of ICMP datagram sockets,
 * which anybody can have: a hook sees them connect (Linux 6.1), none sees them
 * send to where they are not connected. Who sends is who runs, as the kernel
 * sends these from within the call. Refused with EPERM. */
SEC("cgroup_skb/egress")
int send_icmp(struct __sk_buff *skb)
{
	struct endpoint destination = {};
	struct bpf_sock *sk = skb->sk;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || sk->type != SOCK_DGRAM || !is_icmp(sk->protocol) ||
	    !anything_confines())
		return 1;
	return read_destination(skb, &destination) &&
	       may_send(&destination, netns_of(bpf_get_current_task_btf()));
}
