"""From `tidemark apply` to the first connection that is treated otherwise, on a host with many live processes."""

import time

import selector_manifests
from hook_costs import MANAGED_LISTENER

PROBER = "bench-prober"
MATCHING = 100  # of the crowd


def prober(host, name=PROBER):
    return host.start(f"probe/{name}", host.programs / "connect_probe.py", *MANAGED_LISTENER)


def watch(process, wanted):
    process.stdin.write(wanted + "\n")
    process.stdin.flush()


def require_state(host, name, wanted):
    """Ends the bench where processes of that name are not what every measurement takes them for."""
    process = prober(host, name)
    watch(process, wanted)
    answer = host.answer(process)
    process.stdin.close()
    process.wait(10)
    if "error" in answer:
        raise SystemExit(f"connections of {name} to {MANAGED_LISTENER}: expected {wanted}: {answer['error']}")


def crowd(host, processes):
    host.make_group("crowd")
    process = host.start(
        "crowd", processes - MATCHING, host.programs / "sleeps", MATCHING, host.programs / "crowd-matching" / PROBER, group="crowd")
    started = host.answer(process)["processes"]
    if started != processes:
        raise SystemExit(f"crowd: {started} of {processes} processes started")
    return process


def apply_and_watch(host, process, path, manifest, wanted):
    """Seconds from the start of the command: (until a connection showed it, until the command ended)."""
    path.write_text(manifest)
    watch(process, wanted)
    time.sleep(0.02)
    begin = time.monotonic_ns()
    ended = host.apply(path)
    answer = host.answer(process)
    if "error" in answer:
        raise SystemExit(f"after apply: {answer['error']}")
    if answer["connects"] < 2:
        raise SystemExit("the connection was treated otherwise before apply began; what is measured is not its work")
    return (answer["at_ns"] - begin) / 1e6, ended * 1000


def measure(host, report, scale, group, folder, label):
    """Lets an identity come and go. Milliseconds."""
    live = crowd(host, scale.processes)
    process = prober(host)
    samples = []
    try:
        watch(process, "direct")
        host.answer(process)
        for number in range(scale.applies):
            comes = number % 2 == 0
            manifest = selector_manifests.managed(group, *([PROBER] if comes else []))
            samples.append(apply_and_watch(
                host, process, folder / "managed.yaml", manifest, "redirected" if comes else "direct"))
    finally:
        process.kill()
        host.empty_group("crowd")
        live.wait(10)
    enforced, ended = zip(*samples)
    where = f"{scale.processes:,} processes, {label}"
    report.row(f"from apply to enforced; {where}", "ms", list(enforced), at_most=100)
    report.row(f"from apply to its end with --wait; {where}", "ms", list(ended))
