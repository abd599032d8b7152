/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* C variadics are not imported. */
static inline long membarrier_global(void)
{
	return syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}
