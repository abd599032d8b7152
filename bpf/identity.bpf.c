// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* The object: one compilation of all chapters, loaded and pinned as a whole.
 * Needs Linux 6.1 and BTF. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "abi/agent.h"
#include "abi/egress.h"
#include "abi/event.h"
#include "abi/network.h"
#include "abi/process.h"
#include "abi/selector.h"

#include "kernel_types.h"
#include "maps.h"
#include "agent.h"
#include "endpoint.h"
#include "places.h"
#include "path.h"
#include "classes.h"
#include "cgroup.h"
#include "facts.h"
#include "decision.h"
#include "memo.h"
#include "standing.h"
#include "identity.h"
#include "egress.h"

#include "agent.bpf.c"
#include "exec.bpf.c"
#include "connect.bpf.c"
#include "datagram.bpf.c"
#include "flow.bpf.c"
#include "listen.bpf.c"
#include "steer.bpf.c"
#include "socket.bpf.c"
#include "iterate.bpf.c"
#include "guard.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
