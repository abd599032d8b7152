"""From `tidemark apply` to the first connection that is treated otherwise, on a host with many live processes."""

import time

import selector_manifests
from bench_host import ApplyRefused
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
    programs = (processes - MATCHING, host.programs / "sleeps", MATCHING, host.programs / "crowd-matching" / PROBER)
    process = host.start("crowd", *programs, group="crowd")
    started = host.answer(process)["processes"]
    if started != processes:
        raise SystemExit(f"crowd: {started} of {processes} processes started")
    return process


def apply_and_watch(host, process, path, manifest, wanted):
    """Milliseconds: (until a connection showed it, until the command ended, CPU of the agent meanwhile)."""
    path.write_text(manifest)
    watch(process, wanted)
    time.sleep(0.02)
    used = host.agent_cpu()
    begin = time.monotonic_ns()
    ended = host.apply(path)
    answer = host.answer(process)
    if "error" in answer:
        raise SystemExit(f"after apply: {answer['error']}")
    if answer["connects"] < 2:
        raise SystemExit("the connection was treated otherwise before apply began; what is measured is not its work")
    return (answer["at_ns"] - begin) / 1e6, ended * 1000, (host.agent_cpu() - used) * 1000


def applies(host, report, count, group, path):
    """Lets an identity come and go so often; a list of what apply_and_watch() returns."""
    process = prober(host)
    samples = []
    try:
        watch(process, "direct")
        host.answer(process)
        for number in range(count):
            comes = number % 2 == 0
            manifest = selector_manifests.managed(group, *([PROBER] if comes else []))
            samples.append(apply_and_watch(host, process, path, manifest, "redirected" if comes else "direct"))
    except ApplyRefused as refusal:
        report.failure(f"apply number {len(samples) + 1} of {count}: {refusal}")
    finally:
        process.kill()
        process.wait(10)
    return samples


def tell(report, samples, where, at_most=None):
    if not samples:
        return
    enforced, ended, used = zip(*samples)
    report.row(f"from apply to enforced; {where}", "ms", list(enforced), at_most=at_most)
    report.row(f"from apply to its end with --wait; {where}", "ms", list(ended))
    report.row(f"agent CPU of one apply; {where}", "ms", list(used))


def measure(host, report, scale, group, path, label):
    """First without the crowd, to tell what it adds."""
    tell(report, applies(host, report, scale.applies, group, path), f"few processes, {label}")
    live = crowd(host, scale.processes)
    try:
        tell(report, applies(host, report, scale.applies, group, path), f"{scale.processes:,} processes, {label}", at_most=100)
    finally:
        host.empty_group("crowd")
        live.wait(10)
