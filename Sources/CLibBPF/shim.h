/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
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
