/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/openat2.h>
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

/* As the kernel itself has it, major << 20 | minor; stat(2) has it mixed. */
static inline unsigned long long kernel_device(dev_t device)
{
	return (unsigned long long)major(device) << 20 | minor(device);
}
