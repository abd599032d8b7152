// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Knows who listens where, and hands their connections to the proxy. */

#define SOCK_STREAM 1

static __always_inline bool is_v6only(struct bpf_sock *sk)
{
	struct sock *inner = (struct sock *)bpf_skc_to_tcp_sock(sk);

	return inner &&
	       BPF_CORE_READ_BITFIELD(inner, __sk_common.skc_ipv6only);
}

/* Several sockets may share an endpoint; the first managed one gives it its
 * identity, so that an unmanaged companion cannot take that away. */
static __always_inline void add_listener(const struct endpoint *local,
					 const struct listener *listener)
{
	__u32 *sockets = bpf_map_lookup_elem(&listener_sockets, local);
	struct listener *known = bpf_map_lookup_elem(&listeners, local);

	if (sockets)
		__sync_fetch_and_add(sockets, 1);
	else
		bpf_map_update_elem(&listener_sockets, local, &(__u32){ 1 },
				    BPF_ANY);
	if (!known || known->identity == IDENTITY_NONE)
		bpf_map_update_elem(&listeners, local, listener, BPF_ANY);
}

/* In the context of the process that calls listen(). */
static __always_inline void open_listener(struct bpf_sock_ops *ctx,
					  struct bpf_sock *sk)
{
	struct agent_settings *agent = settings();
	struct listener listener = { .process = current_process() };
	struct endpoint local = local_end(ctx);

	if (!agent || same_process(&listener.process, &agent->process))
		return;
	listener.identity = identify_current(&listener.process, &local);
	if (bpf_get_netns_cookie(ctx) != agent->netns_cookie) {
		/* listen() without bind() cannot be prevented here. */
		if (listener.identity != IDENTITY_NONE)
			report(EVENT_LISTEN_OPENED, REFUSED_LISTEN_NAMESPACE,
			       &listener.process, listener.identity, &local);
		return;
	}
	if (ctx->family == AF_INET6 && is_v6only(sk))
		listener.flags = LISTENER_V6ONLY;
	add_listener(&local, &listener);
	watch_close(ctx);
	report(EVENT_LISTEN_OPENED, REFUSED_NOT, &listener.process,
	       listener.identity, &local);
}

static __always_inline void close_listener(struct bpf_sock_ops *ctx)
{
	struct endpoint local = local_end(ctx);
	struct listener *known = bpf_map_lookup_elem(&listeners, &local);
	__u32 *sockets = bpf_map_lookup_elem(&listener_sockets, &local);
	struct listener closed = {};

	if (known)
		closed = *known;
	if (sockets && __sync_fetch_and_add(sockets, -1) > 1)
		return;
	bpf_map_delete_elem(&listener_sockets, &local);
	bpf_map_delete_elem(&listeners, &local);
	report(EVENT_LISTEN_CLOSED, REFUSED_NOT, &closed.process,
	       closed.identity, &local);
}

/* A managed process in a network namespace without the proxy would serve
 * unprotected. */
static __always_inline int judge_bind(struct bpf_sock *sk,
				      const struct endpoint *local)
{
	struct process_key process = current_process();
	struct agent_settings *agent = settings();
	__u32 identity;

	if (!agent || sk->type != SOCK_STREAM ||
	    bpf_get_netns_cookie(sk) == agent->netns_cookie)
		return 1;
	identity = identify_current(&process, local);
	if (identity == IDENTITY_NONE)
		return 1;
	count(refusals);
	report(EVENT_REFUSED, REFUSED_LISTEN_NAMESPACE, &process, identity,
	       local);
	return 0; /* Fail closed. */
}

SEC("cgroup/post_bind4")
int bound_ipv4(struct bpf_sock *sk)
{
	struct endpoint local = endpoint_v4(sk->src_ip4, sk->src_port);

	return judge_bind(sk, &local);
}

SEC("cgroup/post_bind6")
int bound_ipv6(struct bpf_sock *sk)
{
	__u32 words[4] = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2],
			   sk->src_ip6[3] };
	struct endpoint local = endpoint_v6(words, sk->src_port);

	return judge_bind(sk, &local);
}

/* Who listens for a connection to this address: the exact one, or a wildcard;
 * an IPv6 wildcard serves IPv4 as well unless its socket said otherwise. */
static __always_inline struct listener *
listener_for(const struct endpoint *local)
{
	struct endpoint wildcard = { .port = local->port };
	struct listener *found = bpf_map_lookup_elem(&listeners, local);

	if (found)
		return found;
	if (is_v4(local)) {
		wildcard.address[2] = V4_MAPPED;
		found = bpf_map_lookup_elem(&listeners, &wildcard);
		if (found)
			return found;
		wildcard.address[2] = 0;
	}
	found = bpf_map_lookup_elem(&listeners, &wildcard);
	if (found && is_v4(local) && (found->flags & LISTENER_V6ONLY))
		return NULL;
	return found;
}

static __always_inline int hand_over(struct bpf_sk_lookup *ctx, __u32 slot)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&proxy_listeners, &slot);
	long refused;

	if (!sk)
		return SK_DROP; /* Fail closed: the proxy is not there. */
	refused = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return refused ? SK_DROP : SK_PASS;
}

static __always_inline struct connection
connection_of(volatile struct bpf_sk_lookup *ctx)
{
	__u32 family = ctx->family;
	__u32 local_v4 = ctx->local_ip4, remote_v4 = ctx->remote_ip4;
	__u32 local_v6[] = { ctx->local_ip6[0], ctx->local_ip6[1],
			     ctx->local_ip6[2], ctx->local_ip6[3] };
	__u32 remote_v6[] = { ctx->remote_ip6[0], ctx->remote_ip6[1],
			      ctx->remote_ip6[2], ctx->remote_ip6[3] };

	return (struct connection){
		.source = endpoint_of(family, remote_v4, remote_v6,
				      bpf_ntohs(ctx->remote_port)),
		.destination = endpoint_of(family, local_v4, local_v6,
					   ctx->local_port),
	};
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct agent_settings *agent = settings();
	struct connection connection;
	struct listener *listener;
	__u32 is_ipv6 = ctx->family == AF_INET6;

	if (ctx->protocol != IPPROTO_TCP || !agent)
		return SK_PASS;
	connection = connection_of(ctx);
	if (connection.destination.port == agent->outbound_port &&
	    is_loopback(&connection.destination))
		return hand_over(ctx, PROXY_OUTBOUND_IPV4 + is_ipv6);
	if (bpf_map_lookup_elem(&upstream_clients, &connection))
		return SK_PASS;
	listener = listener_for(&connection.destination);
	if (!listener || listener->identity == IDENTITY_NONE)
		return SK_PASS;
	return hand_over(ctx, PROXY_INBOUND_IPV4 + is_ipv6);
}
