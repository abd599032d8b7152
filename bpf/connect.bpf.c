// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Decides, at connect(), who is dialling, and sends managed traffic to the
 * proxy. */

#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262 /* what an MPTCP socket calls itself here */
#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58
#define EHOSTUNREACH 113
#define LOOPBACK_IFINDEX 1 /* in each network namespace */

enum verdict { PROCEED, REDIRECT, REFUSE };

/* A connect() that is being judged. */
struct dial {
	struct bpf_sock *sk;
	bool stream;
	bool served; /* the proxy is in its network namespace */
	struct flow flow; /* what is kept of it with the socket */
};

static __always_inline enum verdict refuse(enum refusal reason,
					   const struct dial *dial)
{
	const struct flow *flow = &dial->flow;

	count(refusals);
	report(EVENT_REFUSED, reason, &flow->process, flow->identity,
	       &flow->destination, flow->netns_cookie);
	return REFUSE;
}

static __always_inline bool is_stream(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

static __always_inline bool is_icmp(__u32 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

/* Writes who dials to the socket; false without memory for it. */
static __always_inline bool tag(const struct dial *dial)
{
	struct kept_flow *kept;

	kept = bpf_sk_storage_get(&flows, dial->sk, NULL,
				  BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return false;
	kept->flow = dial->flow;
	read_ids(bpf_get_current_task_btf()->group_leader, &kept->process_ids);
	return true;
}

/* Whether a managed workload listens there, or may, on this host: all of
 * 127.0.0.0/8 is its own, whatever addresses its devices have. */
static __noinline bool is_managed_here(const struct endpoint *destination,
				       __u64 netns_cookie)
{
	__u64 sum;

	if (!is_loopback(destination))
		return false;
	sum = listening_for(destination, netns_cookie);
	return has(sum, PLACE_MANAGED) || has(sum, PLACE_UNDECIDED);
}

/* Whether a managed workload listens there: at this address anywhere, or at
 * this one of the network namespace. On a stack of its own, like its sibling:
 * that of connect() is what the decision leaves of it. */
static __noinline bool is_managed(const struct flow *flow)
{
	struct place place = { .endpoint = flow->destination };

	if (is_managed_here(&flow->destination, flow->netns_cookie))
		return true;

	if (bpf_map_lookup_elem(&destinations, &place))
		return true;
	place.netns_cookie = flow->netns_cookie;
	return bpf_map_lookup_elem(&destinations, &place);
}

static __always_inline enum verdict refuse_datagram(const struct dial *dial)
{
	bool managed = in_managed_network(&dial->flow.destination);

	count(datagrams_refused);
	/* Fail closed: it cannot be held until more is known. */
	return refuse(managed ? REFUSED_DATAGRAM_MANAGED : REFUSED_DATAGRAM,
		      dial);
}

/* A stream socket of a managed process, to the proxy. */
static __always_inline enum verdict redirect(struct dial *dial)
{
	struct flow *flow = &dial->flow;

	if (!dial->served) {
		/* Fail closed: the proxy is not here, or not yet, and a
		 * managed workload never goes out bare. */
		report(EVENT_UNSERVED, 0, &flow->process, flow->identity,
		       &flow->destination, flow->netns_cookie);
		bpf_set_retval(-EHOSTUNREACH);
		return refuse(REFUSED_NAMESPACE, dial);
	}
	if (dial->sk->bound_dev_if > LOOPBACK_IFINDEX) {
		/* Fail closed: the proxy cannot be reached from there. */
		bpf_set_retval(-EHOSTUNREACH);
		return refuse(REFUSED_DEVICE, dial);
	}
	flow->flags |= FLOW_REDIRECTED;
	if (!tag(dial))
		/* Fail closed: the proxy would not know who is calling. */
		return refuse(REFUSED_NO_MEMORY, dial);
	count(redirects);
	return REDIRECT;
}

static __always_inline enum verdict judge_managed(struct dial *dial)
{
	struct flow *flow = &dial->flow;

	if (dial->stream && is_managed(flow))
		return redirect(dial);
	if (anything_confines() &&
	    !may_leave(flow->identity, &flow->destination)) {
		if (!dial->stream)
			return refuse_datagram(dial);
		/* The proxy asks, and refuses with the reason. */
		flow->flags |= FLOW_UNKNOWN_PLACE;
		count(unknown_places);
		return redirect(dial);
	}
	tag(dial);
	return PROCEED;
}

static __always_inline enum verdict judge_unknown(struct dial *dial)
{
	bpf_sk_storage_delete(&flows, dial->sk);
	/* Fail closed: it could be a managed process. */
	if ((dial->stream && is_managed(&dial->flow)) ||
	    (anything_confines() &&
	     !may_leave(IDENTITY_UNKNOWN, &dial->flow.destination)))
		return refuse(REFUSED_UNKNOWN_PROCESS, dial);
	return PROCEED;
}

static __always_inline enum verdict
judge_nobody(struct dial *dial, const struct process_facts *facts)
{
	/* It may have been somebody when it last connected this. */
	bpf_sk_storage_delete(&flows, dial->sk);
	if (is_disowned(facts) &&
	    ((dial->stream && is_managed(&dial->flow)) ||
	     in_managed_network(&dial->flow.destination)))
		/* Fail closed: it takes itself for protected. */
		return refuse(REFUSED_DISOWNED, dial);
	return PROCEED;
}

/* Its next exec is told then: see process_executed(). */
static __always_inline void note_connection(struct process_facts *facts,
					    __u32 how)
{
	if (facts && (facts->connected & how) != how)
		__sync_fetch_and_or(&facts->connected, how);
}

/* By who dials, as far as that is known. */
static __always_inline enum verdict judge_by_identity(struct dial *dial)
{
	struct flow *flow = &dial->flow;
	struct process_facts *facts = facts_of(&flow->process);
	enum verdict verdict;

	policy_in_force(&flow->generation);
	flow->identity = identify_by(facts, &flow->destination, &flow->ids,
				     &flow->process.image);
	if (flow->identity == IDENTITY_UNKNOWN)
		return judge_unknown(dial);
	if (flow->identity == IDENTITY_NONE)
		return judge_nobody(dial, facts);
	if (flow->identity == IDENTITY_UNDECIDED && is_disowned(facts))
		flow->flags = FLOW_DISOWNED;
	verdict = judge_managed(dial);
	if (verdict != REFUSE)
		note_connection(facts, verdict == REDIRECT ?
					       CONNECTED_BY_PROXY :
					       CONNECTED_DIRECTLY);
	return verdict;
}

/* - dial: blank but for the destination and the socket; filled in here, as there
 *   is no room on the stack for two of them. */
static __always_inline enum verdict judge(struct bpf_sock_addr *ctx,
					  struct dial *dial,
					  const struct agent_settings *agent)
{
	__u32 protocol = ctx->protocol;
	struct flow *flow = &dial->flow;

	dial->stream = is_stream(protocol);
	flow->process = current_process();
	if (same_process(&flow->process, &agent->process))
		return PROCEED;
	resolve_any(&flow->destination);
	if (is_icmp(protocol))
		flow->destination.port = 0; /* Whatever was asked for. */
	flow->netns_cookie = bpf_get_netns_cookie(ctx);
	dial->served = is_served(flow->netns_cookie);
	if (dial->served && flow->destination.port == agent->outbound_port &&
	    dial->stream && is_loopback(&flow->destination))
		/* Only redirected connections reach the proxy. */
		return refuse(REFUSED_DIRECT_DIAL, dial);
	return judge_by_identity(dial);
}

/* connect() of IPv4 sockets, that of TCP fast open and of io_uring included;
 * of TCP, Multipath TCP, UDP, and since Linux 6.1 of ICMP. */
SEC("cgroup/connect4")
int connect_ipv4(struct bpf_sock_addr *ctx)
{
	struct dial dial = {
		.flow.destination = endpoint_v4(ctx->user_ip4,
						bpf_ntohs(ctx->user_port)),
	};
	struct agent_settings *agent = settings();
	struct bpf_sock *sk = ctx->sk;
	enum verdict verdict;

	if (!agent || !sk)
		return 0; /* Never happens; fail closed all the same. */
	dial.sk = sk;
	verdict = judge(ctx, &dial, agent);
	if (verdict == REDIRECT) {
		ctx->user_ip4 = V4_LOOPBACK;
		ctx->user_port = bpf_htons(agent->outbound_port);
	}
	return verdict != REFUSE;
}

/* The same of IPv6 sockets. To ::1, also for IPv4-mapped destinations: a socket
 * that is V6ONLY cannot reach ::ffff:127.0.0.1. But a socket bound to an
 * IPv4-mapped address can reach nothing else. */
SEC("cgroup/connect6")
int connect_ipv6(struct bpf_sock_addr *ctx)
{
	struct dial dial = {
		.flow.destination = {
			.address = { ctx->user_ip6[0], ctx->user_ip6[1],
				     ctx->user_ip6[2], ctx->user_ip6[3] },
			.port = bpf_ntohs(ctx->user_port),
		},
	};
	struct agent_settings *agent = settings();
	struct bpf_sock *sk = ctx->sk;
	enum verdict verdict;

	if (!agent || !sk)
		return 0; /* Never happens; fail closed all the same. */
	dial.sk = sk;
	verdict = judge(ctx, &dial, agent);
	if (verdict == REDIRECT) {
		bool mapped = sk->src_ip6[2] == V4_MAPPED;

		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = mapped ? V4_MAPPED : 0;
		ctx->user_ip6[3] = mapped ? V4_LOOPBACK : V6_LOOPBACK;
		ctx->user_port = bpf_htons(agent->outbound_port);
	}
	return verdict != REFUSE;
}

/* Whom a socket shall believe to talk to: its original destination, or the
 * client the agent dials on behalf of. */
static __always_inline const struct endpoint *apparent_peer(struct bpf_sock *sk)
{
	struct endpoint *client;
	struct kept_flow *kept;

	client = bpf_sk_storage_get(&accepted_clients, sk, NULL, 0);
	if (client && client->port)
		return client;
	kept = bpf_sk_storage_get(&flows, sk, NULL, 0);
	if (kept && (kept->flow.flags & FLOW_REDIRECTED) &&
	    !(kept->flow.flags & FLOW_ACCEPTED))
		return &kept->flow.destination;
	return NULL;
}

/* getpeername() of the scope (Linux 5.8). What fails here misleads a program's
 * log, and nobody's traffic. */
SEC("cgroup/getpeername4")
int peer_name_ipv4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	const struct endpoint *peer = sk ? apparent_peer(sk) : NULL;

	if (peer && is_v4(peer)) {
		ctx->user_ip4 = peer->address[3];
		ctx->user_port = bpf_htons(peer->port);
	}
	return 1;
}

SEC("cgroup/getpeername6")
int peer_name_ipv6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	const struct endpoint *peer = sk ? apparent_peer(sk) : NULL;

	if (peer) {
		ctx->user_ip6[0] = peer->address[0];
		ctx->user_ip6[1] = peer->address[1];
		ctx->user_ip6[2] = peer->address[2];
		ctx->user_ip6[3] = peer->address[3];
		ctx->user_port = bpf_htons(peer->port);
	}
	return 1;
}
