"""What the kernel part keeps pinned, by bpf(2) alone: its programs' run time, and its maps with their types' member names.

x86-64 and arm64. Values are in the machine's byte order.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import platform
import struct

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
MAP_LOOKUP, MAP_GET_NEXT_KEY, OBJ_GET, PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, BTF_GET_FD_BY_ID = 1, 4, 7, 13, 15, 19
MAP_UPDATE_BATCH, MAP_DELETE_BATCH, ENABLE_STATS = 26, 27, 32
PER_CPU_TYPES = {5, 6, 10}  # hash, array, LRU hash
BATCH = 1000
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    """What it returns, and the attributes as the kernel left them."""
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(BPF, command, buffer, 128)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf command {command}: {os.strerror(number)}")
    return result, buffer.raw


def open_pin(path):
    text = ctypes.create_string_buffer(str(path).encode())
    try:
        return bpf(OBJ_GET, struct.pack("=Q", ctypes.addressof(text)))[0]
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; does an agent run with this pin directory?") from None


def info(descriptor, buffer):
    bpf(OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", descriptor, len(buffer), ctypes.addressof(buffer)))
    return buffer.raw


def facts(descriptor):
    lines = pathlib.Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@contextlib.contextmanager
def run_statistics():
    """Switched on by descriptor: they end with this process at the latest, and no sysctl is touched."""
    descriptor, _ = bpf(ENABLE_STATS, struct.pack("=I", 0))
    try:
        yield
    finally:
        os.close(descriptor)


class Programs:
    """The programs of all links pinned in a folder."""

    def __init__(self, folder):
        self.descriptors = {pin.name: self._program(pin) for pin in sorted(pathlib.Path(folder).iterdir())}
        if not self.descriptors:
            raise SystemExit(f"{folder}: no link is pinned here; does an agent run with this pin directory?")

    @staticmethod
    def _program(pin):
        link = open_pin(pin)
        number = int(facts(link)["prog_id"])
        os.close(link)
        return bpf(PROG_GET_FD_BY_ID, struct.pack("=I", number))[0]

    def counts(self):
        """{name: (runs, nanoseconds, runs that were left out)}; the first two only while run_statistics() is on."""
        rows = {name: facts(descriptor) for name, descriptor in self.descriptors.items()}
        return {
            name: (int(row["run_cnt"]), int(row["run_time_ns"]), int(row.get("recursion_misses", 0)))
            for name, row in rows.items()}

    @contextlib.contextmanager
    def measured(self):
        """Yields a dictionary that afterwards is {name: (runs, nanoseconds, left out)} of those that ran meanwhile."""
        costs = {}
        with run_statistics():
            before = self.counts()
            yield costs
            for name, now in self.counts().items():
                change = tuple(new - old for new, old in zip(now, before[name]))
                if any(change):
                    costs[name] = change


class Types:
    """The types of one BPF object (BTF), as far as needed to find members by their names."""

    TRAILERS = {1: 4, 14: 4, 17: 4}  # integer, variable, declaration tag
    ARRAY, STRUCT = 3, 4
    TRAILER_OF_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
    TRANSPARENT = {8, 9, 10, 11}  # typedef, volatile, const, restrict

    def __init__(self, number):
        descriptor, _ = bpf(BTF_GET_FD_BY_ID, struct.pack("=I", number))
        size = struct.unpack_from("=I", info(descriptor, ctypes.create_string_buffer(64)), 8)[0]
        data = ctypes.create_string_buffer(size)
        request = ctypes.create_string_buffer(struct.pack("=QI", ctypes.addressof(data), size), 64)
        info(descriptor, request)
        os.close(descriptor)
        header, types, types_length, texts = struct.unpack_from("=4xIIII", data.raw)
        self.texts = data.raw[header + texts:]
        self.records = [None] + list(self._records(data.raw[header + types:header + types + types_length]))

    def _records(self, data):
        position = 0
        while position < len(data):
            name, bits, size = struct.unpack_from("=III", data, position)
            kind, members = bits >> 24 & 0x1f, bits & 0xffff
            length = 12 if kind == self.ARRAY else self.TRAILERS.get(kind, self.TRAILER_OF_EACH.get(kind, 0) * members)
            yield kind, size, data[position + 12:position + 12 + length]
            position += 12 + length

    def members(self, number):
        """{name: (offset in bytes, number of its type)} of a structure, in order."""
        kind, size, trailer = self.records[number]
        if kind in self.TRANSPARENT:
            return self.members(size)
        if kind != self.STRUCT:
            return {}
        return {
            self.texts[name:self.texts.index(b"\0", name)].decode(): ((bits & 0xffffff) // 8, member)
            for name, member, bits in struct.iter_unpack("=III", trailer)}


class Map:
    def __init__(self, pin):
        self.name = pathlib.Path(pin).name
        self.descriptor = open_pin(pin)
        row = info(self.descriptor, ctypes.create_string_buffer(128))
        self.type, _, self.key_size, self.value_size, self.max_entries = struct.unpack_from("=5I", row)
        number, _, self.value_type = struct.unpack_from("=3I", row, 64)
        if not number:
            raise SystemExit(f"map {self.name} has no type information; the agent's object was built without BTF")
        self.types = Types(number)

    def members(self):
        return self.types.members(self.value_type)

    def lookup(self, key):
        """The bytes of a value; for a map per CPU those of all CPUs, each rounded up to 8 bytes."""
        size = self.value_size
        if self.type in PER_CPU_TYPES:
            size = (size + 7) // 8 * 8 * possible_cpus()
        wanted, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
        bpf(MAP_LOOKUP, struct.pack("=I4xQQQ", self.descriptor, ctypes.addressof(wanted), ctypes.addressof(value), 0))
        return value.raw

    def sums(self):
        """{member: sum over all CPUs} of the only entry of a structure of 64-bit counters."""
        value = self.lookup(struct.pack("=I", 0))
        stride = (self.value_size + 7) // 8 * 8
        return {
            name: sum(struct.unpack_from("=Q", value, start + offset)[0] for start in range(0, len(value), stride))
            for name, (offset, _) in self.members().items()}

    def keys(self):
        last, following = None, ctypes.create_string_buffer(self.key_size)
        while True:
            request = struct.pack("=I4xQQ", self.descriptor, ctypes.addressof(last) if last else 0,
                                  ctypes.addressof(following))
            try:
                bpf(MAP_GET_NEXT_KEY, request)
            except FileNotFoundError:
                return
            last = ctypes.create_string_buffer(following.raw, self.key_size)
            yield last.raw

    def _batch(self, command, keys, values, count):
        texts = [ctypes.create_string_buffer(text, max(len(text), 1)) for text in (keys, values)]
        bpf(command, struct.pack("=QQQQIIQQ", 0, 0, ctypes.addressof(texts[0]), ctypes.addressof(texts[1]), count,
                                 self.descriptor, 0, 0))

    def insert(self, entries):
        """Entries: (key, value), as bytes. Refused as a whole batch where there is no room."""
        entries = iter(entries)
        while part := list(itertools.islice(entries, BATCH)):
            self._batch(MAP_UPDATE_BATCH, *(b"".join(column) for column in zip(*part)), len(part))

    def remove(self, keys):
        for start in range(0, len(keys), BATCH):
            part = keys[start:start + BATCH]
            self._batch(MAP_DELETE_BATCH, b"".join(part), b"", len(part))


def possible_cpus():
    text = pathlib.Path("/sys/devices/system/cpu/possible").read_text()
    return max(int(end) for part in text.strip().split(",") for end in part.split("-")) + 1

