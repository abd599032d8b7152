/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Where a process stands among the cgroups: the folder's path below the mount
 * and the systemd unit it belongs to. */

#define CGROUP_DEPTH 24

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *node)
{
	struct kernfs_node___renamed *renamed = (void *)node;

	if (bpf_core_field_exists(renamed->__parent))
		return BPF_CORE_READ(renamed, __parent);
	return BPF_CORE_READ(node, parent);
}

/* Whoever owns a folder may make folders in folders. */
#define SCOPE_DEPTH 1024

struct ascent {
	struct kernfs_node *node;
	__u64 scope;
	bool arrived;
};

static long ascend(__u32 index, struct ascent *ascent)
{
	struct kernfs_node *node = ascent->node;

	if (BPF_CORE_READ(node, id) == ascent->scope) {
		ascent->arrived = true;
		return 1;
	}
	ascent->node = parent_of(node);
	return !ascent->node;
}

/* Whether a folder is the one the agent is attached to, or below it. One so deep
 * that it is not known counts as below: what listens there would be served bare. */
static __always_inline bool is_below_scope(struct kernfs_node *node)
{
	struct agent_settings *agent = settings();
	struct ascent ascent = { .node = node };

	if (!agent || !node)
		return false;
	ascent.scope = agent->cgroup_id;
	bpf_loop(SCOPE_DEPTH, ascend, &ascent, 0);
	return ascent.arrived || ascent.node;
}

struct cgroup_walk {
	struct cgroup_facts *facts;
	struct kernfs_node *nodes[CGROUP_DEPTH]; /* from the leaf up */
	__u32 depth;
	__u32 written; /* bytes of the path */
	__u32 in_unit; /* the unit has been found */
};

static long climb(__u32 index, struct cgroup_walk *walk)
{
	struct kernfs_node *node;

	if (index >= CGROUP_DEPTH - 1)
		return 1;
	node = walk->nodes[index];
	if (!node)
		return 1;
	node = parent_of(node);
	walk->nodes[index + 1] = node;
	walk->depth = index + 1; /* nodes below the root so far */
	return !node;
}

static __always_inline bool ends_with(const __u8 *name, __u32 length,
				      const char *suffix, __u32 suffix_length)
{
	__u32 start = (length - suffix_length) & (CGROUP_UNIT_LEN - 1);
	__u8 end[8] = {};

	if (length <= suffix_length || suffix_length > sizeof(end))
		return false;
	bpf_probe_read_kernel(end, suffix_length, name + start);
	for (__u32 at = 0; at < suffix_length; at++)
		if (end[at] != suffix[at])
			return false;
	return true;
}

#define HAS_SUFFIX(name, length, suffix) \
	ends_with(name, length, suffix, sizeof(suffix) - 1)

/* systemd.unit(5): the kinds of unit that have processes. */
static __always_inline bool is_unit(const __u8 *name, __u32 length)
{
	return HAS_SUFFIX(name, length, ".service") ||
	       HAS_SUFFIX(name, length, ".scope") ||
	       HAS_SUFFIX(name, length, ".socket") ||
	       HAS_SUFFIX(name, length, ".mount") ||
	       HAS_SUFFIX(name, length, ".swap");
}

/* The unit is the first folder from the root that is one, below slices
 * alone. */
static __always_inline void note_unit(struct cgroup_walk *walk,
				      struct kernfs_node *node)
{
	struct cgroup_facts *facts = walk->facts;
	long length;

	if (walk->in_unit)
		return;
	length = bpf_probe_read_kernel_str(facts->unit, sizeof(facts->unit),
					   BPF_CORE_READ(node, name));
	if (length == sizeof(facts->unit)) {
		facts->flags |= CGROUP_UNIT_TRUNCATED;
		walk->in_unit = 1;
		return;
	}
	if (length > 1 && length < sizeof(facts->unit) &&
	    HAS_SUFFIX(facts->unit, length - 1, ".slice"))
		return;
	walk->in_unit = 1;
	if (length <= 1 || length >= sizeof(facts->unit) ||
	    !is_unit(facts->unit, length - 1))
		walk->in_unit = 2; /* there is none */
}

static long descend(__u32 index, struct cgroup_walk *walk)
{
	struct cgroup_facts *facts = walk->facts;
	__u32 place = walk->depth - 2 - index;
	__u32 at = walk->written;
	struct kernfs_node *node;
	long length;

	if (index + 2 > walk->depth || place >= CGROUP_DEPTH)
		return 1;
	node = walk->nodes[place];
	if (at >= CGROUP_PATH_LEN - 1) {
		facts->flags |= CGROUP_PATH_TRUNCATED;
		return 1;
	}
	facts->path[at] = '/';
	at++;
	length = bpf_probe_read_kernel_str(facts->path + at, CGROUP_PATH_LEN,
					   BPF_CORE_READ(node, name));
	if (length <= 0 || at + length > CGROUP_PATH_LEN) {
		facts->flags |= CGROUP_PATH_TRUNCATED;
		return 1;
	}
	walk->written = at + length - 1;
	note_unit(walk, node);
	return 0;
}

/* Everybody who finds the record unready writes the same into it.
 * - leaf: a struct kernfs_node's address; a global function takes no such
 *   pointer. */
__noinline int write_cgroup(struct cgroup_facts *facts, __u64 leaf)
{
	struct cgroup_walk walk = { .facts = facts, .nodes = { (void *)leaf } };

	if (!facts)
		return 0;
	bpf_loop(CGROUP_DEPTH, climb, &walk, 0);
	if (walk.depth >= CGROUP_DEPTH - 1)
		facts->flags |= CGROUP_PATH_TRUNCATED | CGROUP_UNIT_TRUNCATED;
	bpf_loop(CGROUP_DEPTH, descend, &walk, 0);
	if (!walk.written) {
		facts->path[0] = '/';
		facts->path[1] = 0;
	}
	if (walk.in_unit != 1)
		facts->unit[0] = 0;
	barrier();
	*(volatile __u32 *)&facts->ready = 1;
	return 0;
}

/* NULL without room: then nobody there can be decided by it. */
static __always_inline struct cgroup_facts *cgroup_of(struct task_struct *task)
{
	static const struct cgroup_facts blank;
	struct kernfs_node *leaf = task->cgroups->dfl_cgrp->kn;
	struct cgroup_facts *facts;
	__u64 id = leaf->id;

	facts = bpf_map_lookup_elem(&cgroups, &id);
	if (!facts) {
		bpf_map_update_elem(&cgroups, &id, &blank, BPF_NOEXIST);
		facts = bpf_map_lookup_elem(&cgroups, &id);
	}
	if (facts && !*(volatile __u32 *)&facts->ready)
		write_cgroup(facts, (__u64)BPF_CORE_READ(task, cgroups,
							 dfl_cgrp, kn));
	return facts;
}

__noinline __u32 find_cgroup_class(__u32 generation, __u32 field,
				   struct cgroup_facts *facts)
{
	bool path = field == FIELD_CGROUP;

	if (!facts || (facts->flags & (path ? CGROUP_PATH_TRUNCATED :
					      CGROUP_UNIT_TRUNCATED)))
		return CLASS_UNKNOWN(field);
	if (path)
		return class_of_text(generation, field, facts->path,
				     SELECTOR_TEXT_LEN);
	if (facts->unit[0])
		return class_of_text(generation, field, facts->unit,
				     sizeof(facts->unit));
	return field; /* in no unit: satisfies nobody */
}

static __always_inline __u32 class_of_cgroup(__u32 generation, __u32 field,
					     struct cgroup_facts *facts)
{
	__u64 *kept = &facts->classes[field != FIELD_CGROUP];
	__u64 seen = *(volatile __u64 *)kept;

	if (!is_of(seen, generation))
		seen = keep_class(kept, generation,
				  find_cgroup_class(generation, field, facts));
	return seen;
}
