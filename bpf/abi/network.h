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

/* Identity 0: none. */
#define IDENTITY_NONE 0

/* The connection was sent to the proxy instead of its destination. */
#define FLOW_REDIRECTED 1
/* This is the proxy's end of it. */
#define FLOW_ACCEPTED 2

/* What a socket carries of the process that connected it. */
struct flow {
	struct process_key process;
	abi_u32 identity;
	abi_u32 flags;               /* FLOW_... */
	struct endpoint destination; /* where the process wanted to go */
	abi_u32 reserved;
};
_Static_assert(sizeof(struct flow) == 48, "flow is ABI");

/* A dialling socket on its way to the proxy, by its source. */
struct flow_source {
	abi_u64 netns_cookie;
	struct endpoint source;
	abi_u32 reserved;
};
_Static_assert(sizeof(struct flow_source) == 32, "flow_source is ABI");

/* One TCP connection. Both ends: Linux lets two sockets share a source as
 * long as their destinations differ. */
struct connection {
	struct endpoint source;
	struct endpoint destination;
};
_Static_assert(sizeof(struct connection) == 40, "connection is ABI");

/* The agent's dial to an application on behalf of a client. */
struct upstream {
	struct endpoint client;       /* written by the agent */
	struct connection connection; /* written by the kernel part */
};
_Static_assert(sizeof(struct upstream) == 60, "upstream is ABI");

/* An IPv6 listener that does not serve IPv4. */
#define LISTENER_V6ONLY 1

/* Who listens at an endpoint of the agent's network namespace. */
struct listener {
	struct process_key process;
	abi_u32 identity;
	abi_u32 flags; /* LISTENER_V6ONLY */
};
_Static_assert(sizeof(struct listener) == 24, "listener is ABI");

/* Slots of `proxy_listeners`. */
enum proxy_listener {
	PROXY_OUTBOUND_IPV4,
	PROXY_OUTBOUND_IPV6,
	PROXY_INBOUND_IPV4,
	PROXY_INBOUND_IPV6,
	PROXY_LISTENERS,
};
