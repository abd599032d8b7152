/// The Python program the tests run as a workload: reads one command a line, answers each with one line.
///
/// Words are split as a shell would. Commands that take a command run it elsewhere: `child`, `thread`, `thread_as`.
/// The commands of ``socketCommands``, ``datagramCommands`` and ``disguiseCommands`` are part of it.
let workloadProgram =
    #"""
    import ctypes, errno, fcntl, os, platform, select, shlex, socket, struct, sys, threading, time

    libc = ctypes.CDLL(None, use_errno=True)
    PATIENCE = 20  # seconds; an emulated machine is slow
    FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6, "6only": socket.AF_INET6, "mptcp": socket.AF_INET}
    held = []

    def succeed(status):
        if status < 0:
            raise OSError(ctypes.get_errno(), "")
        return status

    def described(address):
        return f"{address[0]}|{address[1]}"

    def setuid(user):
        os.setresuid(int(user), int(user), int(user))
        return "done"

    def setgroups(*groups):
        os.setgroups([int(group) for group in groups])
        return "done"

    def setresuid(*users):
        os.setresuid(*map(int, users))
        return "done"

    def setresgid(*groups):
        os.setresgid(*map(int, groups))
        return "done"

    # Answers what it was before, as the call does.
    def setfsuid(user):
        return str(libc.setfsuid(int(user)))

    def drop_capabilities():
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
        succeed(libc.capset(header, (ctypes.c_uint32 * 6)()))
        return "done"

    def descend(go_on):
        reader, writer = os.pipe()
        if os.fork() == 0:
            go_on(writer)
            os._exit(0)
        os.close(writer)
        told = os.read(reader, 200).decode()
        os.wait()
        return told

    def child(*words):
        return descend(lambda writer: os.write(writer, answer(words).encode()))

    fork = lambda host, port: child("connect", host, port)

    # A child that does nothing until it is told, once, what to do.
    def beget():
        global nursery
        (orders, order), (answers, tell) = os.pipe(), os.pipe()
        if os.fork() == 0:
            os.write(tell, answer(os.read(orders, 200).decode().split()).encode())
            os._exit(0)
        nursery = order, answers
        return "begotten"

    def have_child(*words):
        os.write(nursery[0], " ".join(words).encode())
        told = os.read(nursery[1], 200).decode()
        os.wait()
        return told

    # Goes on as the child of a child that has ended; the first of them waits for it.
    def orphan():
        reader, writer = os.pipe()
        parent = os.getpid()
        if os.fork() == 0:
            middle = os.getpid()
            if os.fork() != 0:
                os._exit(0)
            while os.getppid() == middle:
                time.sleep(0.01)
            return f"orphan {os.getpid()}"
        os.close(writer)
        os.wait()
        os.read(reader, 1)
        os._exit(0)

    def thread(*words):
        answers = []
        runner = threading.Thread(target=lambda: answers.append(answer(words)))
        runner.start()
        runner.join()
        return answers[0]

    # The system call itself: the C library would change all threads.
    def thread_as(user, *words):
        number = {"x86_64": 117, "aarch64": 147}[platform.machine()]

        def run():
            succeed(libc.syscall(number, int(user), int(user), int(user)))
            answers.append(answer(words))

        answers = []
        runner = threading.Thread(target=run)
        runner.start()
        runner.join()
        return answers[0]

    # Another program by vfork and exec; it answers one command.
    def spawn(command, *arguments):
        import subprocess
        told = subprocess.run(arguments, input=command + "\n", capture_output=True, text=True).stdout.splitlines()
        return told[1]

    # By the C library: Python refuses an empty first word.
    def become(path, *arguments):
        words = (ctypes.c_char_p * (len(arguments) + 1))(*map(str.encode, arguments), None)
        succeed(libc.execv(path.encode(), words))

    # Path and argv in hexadecimal digits: of any bytes.
    def become_bytes(*words):
        path, *arguments = map(bytes.fromhex, words)
        os.execv(path, arguments)

    # execveat with AT_EMPTY_PATH.
    def become_open(path, *arguments):
        os.execve(os.open(path, os.O_RDONLY | os.O_CLOEXEC), arguments, os.environ)

    def become_from_memory(path, *arguments):
        memory = os.memfd_create("claimed")
        os.write(memory, open(path, "rb").read())
        os.execve(memory, arguments, os.environ)

    def become_without_arguments(path):
        succeed(libc.execve(path.encode(), (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * 1)(None)))

    # One word of that many bytes behind the others.
    def become_long(path, letter, count, *arguments):
        os.execv(path, arguments + (letter * int(count),))

    def answer(words):
        try:
            return globals()[words[0]](*words[1:])
        except TimeoutError:
            return "error TIMEOUT"
        except OSError as failure:
            return "error " + errno.errorcode.get(failure.errno, str(failure))

    def obey():
        while line := sys.stdin.readline():
            print(answer(shlex.split(line)), flush=True)

    # The first thread ends, the process goes on in another one. The system call itself: the C library would unwind.
    def retire():
        leader = f"/proc/self/task/{os.getpid()}/stat"

        def succeed_it():
            while open(leader).read().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
            print("retired", flush=True)
            obey()
            os._exit(0)

        threading.Thread(target=succeed_it).start()
        libc.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)

    """# + socketCommands + datagramCommands + disguiseCommands
        + #"""

        if os.environ.get("LISTEN_PID") == str(os.getpid()):
            held.append(socket.socket(fileno=3))
            held[0].settimeout(3)
        print("ready", flush=True)
        obey()
        """#
