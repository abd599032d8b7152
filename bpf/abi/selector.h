/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "process.h"

/* Selectors of one policy. Bit n stands for the selector n-th in order of
 * precedence. */
#define SELECTOR_SLOTS 1024
#define SELECTOR_WORDS (SELECTOR_SLOTS / 64)

struct selector_bits {
	abi_u64 words[SELECTOR_WORDS];
};
_Static_assert(sizeof(struct selector_bits) == 128, "selector_bits is ABI");

/* Keys carry the generation of the policy they belong to: a new policy is
 * written beside the one in force, then `active_generation` flips.
 * Generation 0: no policy yet. */
struct selector_uid {
	abi_u32 generation;
	abi_u32 uid; /* effective */
};
_Static_assert(sizeof(struct selector_uid) == 8, "selector_uid is ABI");

struct selector_name {
	abi_u32 generation;
	abi_u8 name[PROCESS_NAME_LEN]; /* NUL-padded */
};
_Static_assert(sizeof(struct selector_name) == 20, "selector_name is ABI");

/* A longest-prefix-match key holds at most 256 bytes, the generation's 4
 * included. */
#define SELECTOR_ARGV_LEN 252

struct selector_argv {
	abi_u32 prefix_bits; /* of generation and argv together */
	abi_u32 generation;
	abi_u8 argv[SELECTOR_ARGV_LEN]; /* whole words, each with its NUL */
};
_Static_assert(sizeof(struct selector_argv) == 260, "selector_argv is ABI");

/* Selectors that leave a field open, by field. Index: generation & 1. */
struct selector_wildcards {
	struct selector_bits uid;
	struct selector_bits name;
	struct selector_bits argv;
};
_Static_assert(sizeof(struct selector_wildcards) == 384,
	       "selector_wildcards is ABI");
