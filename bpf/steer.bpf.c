// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Hands connections for managed listeners to the proxy, and lets nothing else
 * reach them.
 *
 * Where connections go is decided before the kernel has chosen a socket, so by
 * place: steer(). What a socket lets in is decided once it has been chosen, by
 * the socket's own record: admit(). The first can be wrong for a moment, the
 * second can not. */

/* The network namespace an instance of steer() is attached to; programs of its
 * type cannot ask. Set by the agent before it loads the instance. */
const volatile __u64 steered_netns SEC(".rodata.network");

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

/* The agent dials an application by the way past the proxy: only where nobody
 * else could answer. */
static __always_inline int let_upstream(__u64 sum)
{
	return has(sum, PLACE_MANAGED) && !has(sum, PLACE_UNMANAGED) ? SK_PASS :
								       SK_DROP;
}

/* Each TCP packet of a network namespace that finds no connection (Linux 5.9).
 * What is dropped here the kernel answers as if nobody listened. */
SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct agent_settings *agent = settings();
	struct connection connection;
	__u32 is_ipv6 = ctx->family == AF_INET6;
	__u64 sum;

	if (ctx->protocol != IPPROTO_TCP || !agent)
		return SK_PASS;
	connection = connection_of(ctx);
	if (connection.destination.port == agent->outbound_port &&
	    is_loopback(&connection.destination))
		return hand_over(ctx, PROXY_OUTBOUND_IPV4 + is_ipv6);
	sum = listening_for(&connection.destination, steered_netns);
	if (bpf_map_lookup_elem(&upstream_clients, &connection))
		return let_upstream(sum);
	if (has(sum, PLACE_MANAGED))
		return hand_over(ctx, PROXY_INBOUND_IPV4 + is_ipv6);
	/* Fail closed: refused until it is known who listens. */
	return has(sum, PLACE_UNDECIDED) ? SK_DROP : SK_PASS;
}

/* Of a packet that opens a connection; false for one with more in front of TCP
 * than its addresses, as the agent never sends it. */
static __always_inline bool read_connection(struct __sk_buff *skb,
					    struct connection *connection)
{
	__u32 words[8] = {}, ports = 0, start = 40;
	__u8 first = 0, next = IPPROTO_TCP;
	bool is_ipv4 = skb->protocol == bpf_htons(ETH_P_IP);

	if (is_ipv4) {
		if (bpf_skb_load_bytes(skb, 0, &first, 1) ||
		    bpf_skb_load_bytes(skb, 12, words, 8))
			return false;
		start = (first & 15) * 4;
	} else if (bpf_skb_load_bytes(skb, 6, &next, 1) ||
		   bpf_skb_load_bytes(skb, 8, words, 32)) {
		return false;
	}
	if (next != IPPROTO_TCP || bpf_skb_load_bytes(skb, start, &ports, 4))
		return false;
	if (is_ipv4) {
		connection->source =
			endpoint_v4(words[0], bpf_ntohs(ports & 0xffff));
		connection->destination =
			endpoint_v4(words[1], bpf_ntohs(ports >> 16));
	} else {
		connection->source =
			endpoint_v6(words, bpf_ntohs(ports & 0xffff));
		connection->destination =
			endpoint_v6(words + 4, bpf_ntohs(ports >> 16));
	}
	return true;
}

/* The agent's dial that a packet belongs to. */
static __always_inline struct upstream_client *
upstream_of(struct __sk_buff *skb, __u64 netns_cookie)
{
	struct connection connection = { .netns_cookie = netns_cookie };

	if (!read_connection(skb, &connection))
		return NULL;
	return bpf_map_lookup_elem(&upstream_clients, &connection);
}

#define LOOPBACK 1 /* its number in every network namespace */

/* What the socket that the kernel has chosen lets in: to a workload only what
 * the agent dials for it, to others only what it does not. */
static __always_inline bool lets_in(const struct listener *listener,
				    struct __sk_buff *skb)
{
	__u32 identity = listener->state;
	struct upstream_client *upstream;

	if (identity >= IDENTITY_UNDECIDED)
		return false; /* Fail closed. */
	if (identity == IDENTITY_NONE && skb->ifindex != LOOPBACK)
		return true; /* The agent dials from the same namespace. */
	upstream = upstream_of(skb, listener->place.netns_cookie);
	if (identity == IDENTITY_NONE || !upstream)
		return (identity == IDENTITY_NONE) == !upstream;
	return upstream->identity == IDENTITY_NONE ||
	       upstream->identity == identity;
}

/* Each packet for a socket of the scope; of interest are those that open a
 * connection, the SYN and what completes the handshake. */
SEC("cgroup_skb/ingress")
int admit(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct listener *listener;
	__u64 cookie;

	if (!sk || sk->state != BPF_TCP_LISTEN)
		return 1;
	cookie = bpf_get_socket_cookie(skb);
	listener = bpf_map_lookup_elem(&listeners, &cookie);
	if (listener)
		return lets_in(listener, skb);
	sk = bpf_sk_fullsock(sk);
	return sk && !bpf_sk_storage_get(&closed_sockets, sk, NULL, 0);
}
