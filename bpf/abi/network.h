/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "process.h"

/* An address and port. IPv4 is always kept as ::ffff:a.b.c.d, so that one
 * destination has one spelling whatever socket it is dialled from. */
struct endpoint {
	abi_u32 address[4]; /* network byte order */
	abi_u16 port;       /* host byte order */
	abi_u16 reserved;   /* zero: endpoints are compared bytewise */
};
_Static_assert(sizeof(struct endpoint) == 20, "endpoint is ABI");

/* The same in one network namespace. 127.0.0.1 is another place in each. */
struct place {
	abi_u64 netns_cookie; /* 0 in `destinations`: anywhere */
	struct endpoint endpoint;
	abi_u32 ipv6_only; /* 1: of :: without the IPv4 addresses */
};
_Static_assert(sizeof(struct place) == 32, "place is ABI");

/* No identity: the process is not managed. */
#define IDENTITY_NONE 0
/* User space has to say; until then the process is treated as managed. */
#define IDENTITY_UNDECIDED 0xfffffffe
/* Cannot be decided at all: no record of the process, or no memory. */
#define IDENTITY_UNKNOWN 0xffffffff

/* The connection was sent to the proxy instead of its destination. */
#define FLOW_REDIRECTED 1
/* This is the proxy's end of it. */
#define FLOW_ACCEPTED 2
/* Redirected for lack of knowledge: nobody is known to be managed there. */
#define FLOW_UNKNOWN_PLACE 4
/* Undecided, of a process that was a workload by a former policy. */
#define FLOW_DISOWNED 8

/* Who connects, and where to. A socket carries it as struct kept_flow. */
struct flow {
	struct process_key process; /* with the image that connected it */
	abi_u32 identity;
	abi_u32 flags; /* FLOW_... */
	struct ids ids;  /* as of connect() */
	struct endpoint destination; /* where the process wanted to go */
	abi_u32 generation; /* of the policy, or an earlier one's */
	abi_u64 netns_cookie;
};
_Static_assert(sizeof(struct flow) == 72, "flow is ABI");

struct kept_flow {
	struct flow flow;
	struct ids process_ids; /* of the first thread, by which it is asked
				 * later who the process is */
};
_Static_assert(sizeof(struct kept_flow) == 88, "kept_flow is ABI");

/* One TCP connection. Both ends: Linux lets two sockets share a source as
 * long as their destinations differ. */
struct connection {
	abi_u64 netns_cookie;
	struct endpoint source;
	struct endpoint destination;
};
_Static_assert(sizeof(struct connection) == 48, "connection is ABI");

/* The agent's dial to an application on behalf of a client. */
struct upstream {
	struct connection connection; /* written by the kernel part */
	struct endpoint client;       /* written by the agent, as the rest */
	abi_u32 identity; /* whose application is meant; IDENTITY_NONE: that of
			   * any workload */
};
_Static_assert(sizeof(struct upstream) == 72, "upstream is ABI");

/* The same as others look for it, by the connection. */
struct upstream_client {
	struct endpoint client;
	abi_u32 identity;
};
_Static_assert(sizeof(struct upstream_client) == 24, "upstream_client is ABI");

/* Older than the kernel part: who listened is who held it first. */
#define LISTENER_FOUND_RUNNING 1

/* One socket that listens, known by its cookie, and whose it is. All but the
 * identity is as of listen() and stays so. */
struct listener {
	/* cookie << 32 | identity, changed by compare-and-set alone: memory of
	 * a record that ended may be another's. 0: it has ended. */
	abi_u64 state;
	struct process_key process; /* with the image that listened */
	struct ids ids;
	struct place place; /* port 0: the kernel is choosing one */
	abi_u32 flags;      /* LISTENER_... */
	abi_u32 reserved;
};
_Static_assert(sizeof(struct listener) == 80, "listener is ABI");

/* What listens at a place: a sum of these, one for each socket. */
#define PLACE_MANAGED 1ULL
#define PLACE_UNDECIDED (1ULL << 20)
#define PLACE_UNMANAGED (1ULL << 40)
/* The last one has closed, the entry is about to go. */
#define PLACE_ENDS (1ULL << 63)

/* What the agent asks of decide_listener(). */
struct listener_decision {
	abi_u64 cookie;
	abi_u32 expected; /* the identity it was decided by */
	abi_u32 identity; /* the one it has from now on */
};
_Static_assert(sizeof(struct listener_decision) == 16,
	       "listener_decision is ABI");

/* The proxy's listeners in a network namespace. */
enum proxy_listener_kind {
	PROXY_OUTBOUND_IPV4,
	PROXY_OUTBOUND_IPV6,
	PROXY_INBOUND_IPV4,
	PROXY_INBOUND_IPV6,
};

struct proxy_listener {
	abi_u64 netns_cookie;
	abi_u32 kind; /* enum proxy_listener_kind */
	abi_u32 reserved;
};
_Static_assert(sizeof(struct proxy_listener) == 16, "proxy_listener is ABI");
