/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* The only file that knows which side includes it: BPF programs have no C
 * library to take their integers from. */
#ifdef __bpf__
typedef unsigned char abi_u8;
typedef unsigned short abi_u16;
typedef unsigned int abi_u32;
typedef unsigned long long abi_u64;
#else
#include <stdint.h>
typedef uint8_t abi_u8;
typedef uint16_t abi_u16;
typedef uint32_t abi_u32;
typedef uint64_t abi_u64;
#endif
