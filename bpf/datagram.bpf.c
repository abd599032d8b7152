// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Datagrams of sockets that no hook saw connect: let go or refused by the same
 * list, as nobody can hold them. */

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define IPPROTO_UDP 17
#define IPPROTO_UDPLITE 136
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

/* Where a packet goes. Its port, in host byte order, where the transport has one
 * and the packet says first that it is that transport's; else 0, which stands for
 * all of them. */
static __always_inline bool read_destination(struct __sk_buff *skb,
					     bool has_port,
					     struct endpoint *destination)
{
	bool is_ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u32 words[4] = {}, start = 40;
	__u8 first = 0, next = 0;
	__u16 port = 0;

	if (is_ipv4) {
		if (bpf_skb_load_bytes(skb, 0, &first, 1) ||
		    bpf_skb_load_bytes(skb, 9, &next, 1) ||
		    bpf_skb_load_bytes(skb, 16, words, 4))
			return false;
		start = (first & 15) * 4;
		*destination = endpoint_v4(words[0], 0);
	} else {
		if (bpf_skb_load_bytes(skb, 6, &next, 1) ||
		    bpf_skb_load_bytes(skb, 24, words, 16))
			return false;
		*destination = endpoint_v6(words, 0);
	}
	if (!has_port || next != IPPROTO_UDPLITE)
		return true;
	if (bpf_skb_load_bytes(skb, start + 2, &port, 2))
		return false;
	destination->port = bpf_ntohs(port);
	return true;
}

/* The kernel's own sockets, such as those that find neighbours, belong to the
 * cgroup of whoever made their network namespace, and send while anybody runs.
 * The verifier lets nobody follow this pointer into the socket, so it is read as
 * a number first. */
static __always_inline bool is_kernels_own(struct bpf_sock *sk)
{
	struct bpf_sock *volatile held = sk;
	struct sock *socket = NULL;

	bpf_probe_read_kernel(&socket, sizeof(socket), (const void *)&held);
	return BPF_CORE_READ_BITFIELD_PROBED(socket, sk_kern_sock);
}

/* Each packet of the scope. Of interest are those of datagrams that no hook
 * sees leave by its socket: of ICMP where it is not connected, of UDP-Lite and
 * L2TP over IP where it is, of raw sockets ever. Who sends is who runs, as the
 * kernel sends these from within the call; not so SCTP and DCCP, which are
 * neither of these types. Refused with EPERM. */
SEC("cgroup_skb/egress")
int send_unhooked(struct __sk_buff *skb)
{
	struct endpoint destination = {};
	struct bpf_sock *sk = skb->sk;
	bool is_datagram;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || sk->type == SOCK_STREAM)
		return 1;
	is_datagram = sk->type == SOCK_DGRAM;
	if (is_datagram ? sk->protocol == IPPROTO_UDP : sk->type != SOCK_RAW)
		return 1;
	if (!anything_confines() || is_kernels_own(sk))
		return 1;
	return read_destination(skb,
				is_datagram && sk->protocol == IPPROTO_UDPLITE,
				&destination) &&
	       may_send(&destination, netns_of(bpf_get_current_task_btf()));
}
