/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* C variadics are not imported; nor is what sched.h keeps for GNU sources. */
static inline long membarrier_global(void)
{
	return syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/* For the calling thread alone. */
static inline int set_network_namespace(int descriptor)
{
	return (int)syscall(__NR_setns, descriptor, 0x40000000 /* CLONE_NEWNET */);
}

/* What fcntl.h keeps for GNU sources: a descriptor that only names a file. */
#define TIDEMARK_O_PATH 010000000

static inline int open_name(const char *path, int flags)
{
	return open(path, TIDEMARK_O_PATH | O_CLOEXEC | flags);
}

/* The same of what the process whose root that is calls `path`. Links that only
 * the kernel can follow, such as /proc/self/fd/3, would be the caller's own. */
static inline int open_name_in_root(int root, const char *path)
{
	struct open_how how = {
		.flags = TIDEMARK_O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(__NR_openat2, root, path, &how, sizeof(how));
}

/* The same below a folder alone: EXDEV where the path leads out of it. */
static inline int open_name_beneath(int folder, const char *path)
{
	struct open_how how = {
		.flags = TIDEMARK_O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(__NR_openat2, folder, path, &how, sizeof(how));
}

/* What the calling thread may do to files, for good. Not the C library's calls,
 * which change all threads. 0, or the error.
 * - passing: bits of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH that it keeps. */
static inline int take_file_rights(unsigned int user, unsigned int group,
				   const unsigned int *groups, size_t count,
				   unsigned long long passing)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct rights[2];
	const unsigned int both = 1U << CAP_DAC_OVERRIDE |
				  1U << CAP_DAC_READ_SEARCH;

	if (syscall(__NR_setgroups, count, groups))
		return errno;
	syscall(__NR_setfsgid, group);
	syscall(__NR_setfsuid, user);
	/* They return what was; no such id is none, and only tells. */
	if ((unsigned int)syscall(__NR_setfsgid, -1) != group ||
	    (unsigned int)syscall(__NR_setfsuid, -1) != user)
		return EPERM;
	if (syscall(__NR_capget, &head, rights))
		return errno;
	rights[0].effective = (rights[0].effective & ~both) | (passing & both);
	if (syscall(__NR_capset, &head, rights))
		return errno;
	return 0;
}

/* The next byte that is stored, lseek(2). */
#define TIDEMARK_SEEK_DATA 3

/* Whether nobody has the file open for writing at this moment, nor mapped so:
 * only then the kernel gives a lease, which is given back at once. Needs
 * CAP_LEASE for files of others. */
static inline int has_no_writer(int descriptor)
{
	/* A writer who comes meanwhile waits, and the kernel signals the owner of
	 * the lease; SIGIO, the default, would end the agent. */
	if (fcntl(descriptor, 10 /* F_SETSIG */, SIGURG))
		return 0;
	if (fcntl(descriptor, 1024 /* F_SETLEASE */, F_RDLCK))
		return 0;
	return !fcntl(descriptor, 1024 /* F_SETLEASE */, F_UNLCK);
}

/* As the kernel itself has it, major << 20 | minor; stat(2) has it mixed. */
static inline unsigned long long kernel_device(dev_t device)
{
	return (unsigned long long)major(device) << 20 | minor(device);
}

/* Loads an sk_lookup program again, with another map where it reads its
 * constants. Returns a descriptor, or -errno. */
static inline int load_steering(const struct bpf_insn *instructions,
				size_t count, int constants,
				int other_constants)
{
	size_t size = count * sizeof(*instructions);
	struct bpf_insn *copy = malloc(size);
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = BPF_SK_LOOKUP);
	int program;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, instructions, size);
	for (size_t at = 0; at < count; at++)
		if (copy[at].code == (BPF_LD | BPF_DW | BPF_IMM) &&
		    copy[at].src_reg == BPF_PSEUDO_MAP_VALUE &&
		    copy[at].imm == constants)
			copy[at].imm = other_constants;
	program = bpf_prog_load(BPF_PROG_TYPE_SK_LOOKUP, "steer",
				"Dual BSD/GPL", copy, count, &options);
	free(copy);
	return program;
}

/* A map of one value that programs may read and nobody can change. Returns a
 * descriptor, or -errno. */
static inline int freeze_constant(const void *value, unsigned int size)
{
	LIBBPF_OPTS(bpf_map_create_opts, options,
		    .map_flags = BPF_F_RDONLY_PROG);
	unsigned int key = 0;
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "constants", sizeof(key),
				 size, 1, &options);
	int status = map;

	if (map < 0)
		return map;
	status = bpf_map_update_elem(map, &key, value, BPF_ANY);
	if (!status)
		status = bpf_map_freeze(map);
	if (status) {
		close(map);
		return status;
	}
	return map;
}
