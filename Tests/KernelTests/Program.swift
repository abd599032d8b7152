/// The Python program the tests run as a workload: reads one command a line, answers each with one line.
let workloadProgram = #"""
    import ctypes, errno, os, socket, sys

    FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6, "mptcp": socket.AF_INET}
    held = []

    def described(address):
        return f"{address[0]}|{address[1]}"

    def connect(host, port, family="4", source="0"):
        protocol = 262 if family == "mptcp" else 0
        dialled = socket.socket(FAMILIES[family], socket.SOCK_STREAM, protocol)
        held.append(dialled)
        dialled.settimeout(3)
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source != "0":
            dialled.bind(("127.0.0.1", int(source)))
        try:
            dialled.connect((host, int(port)))
            return f"{dialled.recv(100).decode()} {described(dialled.getpeername())}"
        except OSError:
            dialled.close()
            raise

    def fork(host, port):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, answer(["connect", host, port]).encode())
            os._exit(0)
        os.close(writer)
        return os.read(reader, 100).decode()

    def listen(host, port, family="4"):
        listener = socket.socket(FAMILIES[family], socket.SOCK_STREAM)
        listener.settimeout(3)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, int(port)))
        listener.listen()
        held.append(listener)
        return "listening"

    def accept():
        accepted, address = held[-1].accept()
        accepted.sendall(b"application")
        answered = f"{described(address)} {described(accepted.getpeername())}"
        accepted.close()
        return answered

    def receive():
        return held[-1].recv(100).decode()

    def close():
        held.pop().close()
        return "closed"

    def setuid(user):
        os.setresuid(int(user), int(user), int(user))
        return "done"

    # Over the program's own memory: what /proc/PID/cmdline shows afterwards is the lie.
    def pretend(*words):
        stat = open("/proc/self/stat").read()
        start, end = map(int, stat[stat.rindex(")"):].split()[46:48])
        lie = b"".join(word.encode() + b"\0" for word in words)
        ctypes.memmove(start, lie.ljust(end - start, b"\0"), end - start)
        ctypes.CDLL(None).prctl(15, words[0].encode(), 0, 0, 0)
        return open("/proc/self/cmdline").read().rstrip("\0").replace("\0", " ")


    def unshare():
        return str(ctypes.CDLL(None).unshare(0x40000000))

    def answer(words):
        try:
            return globals()[words[0]](*words[1:])
        except TimeoutError:
            return "error TIMEOUT"
        except OSError as failure:
            return "error " + errno.errorcode.get(failure.errno, str(failure))

    print("ready", flush=True)
    for line in sys.stdin:
        print(answer(line.split()), flush=True)
    """#
