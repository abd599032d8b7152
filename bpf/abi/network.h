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
	abi_u32 reserved;
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

/* What a socket carries of the process that connected it. */
struct flow {
	struct process_key process; /* with the image that connected it */
	abi_u32 identity;
	abi_u32 flags; /* FLOW_... */
	struct ids ids;  /* as of connect() */
	struct endpoint destination; /* where the process wanted to go */
	abi_u32 reserved;
	abi_u64 netns_cookie;
};
_Static_assert(sizeof(struct flow) == 72, "flow is ABI");

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
	struct endpoint client;       /* written by the agent */
	abi_u32 reserved;
};
_Static_assert(sizeof(struct upstream) == 72, "upstream is ABI");

/* An IPv6 listener that does not serve IPv4. */
#define LISTENER_V6ONLY 1
/* Older than the kernel part, which does not see it close. */
#define LISTENER_FOUND_RUNNING 2

/* Who listens at a place. */
struct listener {
	struct process_key process;
	abi_u32 identity;
	abi_u32 flags; /* LISTENER_... */
	struct ids ids; /* as of listen() */
};
_Static_assert(sizeof(struct listener) == 40, "listener is ABI");

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
