// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Carries what is known of a connection from the socket that dials to the
 * socket that accepts, both of them on this machine. */

static __always_inline struct endpoint
local_end(volatile struct bpf_sock_ops *ctx)
{
	__u32 v4 = ctx->local_ip4;
	__u32 v6[] = { ctx->local_ip6[0], ctx->local_ip6[1],
		       ctx->local_ip6[2], ctx->local_ip6[3] };

	return endpoint_of(ctx->family, v4, v6, ctx->local_port);
}

static __always_inline struct endpoint
remote_end(volatile struct bpf_sock_ops *ctx)
{
	__u32 v4 = ctx->remote_ip4;
	__u32 v6[] = { ctx->remote_ip6[0], ctx->remote_ip6[1],
		       ctx->remote_ip6[2], ctx->remote_ip6[3] };

	return endpoint_of(ctx->family, v4, v6, bpf_ntohl(ctx->remote_port));
}

static __always_inline struct place place_of(struct bpf_sock_ops *ctx,
					     const struct endpoint *endpoint)
{
	return (struct place){
		.netns_cookie = bpf_get_netns_cookie(ctx),
		.endpoint = *endpoint,
	};
}

static __always_inline void watch_close(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
					       BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The agent dials an application. The source port is chosen, the SYN has not
 * left: no race with sk_lookup. */
static __always_inline void open_upstream(struct bpf_sock_ops *ctx,
					  struct upstream *upstream)
{
	upstream->connection = (struct connection){
		.netns_cookie = bpf_get_netns_cookie(ctx),
		.source = local_end(ctx),
		.destination = remote_end(ctx),
	};
	bpf_map_update_elem(&upstream_clients, &upstream->connection,
			    &(struct upstream_client){ upstream->client,
						       upstream->identity },
			    BPF_ANY);
	watch_close(ctx);
}

/* A process dials; without a record of its own it must not find somebody
 * else's under a source port used before. */
static __always_inline void send_flow(struct bpf_sock_ops *ctx,
				      struct kept_flow *kept)
{
	struct endpoint local = local_end(ctx);
	struct place source = place_of(ctx, &local);

	if (!kept || !(kept->flow.flags & FLOW_REDIRECTED)) {
		bpf_map_delete_elem(&pending_flows, &source);
		return;
	}
	if (bpf_map_update_elem(&pending_flows, &source, kept, BPF_ANY))
		count(flows_lost); /* Closed: the proxy finds no record. */
	watch_close(ctx);
}

static __always_inline void connecting(struct bpf_sock_ops *ctx,
				       struct bpf_sock *sk)
{
	struct upstream *upstream;
	struct endpoint remote = remote_end(ctx);
	struct agent_settings *agent = settings();

	upstream = bpf_sk_storage_get(&upstreams, sk, NULL, 0);
	if (upstream)
		open_upstream(ctx, upstream);
	else if (agent && remote.port == agent->outbound_port &&
		 is_loopback(&remote))
		send_flow(ctx, bpf_sk_storage_get(&flows, sk, NULL, 0));
}

/* On the proxy's side: the record changes hands, and is gone from the table.
 * Not inline, like its sibling: their stacks are not the decision's. */
static __noinline int receive_flow(struct bpf_sock_ops *ctx,
				   struct bpf_sock *sk,
				   const struct endpoint *remote)
{
	struct place source = place_of(ctx, remote);
	struct kept_flow *sent = bpf_map_lookup_elem(&pending_flows, &source);
	struct kept_flow kept;

	if (!sent)
		return 0;
	kept = *sent;
	kept.flow.flags |= FLOW_ACCEPTED;
	bpf_map_delete_elem(&pending_flows, &source);
	bpf_sk_storage_get(&flows, sk, &kept, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

/* On the application's side: the client it shall see. */
static __noinline int receive_client(struct bpf_sock_ops *ctx,
				     struct bpf_sock *sk,
				     const struct endpoint *local,
				     const struct endpoint *remote)
{
	struct connection connection = {
		.netns_cookie = bpf_get_netns_cookie(ctx),
		.source = *remote,
		.destination = *local,
	};
	struct upstream_client *upstream;
	struct endpoint copy;

	upstream = bpf_map_lookup_elem(&upstream_clients, &connection);
	if (!upstream)
		return 0;
	copy = upstream->client;
	bpf_sk_storage_get(&accepted_clients, sk, &copy,
			   BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

static __always_inline void accepting(struct bpf_sock_ops *ctx,
				      struct bpf_sock *sk)
{
	struct endpoint local = local_end(ctx), remote = remote_end(ctx);
	struct agent_settings *agent = settings();

	if (!agent || !is_served(bpf_get_netns_cookie(ctx)))
		return;
	if (local.port == agent->outbound_port && is_loopback(&local))
		receive_flow(ctx, sk, &remote);
	else
		receive_client(ctx, sk, &local, &remote);
}

/* The dialling socket is gone, its source port about to be free: whatever is
 * known by that port goes first. */
static __always_inline void forget(struct bpf_sock_ops *ctx,
				   struct bpf_sock *sk)
{
	struct upstream *upstream;
	struct kept_flow *kept;

	upstream = bpf_sk_storage_get(&upstreams, sk, NULL, 0);
	if (upstream)
		bpf_map_delete_elem(&upstream_clients, &upstream->connection);
	kept = bpf_sk_storage_get(&flows, sk, NULL, 0);
	if (kept && (kept->flow.flags & FLOW_REDIRECTED)) {
		struct endpoint local = local_end(ctx);
		struct place source = place_of(ctx, &local);

		bpf_map_delete_elem(&pending_flows, &source);
	}
}
