/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* One spelling for each destination: IPv4 as ::ffff:a.b.c.d, ports in host
 * byte order. */

#define V4_MAPPED bpf_htonl(0x0000ffff)
#define V4_LOOPBACK bpf_htonl(0x7f000001) /* 127.0.0.1 */
#define V6_LOOPBACK bpf_htonl(1)          /* last word of ::1 */

static __always_inline struct endpoint endpoint_v4(__u32 address, __u16 port)
{
	return (struct endpoint){
		.address = { 0, 0, V4_MAPPED, address },
		.port = port,
	};
}

static __always_inline struct endpoint endpoint_v6(const __u32 *words,
						   __u16 port)
{
	return (struct endpoint){
		.address = { words[0], words[1], words[2], words[3] },
		.port = port,
	};
}

/* For contexts that hold both: read every word first, then choose. Left to
 * itself clang merges the reads of two branches into one at a computed offset,
 * which the verifier does not allow on a context; hence the volatile readers
 * of this function. */
static __always_inline struct endpoint
endpoint_of(__u32 family, __u32 v4, const __u32 *v6, __u16 port)
{
	if (family == AF_INET)
		return endpoint_v4(v4, port);
	return endpoint_v6(v6, port);
}

static __always_inline bool is_v4(const struct endpoint *endpoint)
{
	return !endpoint->address[0] && !endpoint->address[1] &&
	       endpoint->address[2] == V4_MAPPED;
}

static __always_inline bool is_v6_short(const struct endpoint *endpoint)
{
	return !endpoint->address[0] && !endpoint->address[1] &&
	       !endpoint->address[2];
}

static __always_inline bool is_loopback(const struct endpoint *endpoint)
{
	if (is_v4(endpoint))
		return (endpoint->address[3] & bpf_htonl(0xff000000)) ==
		       bpf_htonl(0x7f000000);
	return is_v6_short(endpoint) && endpoint->address[3] == V6_LOOPBACK;
}

/* Dialling 0.0.0.0 or :: means the loopback, later in the kernel. */
static __always_inline void resolve_any(struct endpoint *destination)
{
	if (destination->address[3])
		return;
	if (is_v4(destination))
		destination->address[3] = V4_LOOPBACK;
	else if (is_v6_short(destination))
		destination->address[3] = V6_LOOPBACK;
}
