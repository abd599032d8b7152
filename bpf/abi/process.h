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
	abi_u32 image;             /* zero, but where one of its execs is
				    * meant: see process_facts */
};
_Static_assert(sizeof(struct process_key) == 16, "process_key is ABI");

/* argv was longer than PROCESS_ARGV_LEN; its last word may be cut. */
#define PROCESS_ARGV_TRUNCATED 1
/* The path was longer than PROCESS_PATH_LEN; its end is kept. */
#define PROCESS_PATH_TRUNCATED 2
/* The path is not the host's: seen below another root file system, or in a
 * mount namespace that belongs to a user namespace, where anybody can put any
 * file at any path. */
#define PROCESS_PATH_FOREIGN 4
/* Found running when the kernel part was loaded: argv and name are those of
 * that moment, not of exec. */
#define PROCESS_FOUND_RUNNING 8

/* At its last exec, and at each fork since, it was in the initial user, PID and
 * mount namespaces. */
#define PROCESS_ON_HOST 16

/* A runtime with a kernel of its own for what runs in it: a sandbox, a virtual
 * machine. See hides_processes(). */
#define PROCESS_HIDES_OTHERS 32

/* Another process had the same working directory, to change it for both, when it
 * executed: clone() with CLONE_FS. */
#define PROCESS_SHARED_FOLDER 64

/* It has opened connections as somebody, or as one who was not decided yet:
 * through the proxy; and such that went on as they were. */
#define CONNECTED_BY_PROXY 1
#define CONNECTED_DIRECTLY 2

/* Text fields of a process that selectors look at; see enum selector_field. */
#define PROCESS_TEXTS 12

/* A class that was looked up, and the policy it holds for; read and written
 * as one word. See selector.h. */
#define CLASS_GENERATION_SHIFT 32

/* Of a task, in the initial user namespace. */
struct ids {
	abi_u32 euid, uid; /* effective, real */
	abi_u32 egid, gid;
};

/* The last decision and all it rests on beside the facts themselves. Threads
 * of a process may write and read it at once: `sequence` is odd while it is
 * written, and has changed when it was. */
struct decision_memo {
	abi_u32 sequence;
	abi_u32 generation; /* of the policy; 0: no decision is kept */
	struct ids ids;
	abi_u64 cgroup_id;
	abi_u32 identity;
	abi_u32 reserved;
};
_Static_assert(sizeof(struct decision_memo) == 40, "decision_memo is ABI");

/* A folder, as /proc/PID/fdinfo names it. */
struct folder_place {
	abi_u64 inode;
	abi_u32 mount;
	abi_u32 reserved;
};
_Static_assert(sizeof(struct folder_place) == 16, "folder_place is ABI");

/* Somewhat more than seconds since boot, of which no two looks of the agent are
 * further apart; never 0. */
static inline abi_u32 untold_time(abi_u64 monotonic_ns)
{
	return (abi_u32)(monotonic_ns >> 30) + 1;
}

/* What the kernel saw at the last exec; a forked child has its parent's. */
struct process_facts {
	struct process_key key;
	struct process_key parent; /* the process that forked this one */
	/* Which image executed what runs: its own, or the one it was forked
	 * from, and that from. */
	struct process_key origin;
	abi_u64 executed_boottime_ns; /* as start_boottime; 0: found running */
	struct folder_place root, working; /* as of then, or as found */
	abi_u32 flags;             /* PROCESS_... */
	abi_u32 argv_len;          /* bytes in argv; what follows is noise */
	abi_u32 identified;        /* handle last reported to user space */
	abi_u32 asked;             /* generation of the last EVENT_UNDECIDED */
	abi_u32 image;             /* execs since it was forked */
	abi_u32 managed_under;     /* generation of the last policy by which it
				    * was a workload, since its exec; 0: none,
				    * or no longer, by its own doing */
	abi_u32 connected;         /* CONNECTED_..., by whatever it executed */
	abi_u32 untold;            /* when user space was last not told what it
				    * had to know of it: untold_time(); 0: it
				    * was told all */
	struct decision_memo memo;
	abi_u64 executable_device; /* major << 20 | minor */
	abi_u64 executable_inode;
	abi_u64 classes[PROCESS_TEXTS]; /* generation << 32 | class */
	abi_u8 name[PROCESS_NAME_LEN]; /* NUL-padded */
	/* How the executable's own file name begins: that of `name` can be a
	 * link or a script. NUL-padded; empty where `path` is. */
	abi_u8 program[PROCESS_NAME_LEN];
	abi_u8 path[PROCESS_PATH_LEN]; /* NUL-padded; empty for a memfd */
	/* The file with `#!` that the kernel was asked to execute, as it was
	 * asked; empty where the executable was executed itself. */
	abi_u8 script[PROCESS_PATH_LEN];
	/* Last, behind `path`: see write_path() in exec.bpf.c. */
	abi_u8 argv[PROCESS_ARGV_LEN];
};
_Static_assert(sizeof(struct process_facts) == 1840, "process_facts is ABI");

#define CREDENTIALS_GROUPS 32

struct credentials {
	struct ids ids;
	abi_u32 group_count; /* of all its supplementary groups */
	abi_u32 groups[CREDENTIALS_GROUPS]; /* the first of them */
};
_Static_assert(sizeof(struct credentials) == 148, "credentials is ABI");

/* Bytes of a cgroup's path below the mount, with its NUL, and of the name of
 * one folder in it. Twice as much is kept: the verifier adds maxima. */
#define CGROUP_PATH_LEN 256
/* Bytes of a systemd unit's name with its NUL. */
#define CGROUP_UNIT_LEN 128

#define CGROUP_PATH_TRUNCATED 1
#define CGROUP_UNIT_TRUNCATED 2

/* A folder of cgroup v2. Its path never changes. */
struct cgroup_facts {
	abi_u32 ready; /* 1 once all that follows is written */
	abi_u32 flags; /* CGROUP_..._TRUNCATED */
	abi_u64 classes[2]; /* of path and unit; generation << 32 | class */
	abi_u8 path[2 * CGROUP_PATH_LEN]; /* begins with /, ends with NUL */
	abi_u8 unit[CGROUP_UNIT_LEN]; /* empty: in no unit */
};
_Static_assert(sizeof(struct cgroup_facts) == 664, "cgroup_facts is ABI");
