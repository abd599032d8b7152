/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Where a file is, seen from the root of its own mount namespace. */

/* Components of a path; deeper ones are kept from the end. */
#define PATH_DEPTH 64

struct path_walk {
	struct dentry *dentry;
	struct mount *mount;
	struct dentry *first_root; /* of the executable's mount */
	__u8 *buffer;   /* twice PROCESS_PATH_LEN: the verifier adds maxima */
	__u32 start;    /* of what is written so far; it grows downwards */
	__u32 complete; /* arrived at the root of the mount namespace */
	__u32 truncated;
	struct dentry *root; /* of the mount passed last but the first of all,
			      * which the others only hide */
};

static __always_inline struct mount *mount_of(struct vfsmount *inner)
{
	return (void *)inner - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline void prepend(struct path_walk *walk,
				    const unsigned char *name, __u32 length)
{
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

/* Within the mount of the executable, where nearly all paths end: there the
 * verifier knows what it looks at, so nothing has to be copied to be read. */
static long step_within(__u32 index, struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry;
	struct dentry *parent = dentry->d_parent;

	if (dentry == walk->first_root || dentry == parent)
		return 1;
	prepend(walk, dentry->d_name.name, dentry->d_name.len);
	walk->dentry = parent;
	return walk->truncated != 0;
}

/* Through any mount. */
static long step_up(__u32 index, struct path_walk *walk)
{
	struct mount *mount = walk->mount;
	struct dentry *dentry = walk->dentry;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		walk->complete = above == mount;
		if (!walk->complete || !walk->root)
			walk->root = dentry;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		return above == mount;
	}
	if (dentry == parent) /* A memfd hangs in no tree. */
		return 1;
	prepend(walk, BPF_CORE_READ(dentry, d_name.name),
		BPF_CORE_READ(dentry, d_name.len));
	walk->dentry = parent;
	return walk->truncated != 0;
}

static __always_inline void walk_up(struct path_walk *walk, struct file *file)
{
	walk->dentry = file->f_path.dentry;
	walk->first_root = file->f_path.mnt->mnt_root;
	walk->mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	walk->start = PROCESS_PATH_LEN - 1; /* one byte for the NUL */
	bpf_loop(PATH_DEPTH, step_within, walk, 0);
	if (!walk->truncated)
		bpf_loop(PATH_DEPTH, step_up, walk, 0);
}

/* Which file system the root of the mount namespace is. */
static __always_inline void read_root(struct path_walk *walk, __u64 *device,
				      __u64 *inode)
{
	struct dentry *entry = walk->root;
	struct inode *root = BPF_CORE_READ(entry, d_inode);

	*device = BPF_CORE_READ(root, i_sb, s_dev);
	*inode = BPF_CORE_READ(root, i_ino);
}

/* Since Linux 6.18 all mount namespaces without a name of their own have this
 * number, before that none. */
#define MNT_NS_ANON_INO 0xeffffff7

/* Whether anybody could have made the mounts of it: it belongs to a lesser
 * user namespace, or it is none: of a mount detached from every namespace, in
 * a tree of its own, or the kernel's. */
static __always_inline bool is_anybodys(struct mnt_namespace *mounts)
{
	__u32 number = BPF_CORE_READ(mounts, ns.inum);

	return !number || number == MNT_NS_ANON_INO ||
	       BPF_CORE_READ(mounts, user_ns, level) > 0;
}

/* Whether the path could have been chosen by whoever made the mounts: those the
 * executable was found through, which need not be those the process has, and
 * those the process has, where its libraries are from. */
static __always_inline bool is_foreign(struct path_walk *walk,
				       struct task_struct *task,
				       struct file *executable)
{
	struct agent_settings *agent = settings();
	struct mount *mount = mount_of(BPF_CORE_READ(executable, f_path.mnt));
	__u64 device, inode;

	if (is_anybodys(BPF_CORE_READ(mount, mnt_ns)) ||
	    is_anybodys(task->nsproxy->mnt_ns))
		return true;
	read_root(walk, &device, &inode);
	return !agent || device != agent->root_device ||
	       inode != agent->root_inode;
}

/* Builds the path downwards in argv, which is filled only afterwards, then
 * puts it in its place. */
static __always_inline void write_path(struct process_facts *facts,
				       struct task_struct *task,
				       struct file *executable)
{
	struct path_walk walk = { .buffer = facts->argv };
	__u32 length;

	walk_up(&walk, executable);
	if (walk.truncated)
		facts->flags |= PROCESS_PATH_TRUNCATED;
	if (!walk.complete && !walk.truncated)
		return;
	if (walk.complete && is_foreign(&walk, task, executable))
		facts->flags |= PROCESS_PATH_FOREIGN;
	length = (PROCESS_PATH_LEN - 1 - walk.start) & (PROCESS_PATH_LEN - 1);
	bpf_probe_read_kernel(facts->path, length,
			      facts->argv +
				      (walk.start & (PROCESS_PATH_LEN - 1)));
	if (length)
		bpf_probe_read_kernel_str(
			facts->program, sizeof(facts->program),
			executable->f_path.dentry->d_name.name);
}

/* Longer than all of the names below, with a NUL. */
#define RUNTIME_NAME_LEN 24

#define IS_NAMED(name, text) (!__builtin_memcmp(name, text, sizeof(text)))

/* By the name of the file; Swift's HidingRuntime knows the same names. */
static __always_inline bool hides_processes(struct file *executable)
{
	char name[RUNTIME_NAME_LEN] = {};

	bpf_probe_read_kernel_str(name, sizeof(name),
				  executable->f_path.dentry->d_name.name);
	return !__builtin_memcmp(name, "qemu-system-", 12) ||
	       IS_NAMED(name, "qemu-kvm") || IS_NAMED(name, "runsc") ||
	       IS_NAMED(name, "runsc-sandbox") ||
	       IS_NAMED(name, "firecracker") ||
	       IS_NAMED(name, "cloud-hypervisor") ||
	       IS_NAMED(name, "crosvm") || IS_NAMED(name, "kata-runtime") ||
	       IS_NAMED(name, "containerd-shim-kata-v2");
}

static __always_inline void write_executable(struct process_facts *facts,
					     struct task_struct *task,
					     struct mm_struct *memory)
{
	struct file *executable = memory->exe_file;

	if (!executable)
		return;
	facts->executable_device = executable->f_inode->i_sb->s_dev;
	facts->executable_inode = executable->f_inode->i_ino;
	if (hides_processes(executable))
		facts->flags |= PROCESS_HIDES_OTHERS;
	write_path(facts, task, executable);
}

static __always_inline void write_folder(struct folder_place *folder,
					 struct vfsmount *mount,
					 struct dentry *entry)
{
	folder->mount = BPF_CORE_READ(mount_of(mount), mnt_id);
	folder->inode = BPF_CORE_READ(entry, d_inode, i_ino);
}

static __always_inline void write_folders(struct process_facts *facts,
					  struct task_struct *task)
{
	write_folder(&facts->root, BPF_CORE_READ(task, fs, root.mnt),
		     BPF_CORE_READ(task, fs, root.dentry));
	write_folder(&facts->working, BPF_CORE_READ(task, fs, pwd.mnt),
		     BPF_CORE_READ(task, fs, pwd.dentry));
}
