/// What ``workloadProgram`` does with sockets. The last one made is the one that counts; see `held`.
let socketCommands = #"""
    def make(family="4", source=None):
        made = socket.socket(FAMILIES[family], socket.SOCK_STREAM, 262 if family == "mptcp" else 0)
        # Not settimeout(): connect would not block then.
        for option in [socket.SO_RCVTIMEO, socket.SO_SNDTIMEO]:
            made.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", PATIENCE, 0))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == "6only":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if source:
            made.bind((source, 0))
        os.set_inheritable(made.fileno(), True)
        held.append(made)
        return f"made {made.fileno()}"

    def told():
        return f"{held[-1].recv(100).decode()} {described(held[-1].getpeername())}"

    def dial(host, port):
        held[-1].connect((host, int(port)))
        return told()

    def connect(host, port, family="4", source="0", address="127.0.0.1"):
        make(family)
        try:
            if source != "0":
                held[-1].bind((address, int(source)))
            return dial(host, port)
        except OSError:
            held[-1].close()
            raise

    def dial_from(source, host, port, family="4"):
        make(family, source)
        return dial(host, port)

    def dial_without_blocking(host, port):
        make()
        held[-1].setblocking(False)
        status = held[-1].connect_ex((host, int(port)))
        if status != errno.EINPROGRESS:
            raise OSError(status, "")
        select.select([], held[-1:], [], PATIENCE)
        status = held[-1].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            raise OSError(status, "")
        held[-1].settimeout(PATIENCE)
        return told()

    # Leaves the socket where it is: in SYN-SENT, as long as nobody answers.
    def begin_dial(host, port, source):
        make()
        held[-1].bind(("127.0.0.1", int(source)))
        held[-1].setblocking(False)
        status = held[-1].connect_ex((host, int(port)))
        return errno.errorcode.get(status, str(status))

    # tcp_info.tcpi_state.
    def state():
        return str(held[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[0])

    # A reset instead of an orderly end.
    def abort():
        select.select([], held[-1:], [], PATIENCE)
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        held.pop().close()
        return "aborted"

    def hold(descriptor):
        held.append(socket.socket(fileno=int(descriptor)))
        return "held"

    # Its first bytes ride in the SYN where the system allows it: MSG_FASTOPEN.
    def dial_fast(host, port):
        make()
        held[-1].sendto(b"hello", 0x20000000, (host, int(port)))
        return told()

    # The same asked for beforehand: TCP_FASTOPEN_CONNECT.
    def dial_fast_by_option(host, port):
        make()
        held[-1].setsockopt(socket.IPPROTO_TCP, 30, 1)
        held[-1].connect((host, int(port)))
        held[-1].sendall(b"hello")
        return told()

    # TCPI_OPT_SYN_DATA in tcp_info.tcpi_options.
    def data_in_syn():
        return str(bool(held[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[5] & 32))

    def dial_datagram(host, port, family="4"):
        held.append(socket.socket(FAMILIES[family], socket.SOCK_DGRAM))
        held[-1].connect((host, int(port)))
        return described(held[-1].getpeername())

    # Without connect(): each datagram names its destination.
    def send_datagram(host, port, family="4"):
        with socket.socket(FAMILIES[family], socket.SOCK_DGRAM) as made:
            return f"sent {made.sendto(b'hello', (host, int(port)))}"

    # An echo request, which needs no right where a user may have ICMP sockets; it has arrived when it is answered.
    def echo(way, host, family="4", port="0", patience=PATIENCE):
        protocol, kind = (1, 8) if family == "4" else (58, 128)
        request = struct.pack("!BBHHH", kind, 0, 0, 0, 1) + b"hello"
        with socket.socket(FAMILIES[family], socket.SOCK_DGRAM, protocol) as made:
            made.settimeout(int(patience))
            if way == "connected":
                made.connect((host, int(port)))
                made.send(request)
            elif way == "named":
                made.sendto(request, (host, int(port)))
            else:
                made.sendmsg([request], [], 0, (host, int(port)))
            return made.recv(100)[8:].decode()

    def dial_on_device(device, host, port):
        make()
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        return dial(host, port)

    def dial_often(host, port, count):
        failures = set()
        for _ in range(int(count)):
            with socket.socket() as made:
                failures.add(made.connect_ex((host, int(port))))
        return f"{'+'.join(errno.errorcode.get(code, str(code)) for code in failures)} {count}"

    # Each time as another user.
    def dial_as_many(host, port, count):
        failures = set()
        for user in range(int(count)):
            os.setresuid(20000 + user, 0, 0)
            with socket.socket() as made:
                failures.add(made.connect_ex((host, int(port))))
        os.setresuid(0, 0, 0)
        return f"{'+'.join(errno.errorcode.get(code, str(code)) for code in failures)} {count}"

    # Connects again and again behind its other work, until it is told to stop.
    def dial_steadily(host, port):
        global dialling, failures, dialled
        dialling, failures, dialled = True, [], 0

        def run():
            global dialled
            while dialling:
                with socket.socket() as made:
                    made.settimeout(PATIENCE)
                    dialled += 1
                    try:
                        made.connect((host, int(port)))
                        if made.recv(100) != b"proxy":
                            failures.append("not the proxy")
                    except OSError as failure:
                        failures.append(str(failure))
                time.sleep(0.005)

        global dialler
        dialler = threading.Thread(target=run)
        dialler.start()
        return "dialling"

    def stop_dialling():
        global dialling
        dialling = False
        dialler.join()
        return f"{dialled} {len(failures)} {' '.join(failures[:3])}".rstrip()

    # connect() to AF_UNSPEC: the socket is as new.
    def disconnect():
        succeed(libc.connect(held[-1].fileno(), ctypes.create_string_buffer(28), 28))
        return "disconnected"

    def descriptor():
        return str(held[-1].fileno())

    def listen(host, port, family="4", backlog="128"):
        make(family)
        held[-1].settimeout(3)
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            held[-1].bind((host, int(port)))
        except OSError:
            held.pop().close()
            raise
        held[-1].listen(int(backlog))
        return "listening"

    def listen_often(host, port, count):
        for _ in range(int(count)):
            with socket.socket() as made:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind((host, int(port)))
                made.listen()
        return "done"

    # So often by each of many uids, by which the process runs but for its rights.
    def listen_as_many(first, users, each, host, port):
        for user in range(int(first), int(first) + int(users)):
            os.setresuid(user, 0, 0)
            listen_often(host, port, each)
        os.setresuid(0, 0, 0)
        return "done"

    # SO_BINDTODEVICE, which needs no privilege where there is no device yet.
    def listen_on(device, host, port):
        make()
        held[-1].settimeout(3)
        held[-1].setsockopt(socket.SOL_SOCKET, 25, device.encode())
        held[-1].bind((host, int(port)))
        held[-1].listen()
        return "listening"

    def listen_unbound():
        make()
        held[-1].listen()
        return str(held[-1].getsockname()[1])

    def accept_and_hold(patience=PATIENCE):
        held[-1].settimeout(int(patience))
        accepted, _ = held[-1].accept()
        accepted.settimeout(PATIENCE)
        held.append(accepted)
        return "accepted"

    def accept(patience=PATIENCE):
        held[-1].settimeout(int(patience))
        accepted, address = held[-1].accept()
        accepted.sendall(b"application")
        answered = f"{described(address)} {described(accepted.getpeername())}"
        accepted.close()
        return answered

    # A process for each connection: the parent accepts, its child serves.
    def accept_in_child():
        held[-1].settimeout(PATIENCE)
        accepted, address = held[-1].accept()

        def serve(writer):
            held[-1].close()
            accepted.sendall(b"child")
            os.write(writer, f"{described(address)} {described(accepted.getpeername())}".encode())

        answered = descend(serve)
        accepted.close()
        return answered

    # As systemd does: opens the socket, then another program serves it. That one answers from now on.
    def activate(user, script):
        if os.fork() != 0:
            os.wait()
            os._exit(0)
        os.dup2(held[-1].fileno(), 3)
        os.setresuid(int(user), int(user), int(user))
        environment = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
        os.execve("/usr/bin/python3", ["python3", script], environment)

    def listen_again():
        held[-1].listen()
        return "listening"

    def shut_down():
        held[-1].shutdown(socket.SHUT_RDWR)
        return "shut down"

    def receive():
        return held[-1].recv(100).decode()

    def close():
        held.pop().close()
        return "closed"

    def await_gift(name):
        held.append(socket.socket(socket.AF_UNIX))
        held[-1].settimeout(PATIENCE)
        held[-1].bind("\0" + name)
        held[-1].listen()
        return "waiting"

    # SCM_RIGHTS, over an abstract Unix socket.
    def give(name):
        with socket.socket(socket.AF_UNIX) as messenger:
            messenger.settimeout(PATIENCE)
            messenger.connect("\0" + name)
            socket.send_fds(messenger, [b"a socket"], [held[-1].fileno()])
            peer = messenger.getpeername()
        held.pop().close()
        return f"given {peer[1:].decode()}"

    def take():
        messenger, _ = held.pop().accept()
        _, descriptors, _, _ = socket.recv_fds(messenger, 100, 1)
        messenger.close()
        return hold(descriptors[0])


    """#
