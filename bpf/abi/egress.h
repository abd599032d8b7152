/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "integers.h"

/* Whether anything at all keeps managed processes from dialling by themselves
 * what nobody manages; where nothing does, nothing is looked up. */
struct outbound_settings {
	abi_u32 confines;
	abi_u32 reserved;
};
_Static_assert(sizeof(struct outbound_settings) == 8,
	       "outbound_settings is ABI");

/* Ranges of ports that one address can have in one list. */
#define EGRESS_PORTS 16

/* A range of addresses in a list of what may be reached as it is. Lists are
 * never changed, only made and taken away, so that an identity goes from one
 * to the next in one step. */
struct egress_range {
	abi_u32 prefix_bits; /* of list and address together */
	abi_u32 list;
	abi_u32 address[4]; /* as in struct endpoint */
};
_Static_assert(sizeof(struct egress_range) == 24, "egress_range is ABI");

struct port_range {
	abi_u16 first, last;
};

/* What may be reached there, that of all shorter ranges included. */
struct egress_ports {
	abi_u32 count;
	struct port_range ranges[EGRESS_PORTS];
};
_Static_assert(sizeof(struct egress_ports) == 68, "egress_ports is ABI");

/* Addresses among which no managed process speaks plain. */
struct managed_network {
	abi_u32 prefix_bits;
	abi_u32 address[4];
};
_Static_assert(sizeof(struct managed_network) == 20, "managed_network is ABI");

#define NETWORK_EXCEPTED 0 /* the longest range decides */
#define NETWORK_MANAGED 1
