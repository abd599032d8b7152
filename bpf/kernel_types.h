/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#pragma once

/* Every kernel field these programs read, and nothing else. libbpf relocates
 * each access against the running kernel's BTF (CO-RE), so neither order nor
 * offsets matter here and no generated vmlinux.h is needed. */
#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

typedef struct {
	int counter;
} atomic_t;

struct cred {
	kuid_t uid;
	kuid_t euid;
	kgid_t egid;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct signal_struct {
	atomic_t live;
};

struct task_struct {
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct mm_struct *mm;
	struct signal_struct *signal;
	const struct cred *cred;
	struct nsproxy *nsproxy;
	__u64 start_boottime;
	int tgid;
};

struct sock_common {
	unsigned char skc_ipv6only : 1;
};

struct sock {
	struct sock_common __sk_common;
};

#pragma clang attribute pop
