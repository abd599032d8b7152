/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include "integers.h"

/* Task name with its NUL, as in the kernel. */
#define PROCESS_NAME_LEN 16

/* Bytes of argv kept: each word ends with a NUL, as in /proc/PID/cmdline.
 * Anything longer is cut and flagged. */
#define PROCESS_ARGV_LEN 1024

/* Bytes of the executable's path with its NUL. */
#define PROCESS_PATH_LEN 256

/* Names one run of one process. A tgid alone is reused by the kernel; the
 * pair is not, for as long as the machine is up. */
struct process_key {
	abi_u64 start_boottime_ns; /* since boot, suspend included */
	abi_u32 tgid;              /* in the initial PID namespace */
	abi_u32 reserved;          /* zero: keys are compared bytewise */
};
_Static_assert(sizeof(struct process_key) == 16, "process_key is ABI");

/* argv was longer than PROCESS_ARGV_LEN; its last word may be cut. */
#define PROCESS_ARGV_TRUNCATED 1
/* The path was longer than PROCESS_PATH_LEN; its end is kept. */
#define PROCESS_PATH_TRUNCATED 2

/* What the kernel saw at the last exec; a forked child has its parent's. */
struct process_facts {
	struct process_key key;
	abi_u32 parent_tgid;
	abi_u32 uid;        /* real, initial user namespace, as of exec */
	abi_u32 euid;       /* effective, as of exec */
	abi_u32 gid;        /* effective, as of exec */
	abi_u32 flags;      /* PROCESS_..._TRUNCATED */
	abi_u32 argv_len;   /* bytes in argv; what follows them is noise */
	abi_u32 identified; /* handle last reported to user space */
	abi_u32 mount_namespace; /* inode number */
	abi_u64 executable_device; /* major << 20 | minor */
	abi_u64 executable_inode;
	abi_u64 cgroup_id;  /* cgroup v2, as of exec */
	abi_u8 name[PROCESS_NAME_LEN]; /* NUL-padded */
	abi_u8 path[PROCESS_PATH_LEN]; /* NUL-terminated; empty for a memfd */
	/* Behind `path` on purpose: see write_path() in exec.bpf.c. */
	abi_u8 argv[PROCESS_ARGV_LEN];
};
_Static_assert(sizeof(struct process_facts) == 1368, "process_facts is ABI");
