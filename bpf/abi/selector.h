/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "process.h"

/* Selectors of one policy. Bit n stands for the selector n-th in order of
 * precedence. */
#define SELECTOR_SLOTS 4096
#define SELECTOR_WORDS (SELECTOR_SLOTS / 64)

/* Which selectors a class of values satisfies in one field. A selector that
 * leaves the field open is in every row of it. */
struct selector_row {
	abi_u64 words[SELECTOR_WORDS];
};
_Static_assert(sizeof(struct selector_row) == 512, "selector_row is ABI");

/* Distinct N of process:argv[N] in one policy. */
#define SELECTOR_ARGUMENTS 8

/* What a selector can ask for. All values of a field that no selector tells
 * apart are one class, known by a number. The number of the field itself is
 * the class of a value that no selector names. */
enum selector_field {
	FIELD_EUID,
	FIELD_UID,
	FIELD_EGID,
	FIELD_GID,
	FIELD_NAME,     /* from here on PROCESS_TEXTS texts of a process */
	FIELD_CMDLINE,
	FIELD_PATH,
	FIELD_PROGRAM, /* whether a script may run: see CLASS_MAY_RUN_SCRIPT */
	FIELD_ARGUMENT, /* SELECTOR_ARGUMENTS of them */
	FIELD_CGROUP = FIELD_ARGUMENT + SELECTOR_ARGUMENTS,
	FIELD_UNIT,
	FIELD_HOST,     /* 1: PROCESS_ON_HOST */
	FIELD_GROUPS,
	FIELD_USER_SPACE, /* whatever user space alone can find out */
	SELECTOR_FIELDS,
};
_Static_assert(FIELD_CGROUP - FIELD_NAME == PROCESS_TEXTS, "texts are ABI");

/* A value that one or two selectors ask for by name, and none excludes: those
 * beside all of the field's own class. It has no row. The places of the two
 * are of SLOT_BITS bits each, and may be the same. */
#define CLASS_OF_SLOTS (1U << 30)
#define SLOT_BITS 12

/* The class of a value that cannot be known; no selector that asks for the
 * field is in its row. */
#define CLASS_UNKNOWN(field) (32 + (field))
/* The class of an executable named as an interpreter is, and of whatever the
 * kernel started through `#!`: all selectors are in its row, as only user space
 * knows which script it is. In the field's own row, which is for all others,
 * are those that want no script. */
#define CLASS_MAY_RUN_SCRIPT CLASS_UNKNOWN(FIELD_PROGRAM)
/* The class of a process that hides others: of what it runs nobody can tell, so
 * only selectors that ask for its very binary are in the row. */
#define CLASS_HIDING 63
/* The first number of all other classes. A group has two: the selectors that
 * want it or leave groups open, and those that do not exclude it. */
#define CLASS_FIRST 64

/* Keys carry the generation of the policy they belong to: a new policy is
 * written beside the one in force, then `active_generation` flips.
 * Generation 0: no policy yet. It has 24 bits. */
#define SELECTOR_TAG(generation, field) ((generation) << 8 | (field))

struct selector_number {
	abi_u32 tag;
	abi_u32 value;
};
_Static_assert(sizeof(struct selector_number) == 8, "selector_number is ABI");

/* A longest-prefix-match key holds at most 256 bytes, the tag's 4 included. */
#define SELECTOR_TEXT_LEN 252

/* An exact text ends with its NUL, a prefix without; a command line has a NUL
 * after each word. */
struct selector_text {
	abi_u32 prefix_bits; /* of tag and text together */
	abi_u32 tag;
	abi_u8 text[SELECTOR_TEXT_LEN];
};
_Static_assert(sizeof(struct selector_text) == 260, "selector_text is ABI");

struct selector_class {
	abi_u32 generation;
	abi_u32 number;
};
_Static_assert(sizeof(struct selector_class) == 8, "selector_class is ABI");

/* A process cannot be decided by the kernel alone: see FIELD_USER_SPACE. */
#define SLOT_NEEDS_USER_SPACE 1

struct selector_slot {
	abi_u32 identity;
	abi_u32 flags; /* SLOT_... */
};
_Static_assert(sizeof(struct selector_slot) == 8, "selector_slot is ABI");

/* One policy. Index: generation & 1. */
struct policy {
	abi_u32 fields; /* bit f: some selector asks for field f */
	abi_u32 argument_count;
	abi_u32 argument_index[SELECTOR_ARGUMENTS]; /* ascending */
	abi_u32 used_words; /* of rows; no selector is in those behind */
};
_Static_assert(sizeof(struct policy) == 44, "policy is ABI");

/* What user space found of one process, for the policies of both banks:
 * generation << 32 | class of FIELD_USER_SPACE. */
struct user_space_answer {
	abi_u64 classes[2];
};
_Static_assert(sizeof(struct user_space_answer) == 16,
	       "user_space_answer is ABI");

/* Asks for a decision without a connection: see decide_asked. */
struct decision_request {
	struct credentials credentials; /* all but the process's own */
	abi_u32 tgid;
	abi_u64 cgroup_id;
	abi_u32 identity; /* out: IDENTITY_... */
	abi_u32 slot;     /* out: which selector; SELECTOR_SLOTS: none */
};
_Static_assert(sizeof(struct decision_request) == 168,
	       "decision_request is ABI");
