/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* Connects by io_uring, without its library.
 *
 * setup: IORING_SETUP_... of the ring; entry: IOSQE_... of the one entry.
 * Returns 0 or -errno, of whichever step failed. */
int ring_connect(int descriptor, const struct sockaddr *address,
		 socklen_t length, unsigned int setup, unsigned int entry);
