/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Where a process may go by itself, without the proxy, though nobody is known
 * to be managed there. */

static __always_inline bool anything_confines(void)
{
	struct outbound_settings *outbound =
		bpf_map_lookup_elem(&outbound_settings, &(__u32){ 0 });

	return !outbound || outbound->confines;
}

/* Global, like its sibling: verified once, on a stack of its own. */
__noinline bool in_managed_network(const struct endpoint *destination)
{
	struct managed_network key = { .prefix_bits = 128 };
	__u32 *kind;

	if (!destination)
		return true;
	__builtin_memcpy(key.address, destination->address,
			 sizeof(key.address));
	kind = bpf_map_lookup_elem(&managed_networks, &key);
	return kind && *kind == NETWORK_MANAGED;
}

static __always_inline bool is_listed(__u32 list,
				      const struct endpoint *destination)
{
	struct egress_range key = { .prefix_bits = 32 + 128, .list = list };
	struct egress_ports *ports;
	/* What has no ports may reach what has all of them. */
	__u16 first = destination->port ? destination->port : 1;
	__u16 last = destination->port ? destination->port : 65535;

	__builtin_memcpy(key.address, destination->address,
			 sizeof(key.address));
	ports = bpf_map_lookup_elem(&egress, &key);
	if (!ports)
		return false;
	for (__u32 range = 0; range < EGRESS_PORTS; range++) {
		if (range >= ports->count)
			return false;
		if (ports->ranges[range].first <= first &&
		    last <= ports->ranges[range].last)
			return true;
	}
	return false;
}

/* Who has no list of its own may go anywhere but into managed networks. For
 * IDENTITY_UNDECIDED and IDENTITY_UNKNOWN there is an empty one as soon as
 * anybody has one: it could be that one. */
__noinline bool may_leave(__u32 identity, const struct endpoint *destination)
{
	__u32 *list;

	if (!destination || in_managed_network(destination))
		return false;
	list = bpf_map_lookup_elem(&outbound_lists, &identity);
	return !list || is_listed(*list, destination);
}
