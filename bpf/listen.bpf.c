// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Knows who listens where, and hands their connections to the proxy. */

#define SOCK_STREAM 1

static __always_inline bool is_v6only(struct bpf_sock *sk)
{
	struct sock *inner = (struct sock *)bpf_skc_to_tcp_sock(sk);

	return inner &&
	       BPF_CORE_READ_BITFIELD(inner, __sk_common.skc_ipv6only);
}

static __always_inline void close_port(__u16 port)
{
	__u32 word = port / 64;
	__u64 *ports = bpf_map_lookup_elem(&closed_ports, &word);

	if (ports)
		__sync_fetch_and_or(ports, 1ULL << (port % 64));
}

static __always_inline bool is_closed(__u16 port)
{
	__u32 word = port / 64;
	__u64 *ports = bpf_map_lookup_elem(&closed_ports, &word);

	return !ports || (*ports & (1ULL << (port % 64)));
}

/* Without a count the first socket to close takes the record with it. */
static __always_inline bool count_socket(const struct place *place)
{
	__u32 *sockets = bpf_map_lookup_elem(&listener_sockets, place);

	if (!sockets)
		return !bpf_map_update_elem(&listener_sockets, place,
					    &(__u32){ 1 }, BPF_ANY);
	__sync_fetch_and_add(sockets, 1);
	return true;
}

/* Several sockets may share a place; the first managed one gives it its
 * identity, so that an unmanaged companion cannot take that away. */
static __always_inline void add_listener(const struct place *place,
					 const struct listener *listener)
{
	struct listener *known = bpf_map_lookup_elem(&listeners, place);
	bool kept = count_socket(place);

	if (!known || known->identity == IDENTITY_NONE)
		kept &= !bpf_map_update_elem(&listeners, place, listener,
					     BPF_ANY);
	if (kept)
		return;
	count(listeners_lost);
	if (listener->identity != IDENTITY_NONE)
		close_port(place->endpoint.port); /* Fail closed. */
}

/* In the context of the process that calls listen(). */
static __always_inline void open_listener(struct bpf_sock_ops *ctx,
					  struct bpf_sock *sk)
{
	struct agent_settings *agent = settings();
	struct listener listener = { .process = current_process() };
	struct endpoint local = local_end(ctx);
	struct place place = place_of(ctx, &local);
	__u32 reason = REFUSED_NOT;

	if (!agent || same_process(&listener.process, &agent->process))
		return;
	listener.identity = identify_current(&listener.process, &local,
					     &listener.ids,
					     &listener.process.image);
	if (ctx->family == AF_INET6 && is_v6only(sk))
		listener.flags = LISTENER_V6ONLY;
	add_listener(&place, &listener);
	watch_close(ctx);
	if (listener.identity != IDENTITY_NONE &&
	    !is_served(place.netns_cookie))
		/* Unreachable until the proxy is here, if this namespace was
		 * served before; listen() without bind() cannot be refused. */
		reason = REFUSED_LISTEN_NAMESPACE;
	report(EVENT_LISTEN_OPENED, reason, &listener.process,
	       listener.identity, &local, place.netns_cookie);
}

static __always_inline void close_listener(struct bpf_sock_ops *ctx)
{
	struct endpoint local = local_end(ctx);
	struct place place = place_of(ctx, &local);
	struct listener *known = bpf_map_lookup_elem(&listeners, &place);
	__u32 *sockets = bpf_map_lookup_elem(&listener_sockets, &place);
	struct listener closed = {};

	if (known)
		closed = *known;
	if (sockets && __sync_fetch_and_add(sockets, -1) > 1)
		return;
	bpf_map_delete_elem(&listener_sockets, &place);
	bpf_map_delete_elem(&listeners, &place);
	report(EVENT_LISTEN_CLOSED, REFUSED_NOT, &closed.process,
	       closed.identity, &local, place.netns_cookie);
}

/* A managed process in a network namespace without the proxy would serve
 * unprotected. */
static __always_inline int judge_bind(struct bpf_sock *sk,
				      const struct endpoint *local)
{
	__u64 netns_cookie = bpf_get_netns_cookie(sk);
	struct process_key process = current_process();
	struct agent_settings *agent = settings();
	struct ids ids;
	__u32 identity, image = 0;

	if (!agent || sk->type != SOCK_STREAM || is_served(netns_cookie) ||
	    same_process(&process, &agent->process))
		return 1;
	identity = identify_current(&process, local, &ids, &image);
	if (identity == IDENTITY_NONE)
		return 1;
	count(refusals);
	if (identity != IDENTITY_UNKNOWN)
		report(EVENT_UNSERVED, REFUSED_NOT, &process, identity, local,
		       netns_cookie);
	report(EVENT_REFUSED,
	       identity == IDENTITY_UNKNOWN ? REFUSED_UNKNOWN_PROCESS :
					      REFUSED_LISTEN_NAMESPACE,
	       &process, identity, local, netns_cookie);
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

/* The network namespace an instance of steer() is attached to; programs of its
 * type cannot ask. Set by the agent before it loads the instance. */
const volatile __u64 steered_netns SEC(".rodata.network");

/* Who listens for a connection to this address: the exact one, or a wildcard;
 * an IPv6 wildcard serves IPv4 as well unless its socket said otherwise. */
static __always_inline struct listener *
listener_for(const struct endpoint *local)
{
	struct place place = {
		.netns_cookie = steered_netns,
		.endpoint = *local,
	};
	struct listener *found = bpf_map_lookup_elem(&listeners, &place);

	if (found)
		return found;
	place.endpoint = (struct endpoint){ .port = local->port };
	if (is_v4(local)) {
		place.endpoint.address[2] = V4_MAPPED;
		found = bpf_map_lookup_elem(&listeners, &place);
		if (found)
			return found;
		place.endpoint.address[2] = 0;
	}
	found = bpf_map_lookup_elem(&listeners, &place);
	if (found && is_v4(local) && (found->flags & LISTENER_V6ONLY))
		return NULL;
	return found;
}

static __always_inline int hand_over(struct bpf_sk_lookup *ctx, __u32 kind)
{
	struct proxy_listener key = {
		.netns_cookie = steered_netns,
		.kind = kind,
	};
	struct bpf_sock *sk = bpf_map_lookup_elem(&proxy_listeners, &key);
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
		.netns_cookie = steered_netns,
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
	if (!listener)
		return is_closed(connection.destination.port) ? SK_DROP :
								SK_PASS;
	if (listener->identity == IDENTITY_NONE)
		return SK_PASS;
	if (listener->identity >= IDENTITY_UNDECIDED)
		/* Fail closed: refused until it is known who listens. */
		return SK_DROP;
	return hand_over(ctx, PROXY_INBOUND_IPV4 + is_ipv6);
}
