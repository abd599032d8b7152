/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* What listens where. */

static __always_inline __u64 sum_at(const struct place *place)
{
	__u64 *sum = bpf_map_lookup_elem(&places, place);

	return sum && !(*sum & PLACE_ENDS) ? *sum : 0;
}

/* What listens for a connection to this address: at the very address, else at
 * all of them; an IPv6 wildcard serves IPv4 as well unless its socket said
 * otherwise. */
static __always_inline __u64 listening_for(const struct endpoint *local,
					   __u64 netns_cookie)
{
	struct place place = {
		.netns_cookie = netns_cookie,
		.endpoint = *local,
	};
	__u64 sum = sum_at(&place);

	if (sum)
		return sum;
	place.endpoint = (struct endpoint){ .port = local->port };
	sum = sum_at(&place);
	if (is_v4(local))
		place.endpoint.address[2] = V4_MAPPED;
	else
		place.ipv6_only = 1;
	return sum + sum_at(&place);
}

/* Whether some of a kind are in a sum. */
static __always_inline bool has(__u64 sum, __u64 unit)
{
	return sum & (unit * ((1ULL << 20) - 1));
}
