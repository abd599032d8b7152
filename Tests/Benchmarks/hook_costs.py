"""What the kernel part's programs cost, by the kernel's own count, and what connect() takes with and without them."""

import struct
import time

from bench_host import Host

LISTENER = ("127.0.0.1", 9100)
MANAGED_LISTENER = ("10.99.1.1", 9200)
PID_LIMIT = 1 << 22  # no kernel gives out a pid from here up
EXEC_RATE = 1000  # a second, while measuring what one costs


def kind(program):
    for word, name in (("exec", "exec"), ("fork", "fork"), ("newtask", "fork"), ("exit", "exit"), ("connect", "connect")):
        if word in program:
            return name
    return "other"


def require_kinds(host):
    missing = {"exec", "fork", "exit", "connect"} - {kind(name) for name in host.kernel.descriptors}
    if missing:
        raise SystemExit(f"no program of the kernel part is named after {', '.join(sorted(missing))}: "
                         f"{', '.join(host.kernel.descriptors)}; teach kind() in hook_costs.py their names")


def total(costs, *kinds):
    """(runs of the program that ran most, nanoseconds of all) of the programs of these kinds."""
    chosen = [row for name, row in costs.items() if kind(name) in kinds]
    return max((row[0] for row in chosen), default=0), sum(row[1] for row in chosen)


def per_run(costs, wanted):
    """Microseconds."""
    runs, nanoseconds = total(costs, wanted)
    if not runs:
        raise SystemExit(f"no {wanted} program ran meanwhile; is another agent attached here?")
    return nanoseconds / runs / 1000


def exec_costs(host, program, seconds):
    with host.kernel.measured() as costs:
        load = host.run("exec_load", EXEC_RATE, seconds, host.programs / program)
    if load["failed"] or not load["execs"]:
        raise SystemExit(f"exec_load: {load}")
    return costs


def connect_costs(host, program, listener, connects):
    """(microseconds of all programs a connection, of the connect programs alone)"""
    with host.kernel.measured() as costs:
        load = host.run(program, "timed", *listener, connects)
    if load["established"] != connects:
        raise SystemExit(f"{program}: {load}; expected {connects} established")
    path, hook = total(costs, "connect", "other"), total(costs, "connect")
    return path[1] / connects / 1000, hook[1] / connects / 1000


def measure(host, report, label, scale):
    """Adds the rows of one state of the host; returns {what: median in microseconds}."""
    samples = {}
    for _ in range(scale.rounds):
        for program, name in (("exits", "exec hook"), ("matched/bench-managed", "exec hook, matching")):
            costs = exec_costs(host, program, scale.exec_seconds)
            samples.setdefault(name, []).append(per_run(costs, "exec"))
            for other in ("fork", "exit"):
                samples.setdefault(f"{other} hook", []).append(per_run(costs, other))
        for program, name in (("bench-plain", "unmanaged"), ("bench-managed", "managed")):
            path, hook = connect_costs(host, program, LISTENER, scale.connects)
            samples.setdefault(f"connect path, {name}", []).append(path)
            samples.setdefault(f"connect hook alone, {name}", []).append(hook)
    redirected = scale.connects // 20
    samples["connect hook alone, redirected"] = [
        connect_costs(host, "bench-managed", MANAGED_LISTENER, redirected)[1] for _ in range(scale.rounds)]
    targets = {"exec hook": 5, "exec hook, matching": 5, "connect path, unmanaged": 3, "connect path, managed": 10,
               "connect hook alone, redirected": 10}
    return {name: report.row(f"{name}; {label}", "µs", values, at_most=targets.get(name)) for name, values in samples.items()}


def wall(host, report, label, scale):
    """connect() as a program sees it. The programs of the network namespace run in either case."""
    samples = {}
    cases = (("hooks off", "bench-plain", Host.BARE), ("hooks on, unmanaged", "bench-plain", Host.HOOKED),
             ("hooks on, managed", "bench-managed", Host.HOOKED))
    for _ in range(scale.rounds * 2):
        for name, program, group in cases:
            load = host.run(program, "timed", *LISTENER, scale.connects, group=group)
            samples.setdefault(name, []).append(load["median_ns"] / 1000)
    for name, values in samples.items():
        report.row(f"connect() by the clock, {name}; {label}", "µs", values)
    for name in ("hooks on, unmanaged", "hooks on, managed"):
        added = [on - off for on, off in zip(samples[name], samples["hooks off"])]
        report.row(f"connect() by the clock, {name}, less hooks off; {label}", "µs", added)


def template(host):
    """The record of a process of ours that lives."""
    sleeper = host.start("sleeps")
    try:
        time.sleep(0.2)
        return bytearray(host.processes.lookup(struct.pack("=I", sleeper.pid)))
    except FileNotFoundError:
        raise SystemExit("the kernel part has no record of a process just started; its key is expected to be the pid, in the "
                         "initial pid namespace: run it there") from None
    finally:
        sleeper.kill()
        sleeper.wait()


def records(host, count):
    """Real ones but for their pid, which nobody can have: pid_max may not allow so many processes, and is not ours to change."""
    if host.processes.key_size != 4:
        raise SystemExit(f"the process table has {host.processes.key_size}-byte keys, 4 were expected; adapt hook_costs.py")
    value = template(host)
    members = host.processes.members()
    offset, of_type = members.get("key", (0, 0))
    tgid = host.processes.types.members(of_type).get("tgid", (None, 0))[0] if of_type else None
    for pid in range(PID_LIMIT, PID_LIMIT + count):
        if tgid is not None:
            struct.pack_into("=I", value, offset + tgid, pid)
        yield struct.pack("=I", pid), bytes(value)


def with_full_table(host, report, scale, label):
    """The costs once more with so many records in the table."""
    try:
        host.processes.insert(records(host, scale.records))
        held = sum(1 for _ in host.processes.keys())
        report.row("records in the process table", "", [held], at_least=scale.records)
        costs = measure(host, report, f"{label}, {scale.records:,} records", scale)
    except OSError as error:
        report.failure(f"{scale.records:,} records in a table of {host.processes.max_entries:,}: {error}")
        costs = {}
    inserted = [key for key in host.processes.keys() if struct.unpack("=I", key)[0] >= PID_LIMIT]
    host.processes.remove(inserted)
    return costs
