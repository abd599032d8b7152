/// What ``workloadProgram`` does to look like another, or to use another.
let disguiseCommands = #"""
    def rename(name):
        succeed(libc.prctl(15, name.encode(), 0, 0, 0))  # PR_SET_NAME

    def shown():
        return open("/proc/self/cmdline").read().rstrip("\0").replace("\0", " ")

    # Over the program's own memory: what /proc/PID/cmdline shows afterwards is the lie.
    def pretend(*words):
        stat = open("/proc/self/stat").read()
        start, end = map(int, stat[stat.rindex(")"):].split()[46:48])
        lie = b"".join(word.encode() + b"\0" for word in words)
        ctypes.memmove(start, lie.ljust(end - start, b"\0"), end - start)
        rename(words[0])
        return shown()

    # PR_SET_MM_MAP_SIZE: whether the kernel was built for that.
    def may_say_elsewhere():
        return str(libc.prctl(35, 15, ctypes.byref(ctypes.c_uint()), 0, 0) == 0)

    # Says that argv is elsewhere: PR_SET_MM with PR_SET_MM_MAP, which needs no capability.
    def pretend_elsewhere(*words):
        global lie
        lie = ctypes.create_string_buffer(b"".join(word.encode() + b"\0" for word in words))
        stat = open("/proc/self/stat").read()
        fields = [0, 0, 0] + list(map(int, stat[stat.rindex(")"):].split()[2:]))
        where = ctypes.addressof(lie)
        layout = (ctypes.c_uint64 * 13)(
            fields[25], fields[26], fields[44], fields[45], fields[46], max(fields[46], brk()), fields[27],
            where, where + len(lie) - 1, fields[49], fields[50], 0, 0xFFFFFFFF << 32)
        succeed(libc.prctl(35, 14, layout, ctypes.sizeof(layout), 0))
        rename(words[0])
        return shown()

    def brk():
        libc.sbrk.restype = ctypes.c_void_p
        return libc.sbrk(0)

    def unshare():
        return str(libc.unshare(0x40000000))

    # To a network namespace of its own, with its loopback.
    def leave_network():
        succeed(libc.unshare(0x40000000))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
            fcntl.ioctl(any, 0x8914, struct.pack("16sH22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
        return "left"

    def join_network(path):
        with open(path) as namespace:
            succeed(libc.setns(namespace.fileno(), 0x40000000))
        return "joined"

    # Its next child is number 1 there.
    def leave_process_namespace():
        return str(libc.unshare(0x20000000))

    # User and mount namespaces; only one uid is mapped. Answers who the process believes to be.
    def leave_user_namespace(inside):
        outside = os.geteuid()
        succeed(libc.unshare(0x10020000))
        with open("/proc/self/uid_map", "w") as mapping:
            mapping.write(f"{inside} {outside} 1")
        return str(os.geteuid())

    # Its uids are mapped by somebody else, who is waited for no longer than until the next command.
    def leave_to_be_mapped():
        succeed(libc.unshare(0x10000000))
        return "left"

    # A program opened before.
    def leave_with(path, *arguments):
        program = os.open(path, os.O_RDONLY)
        leave_user_namespace(0)
        os.execve(program, arguments, os.environ)

    def mount_over(source, target):
        succeed(libc.mount(source.encode(), target.encode(), None, 4096, None))  # MS_BIND
        return "mounted"

    # An empty folder over the one it is in, with another program at the same path.
    def cover_folder(source, target):
        program = open(source, "rb").read()
        with open("/proc/self/setgroups", "w") as groups, open("/proc/self/gid_map", "w") as mapping:
            groups.write("deny")
            groups.flush()
            mapping.write("0 0 1")  # who has no gid there makes no files
        succeed(libc.mount(b"tmpfs", os.path.dirname(target).encode(), b"tmpfs", 0, None))
        with open(target, "wb") as file:
            file.write(program)
        os.chmod(target, 0o755)
        return "covered"

    # By a second way to the root, which no mount namespace has: a tree of its own, or one that was unmounted.
    def become_beside(way, folder, path, *arguments):
        succeed(libc.unshare(0x20000))
        succeed(libc.mount(None, b"/", None, 0x44000, None))  # MS_REC | MS_PRIVATE
        if way == "tree":
            root = succeed(libc.syscall(428, -100, b"/", 1))  # open_tree, OPEN_TREE_CLONE
        else:
            succeed(libc.mount(b"/", folder.encode(), None, 0x1000, None))  # MS_BIND
            root = os.open(folder, os.O_PATH)
            succeed(libc.umount2(folder.encode(), 2))  # MNT_DETACH
        os.execv(f"/proc/self/fd/{root}{path}", arguments)

    def go(folder):
        os.chdir(folder)
        return "there"

    # Whoever it has then could move it, and ends with it: clone() with CLONE_FS.
    def share_folder():
        import signal
        call = {"x86_64": 56, "aarch64": 220}[platform.machine()]
        if not succeed(libc.syscall(call, 0x200 | signal.SIGCHLD, 0, 0, 0, 0)):
            libc.prctl(1, signal.SIGKILL)
            signal.pause()
        return "shared"

    # Of its own, as root can make it; nothing in it is changed.
    def leave_mount_namespace():
        return str(libc.unshare(0x20000))

    # A root file system of its own, below it the host's programs; the folder it is in stays the old one.
    def leave_root(folder, way):
        succeed(libc.unshare(0x20000))
        succeed(libc.mount(None, b"/", None, 0x44000, None))  # MS_REC | MS_PRIVATE
        succeed(libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, None))
        for name in os.listdir("/"):
            if os.path.islink("/" + name):
                os.symlink(os.readlink("/" + name), folder + "/" + name)
        for name in ["usr", "lib", "lib64", "opt", "proc"]:
            if os.path.isdir("/" + name) and not os.path.islink("/" + name):
                os.mkdir(folder + "/" + name)
                succeed(libc.mount(("/" + name).encode(), (folder + "/" + name).encode(), None, 0x5000, None))
        before = os.open(".", os.O_PATH)
        os.chdir(folder)
        if way == "chroot":
            os.chroot(".")
        else:
            succeed(libc.syscall({"x86_64": 155, "aarch64": 41}[platform.machine()], b".", b"."))
            succeed(libc.umount2(b".", 2))  # MNT_DETACH: what was the root
        os.fchdir(before)
        return "left"

    # Where Yama would object, let everybody: PR_SET_PTRACER.
    def allow_tracing():
        libc.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
        return "allowed"

    def trace(pid):
        succeed(libc.ptrace(0x4206, int(pid), None, None))  # PTRACE_SEIZE: it goes on running
        return "traced"

    # pidfd_getfd asks the same permission as ptrace.
    def steal(pid, descriptor):
        return hold(succeed(libc.syscall(438, os.pidfd_open(int(pid)), int(descriptor), 0)))


    """#
