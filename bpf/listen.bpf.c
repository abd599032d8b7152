// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Knows each socket that listens. A record is its socket's: written before the
 * socket can be found by a connection, gone when it listens no more. */

#define EEXIST 17
#define E2BIG 7 /* a map is full */

/* Longer than a processor may be held up between two instructions. */
#define PATIENCE (1 << 18)

static __always_inline __u64 state_of(__u64 cookie, __u32 identity)
{
	return cookie << 32 | identity;
}

static __always_inline __u64 unit_of(__u32 identity)
{
	if (identity == IDENTITY_NONE)
		return PLACE_UNMANAGED;
	return identity >= IDENTITY_UNDECIDED ? PLACE_UNDECIDED :
						PLACE_MANAGED;
}

/* One socket more or less at a place. */
struct change {
	const struct place *place;
	__u64 unit;
	long refused; /* out */
};

/* An entry whose last socket closes is marked in the same instruction, and
 * removed by nobody else than who marked it. Whoever comes meanwhile waits for
 * that: it takes as long as removing an entry. */
static long add_once(__u32 index, struct change *change)
{
	__u64 *sum = bpf_map_lookup_elem(&places, change->place);
	__u64 seen;

	if (!sum) {
		/* Somebody else's may be there by now; or the map's bucket, or
		 * memory for an entry, is had a moment later (6.1). */
		change->refused = bpf_map_update_elem(
			&places, change->place, &change->unit, BPF_NOEXIST);
		return !change->refused || change->refused == -E2BIG;
	}
	seen = *(volatile __u64 *)sum;
	if (seen & PLACE_ENDS)
		return 0;
	if (__sync_val_compare_and_swap(sum, seen, seen + change->unit) != seen)
		return 0;
	if (bpf_map_lookup_elem(&places, change->place) == sum) {
		change->refused = 0;
		return 1;
	}
	/* Removed between two instructions, and another place's by now. */
	__sync_fetch_and_sub(sum, change->unit);
	return 0;
}

static __noinline long add_to_place(const struct place *place, __u64 unit)
{
	struct change change = { .place = place, .unit = unit, .refused = -1 };

	bpf_loop(PATIENCE, add_once, &change, 0);
	return change.refused;
}

static long remove_once(__u32 index, struct change *change)
{
	__u64 *sum = bpf_map_lookup_elem(&places, change->place);
	__u64 seen, left;

	if (!sum)
		return 1;
	/* Our unit is in it, so it is not about to go. */
	seen = *(volatile __u64 *)sum;
	left = seen - change->unit;
	if (__sync_val_compare_and_swap(sum, seen, left ? left : PLACE_ENDS) !=
	    seen)
		return 0;
	if (!left)
		bpf_map_delete_elem(&places, change->place);
	return 1;
}

static __noinline long remove_from_place(const struct place *place, __u64 unit)
{
	struct change change = { .place = place, .unit = unit };

	bpf_loop(PATIENCE, remove_once, &change, 0);
	return 0;
}

static __always_inline struct endpoint bound_end(const struct sock *sk)
{
	__u16 port = sk->__sk_common.skc_num;
	struct in6_addr address;

	if (sk->__sk_common.skc_family == AF_INET)
		return endpoint_v4(sk->__sk_common.skc_rcv_saddr, port);
	address = sk->__sk_common.skc_v6_rcv_saddr;
	return endpoint_v6(address.in6_u.u6_addr32, port);
}

static __always_inline struct place place_of_listener(const struct sock *sk)
{
	struct place place = {
		.netns_cookie = sk->__sk_common.skc_net.net->net_cookie,
		.endpoint = bound_end(sk),
	};
	const struct endpoint *end = &place.endpoint;

	place.ipv6_only = is_v6_short(end) && !end->address[3] &&
			  BPF_CORE_READ_BITFIELD(sk, __sk_common.skc_ipv6only);
	return place;
}

/* Whether the socket belongs to the cgroup the agent is attached to, or to one
 * below it. */
static __always_inline bool is_in_scope(const struct sock *sk)
{
	return is_below_scope(BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn));
}

/* One record to be written. */
struct record {
	const struct listener *listener;
	__u64 cookie;
	long refused; /* out */
};

/* What is busy, or without memory for a moment, is tried again. */
static long write_once(__u32 index, struct record *record)
{
	record->refused = bpf_map_update_elem(&listeners, &record->cookie,
					      record->listener, BPF_NOEXIST);
	return !record->refused || record->refused == -E2BIG ||
	       record->refused == -EEXIST;
}

static __noinline long write_record(const struct listener *listener,
				    __u64 cookie)
{
	struct record record = { .listener = listener, .cookie = cookie };

	bpf_loop(PATIENCE, write_once, &record, 0);
	return record.refused;
}

/* Its place first: from then on nobody is let pass to it, were it managed.
 * False where there was no room; it is told by its cookie, so once. */
static __always_inline bool keep_listener(__u64 cookie,
					  struct listener *listener,
					  __u32 identity)
{
	__u64 unit = unit_of(identity);
	bool placed = listener->place.endpoint.port;
	long refused;

	listener->state = state_of(cookie, identity);
	if (placed && add_to_place(&listener->place, unit))
		return false;
	refused = write_record(listener, cookie);
	if (refused && placed)
		remove_from_place(&listener->place, unit);
	return !refused || refused == -EEXIST;
}

/* In the context of the process that calls listen(), before the socket can be
 * found: the kernel has not even asked whether its port is free. */
static __always_inline void open_listener(struct sock *sk)
{
	struct agent_settings *agent = settings();
	struct listener listener = { .process = current_process() };
	__u32 identity;

	if (!agent || same_process(&listener.process, &agent->process) ||
	    !is_in_scope(sk))
		return;
	listener.place = place_of_listener(sk);
	identity = identify_current(&listener.process,
				    &listener.place.endpoint, &listener.ids,
				    &listener.process.image);
	if (keep_listener(bpf_get_socket_cookie(sk), &listener, identity))
		return;
	count(listeners_lost);
	if (identity != IDENTITY_NONE) /* Fail closed. */
		bpf_sk_storage_get(&closed_sockets, sk, NULL,
				   BPF_SK_STORAGE_GET_F_CREATE);
}

/* The identity a record ends with; false where it has ended, or is not this
 * socket's: somebody else ends it then. */
static __always_inline bool end_record(struct listener *listener, __u64 cookie,
				       __u32 *identity)
{
	for (__u32 attempt = 0; attempt < 16; attempt++) {
		__u64 state = *(volatile __u64 *)&listener->state;

		if (state >> 32 != (__u32)cookie)
			return false;
		*identity = state;
		if (__sync_val_compare_and_swap(&listener->state, state, 0ULL) ==
		    state)
			return true;
		/* The agent decided it at this very moment. */
	}
	return false;
}

/* Listeners of nobody are a number: whoever may open sockets can open and close
 * them as fast as he likes, and nothing of a policy rests on when that is told. */
static __always_inline void tell_listener(__u32 kind, __u32 reason,
					  const struct process_key *process,
					  __u32 identity,
					  const struct endpoint *endpoint,
					  __u64 netns_cookie)
{
	if (identity == IDENTITY_NONE)
		count(listeners_of_nobody);
	else
		report(kind, reason, process, identity, endpoint,
		       netns_cookie);
}

/* By whatever way: closed, shut down, never let listen. */
static __always_inline void close_listener(struct sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct listener *known = bpf_map_lookup_elem(&listeners, &cookie);
	struct process_key process;
	struct place place;
	__u32 identity;

	bpf_sk_storage_delete(&closed_sockets, sk);
	if (!known)
		return;
	process = known->process;
	place = known->place;
	if (!end_record(known, cookie, &identity))
		return;
	bpf_map_delete_elem(&listeners, &cookie);
	if (!place.endpoint.port)
		return;
	remove_from_place(&place, unit_of(identity));
	tell_listener(EVENT_LISTEN_CLOSED, REFUSED_NOT, &process, identity,
		      &place.endpoint, place.netns_cookie);
}

/* Of all sockets of the machine (a typed tracepoint: it refuses nothing), also of
 * those that are older than the kernel part. One that is accepted is a copy of its listener at first, by cookie and state, and
 * leaves that for another state than this. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_changed, struct sock *sk, int old, int new)
{
	/* A Multipath TCP socket listens by one of TCP. */
	if (new == BPF_TCP_LISTEN) {
		if (sk->sk_protocol == IPPROTO_TCP)
			open_listener(sk);
	} else if (old == BPF_TCP_LISTEN && new == BPF_TCP_CLOSE &&
		   is_stream(sk->sk_protocol)) {
		close_listener(sk);
	}
	return 0;
}

/* listen() has succeeded. A socket that was never bound has its port only now;
 * until it has its place connections for it are refused by admit(). */
static __always_inline void listening(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct listener *listener = bpf_map_lookup_elem(&listeners, &cookie);
	struct endpoint local = local_end(ctx);
	__u32 identity, reason = REFUSED_NOT;

	if (!listener)
		return;
	identity = listener->state;
	if (!listener->place.endpoint.port) {
		struct place place = listener->place;

		place.endpoint = local;
		if (add_to_place(&place, unit_of(identity))) {
			count(listeners_lost);
			return; /* Closed: without a port nobody decides it. */
		}
		listener->place.endpoint.port = local.port;
	}
	if (identity != IDENTITY_NONE &&
	    !is_served(listener->place.netns_cookie))
		/* Unreachable until the proxy is here; listen() without bind()
		 * cannot be refused. */
		reason = REFUSED_LISTEN_NAMESPACE;
	tell_listener(EVENT_LISTEN_OPENED, reason, &listener->process, identity,
		      &local, listener->place.netns_cookie);
}

/* The agent has found out whose a listener is. Its place has both units in
 * between, so it never looks emptier than it is. 0 where that is so now; else
 * the listener is gone, or is no longer what the agent thought. */
SEC("syscall")
int decide_listener(struct listener_decision *asked)
{
	__u64 cookie = asked->cookie;
	__u32 before = asked->expected, after = asked->identity;
	__u64 expected = state_of(cookie, before);
	struct listener *listener = bpf_map_lookup_elem(&listeners, &cookie);
	struct place place;
	bool decided;

	if (!listener)
		return 1;
	place = listener->place;
	if (!place.endpoint.port || add_to_place(&place, unit_of(after)))
		return 1;
	decided = __sync_val_compare_and_swap(&listener->state, expected,
					      state_of(cookie, after)) ==
		  expected;
	remove_from_place(&place, unit_of(decided ? before : after));
	return !decided;
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

/* bind() of the scope, once the port is the socket's (Linux 4.17). Refused with
 * EPERM; the kernel gives the port back. */
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
