// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Keeps what a process is, as of its last exec. Runs in the new image's
 * context before its first instruction, so nothing in here is the process's
 * own later word. */

/* Components of a path; deeper ones are kept from the end. */
#define PATH_DEPTH 64

struct path_walk {
	struct dentry *dentry;
	struct mount *mount;
	__u8 *buffer;   /* twice PROCESS_PATH_LEN: the verifier adds maxima */
	__u32 start;    /* of what is written so far; it grows downwards */
	__u32 complete; /* arrived at the root of the mount namespace */
	__u32 truncated;
};

static __always_inline struct mount *mount_of(struct vfsmount *inner)
{
	return (void *)inner - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline void prepend(struct path_walk *walk,
				    struct dentry *dentry)
{
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	__u32 length = BPF_CORE_READ(dentry, d_name.len);
	__u32 start;

	if (length + 1 > walk->start) {
		walk->truncated = 1;
		return;
	}
	start = (walk->start - length - 1) & (PROCESS_PATH_LEN - 1);
	length &= PROCESS_PATH_LEN - 1;
	walk->buffer[start] = '/';
	bpf_probe_read_kernel(walk->buffer + start + 1, length, name);
	walk->start = start;
}

static long step_up(__u32 index, struct path_walk *walk)
{
	struct mount *mount = walk->mount;
	struct dentry *dentry = walk->dentry;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->complete = above == mount;
		walk->mount = above;
		return walk->complete;
	}
	if (dentry == parent) /* A memfd hangs in no tree. */
		return 1;
	prepend(walk, dentry);
	walk->dentry = parent;
	return walk->truncated;
}

/* Builds the path downwards in argv, which is filled only afterwards, then
 * puts it in its place. */
static __always_inline void write_path(struct process_facts *facts,
				       struct file *executable)
{
	struct path_walk walk = {
		.dentry = BPF_CORE_READ(executable, f_path.dentry),
		.mount = mount_of(BPF_CORE_READ(executable, f_path.mnt)),
		.buffer = facts->argv,
		.start = PROCESS_PATH_LEN - 1, /* one byte for the NUL */
	};
	__u32 length;

	bpf_loop(PATH_DEPTH, step_up, &walk, 0);
	if (walk.truncated)
		facts->flags |= PROCESS_PATH_TRUNCATED;
	if (!walk.complete && !walk.truncated)
		return;
	length = (PROCESS_PATH_LEN - 1 - walk.start) & (PROCESS_PATH_LEN - 1);
	bpf_probe_read_kernel(facts->path, length,
			      facts->argv +
				      (walk.start & (PROCESS_PATH_LEN - 1)));
}

static __always_inline void write_executable(struct process_facts *facts,
					     struct mm_struct *memory)
{
	struct file *executable = memory->exe_file;

	if (!executable)
		return;
	facts->executable_device =
		BPF_CORE_READ(executable, f_inode, i_sb, s_dev);
	facts->executable_inode = BPF_CORE_READ(executable, f_inode, i_ino);
	write_path(facts, executable);
}

/* The pages of argv were written a moment ago by exec itself, so reading them
 * without sleeping works. Where it does not, argv stays empty: that matches
 * only selectors that do not ask for it. */
static __always_inline void write_argv(struct process_facts *facts,
				       struct mm_struct *memory)
{
	__u64 length = memory->arg_end - memory->arg_start;

	if (length > PROCESS_ARGV_LEN) {
		length = PROCESS_ARGV_LEN;
		facts->flags |= PROCESS_ARGV_TRUNCATED;
	}
	if (!bpf_probe_read_user(facts->argv, length,
				 (void *)memory->arg_start))
		facts->argv_len = length;
}

/* A fresh record in the table, blank but for the key's tgid. Where there is
 * no room the record of the previous image goes as well: a process is never
 * taken for what it was before. */
static __always_inline struct process_facts *blank_record(__u32 tgid)
{
	static const struct process_facts blank;

	if (bpf_map_update_elem(&processes, &tgid, &blank, BPF_ANY)) {
		bpf_map_delete_elem(&processes, &tgid);
		count(processes_lost);
		return NULL;
	}
	return bpf_map_lookup_elem(&processes, &tgid);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_executed, struct task_struct *task)
{
	struct mm_struct *memory = task->mm;
	struct process_facts *facts = blank_record(task->tgid);

	count(execs);
	if (!facts || !memory)
		return 0;
	facts->parent_tgid = task->real_parent->tgid;
	facts->uid = task->cred->uid.val;
	facts->euid = task->cred->euid.val;
	facts->gid = task->cred->egid.val;
	facts->mount_namespace = task->nsproxy->mnt_ns->ns.inum;
	facts->cgroup_id = bpf_get_current_cgroup_id();
	bpf_get_current_comm(facts->name, sizeof(facts->name));
	write_executable(facts, memory);
	write_argv(facts, memory);
	facts->key = key_of(task); /* last: it makes the record valid */
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_forked, struct task_struct *parent,
	     struct task_struct *child)
{
	struct process_key before = key_of(parent);
	struct process_facts *facts = facts_of(&before);
	__u32 tgid = child->tgid;

	if (tgid == before.tgid || !facts) /* a thread; an unknown's child */
		return 0;
	if (bpf_map_update_elem(&processes, &tgid, facts, BPF_ANY)) {
		count(processes_lost);
		return 0;
	}
	facts = bpf_map_lookup_elem(&processes, &tgid);
	if (!facts)
		return 0;
	facts->parent_tgid = child->real_parent->tgid;
	facts->identified = IDENTITY_NONE;
	facts->key = key_of(child);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exited, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (task->signal->live.counter == 0)
		bpf_map_delete_elem(&processes, &tgid);
	return 0;
}
