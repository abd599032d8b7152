/// What ``workloadProgram`` sends by other transports than TCP and UDP, to a receiver of its own: it has arrived when it is read.
let datagramCommands = #"""
    def deliver(made, receiver, way, payload, place):
        receiver.settimeout(PATIENCE)
        if way == "connected":
            made.connect(place)
            made.send(payload)
        elif way == "named":
            made.sendto(payload, place)
        else:
            made.sendmsg([payload], [], 0, place)
        return receiver.recv(100)[-5:].decode()

    # UDP-Lite, which anybody may have.
    def send_lite(way, host, port, family="4"):
        kind = (FAMILIES[family], socket.SOCK_DGRAM, 136)
        with socket.socket(*kind) as receiver, socket.socket(*kind) as made:
            receiver.bind((host, int(port)))
            return deliver(made, receiver, way, b"hello", (host, int(port)))

    # A protocol without a name; `whole`: with a header that the program has written.
    def send_raw(way, host, family="4"):
        own = 253
        with (
            socket.socket(FAMILIES[family], socket.SOCK_RAW, own) as receiver,
            socket.socket(FAMILIES[family], socket.SOCK_RAW, 255 if way == "whole" else own) as made,
        ):
            receiver.bind((host, 0))
            address = socket.inet_pton(FAMILIES[family], host)
            header = b""
            if way == "whole" and family == "4":
                header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 25, 0, 0, 64, own, 0, address, address)
            elif way == "whole":
                header = struct.pack("!IHBB16s16s", 6 << 28, 5, own, 64, address, address)
            return deliver(made, receiver, "named" if way == "whole" else way, header + b"hello", (host, 0))


    # Two devices joined to each other, with addresses that the kernel asks its neighbours about.
    def find_neighbours():
        import subprocess
        for words in [
            "link add one type veth peer name two", "address add fd00::1/64 dev one", "address add fd00::2/64 dev two",
            "link set one up", "link set two up",
        ]:
            subprocess.run(["/usr/sbin/ip", *words.split()], check=True)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            shown = subprocess.run(
                ["/usr/sbin/ip", "-6", "address", "show", "to", "fd00::/64", "tentative"], capture_output=True).stdout
            if not shown:
                break
            time.sleep(0.05)
        counters = dict(line.split() for line in open("/proc/net/snmp6"))
        return f"asked {int(counters['Icmp6OutNeighborSolicits']) > 1} {shown.decode()}".rstrip()

    """#
