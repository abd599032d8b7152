"""Scale and cost of the kernel part. Run by scripts/bench-kernel in its laboratory; see there for what is measured."""

import argparse
import dataclasses
import pathlib
import sys
import time

import apply_latency
import hook_costs
import selector_manifests
import sustained_rates
from bench_host import ApplyRefused, Host, changes
from bench_report import Report

FLAT = 1.5  # most to fewest selectors; less than that is this kind of machine's noise


@dataclasses.dataclass
class Scale:
    seconds: int  # of each sustained load
    rounds: int
    exec_seconds: int  # of one sample
    connects: int  # of one sample
    applies: int
    processes: int = 10_000  # alive while manifests are applied
    records: int = 100_000  # in the process table


def say(text):
    print(f"\n{text}", flush=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.scale = (Scale(options.seconds or 5, 3, 1, 1000, 6) if options.quick
                      else Scale(options.seconds or 60, 5, 2, 5000, 20))
        self.host = Host(options)
        self.folder = pathlib.Path(options.programs) / "manifests"
        self.report = Report(vars(options) | dataclasses.asdict(self.scale))
        self.costs = {}  # by number of selectors

    def listeners(self):
        self.host.answer(self.host.start("accept_load", *hook_costs.LISTENER, group=Host.BARE))
        self.host.answer(self.host.start("bench-server", *hook_costs.MANAGED_LISTENER))

    def enforce(self, count):
        """Has so many selectors in force; false, after going back to as many as before, where that is refused."""
        say(f"{count:,} selectors")
        try:
            self.apply_all(count)
            return True
        except ApplyRefused as refusal:
            self.report.failure(f"{count:,} selectors: {refusal}")
        if not self.costs:
            raise SystemExit("not even the fewest selectors are taken; nothing to measure")
        self.apply_all(count, active=max(self.costs))
        return False

    def apply_all(self, count, active=None):
        files = selector_manifests.write(count, self.options.group, self.folder, self.options.new_keys, active)
        seconds = [self.host.apply(path) for path in files]
        print(f"    applied {len(files)} files in {sum(seconds):.2f} s")

    def await_endpoint(self):
        deadline = time.monotonic() + 30
        while not self.host.knows_endpoint(*hook_costs.MANAGED_LISTENER):
            if time.monotonic() > deadline:
                raise SystemExit(f"{hook_costs.MANAGED_LISTENER} is not known as a managed listener after 30 s")
            time.sleep(0.1)

    def wants(self, part):
        return part in self.options.parts

    def selectors(self, count):
        if not self.enforce(count):
            return
        self.await_endpoint()
        apply_latency.require_state(self.host, selector_manifests.MANAGED, "redirected")
        apply_latency.require_state(self.host, "bench-plain", "direct")
        label = f"{count:,} selectors"
        self.costs[count] = {}
        if self.wants("costs"):
            self.costs[count] = hook_costs.measure(self.host, self.report, label, self.scale)
            hook_costs.wall(self.host, self.report, label, self.scale)

    def applies(self, count):
        label = f"{count:,} selectors"
        say(f"{self.scale.applies} applies; {label}")
        apply_latency.measure(self.host, self.report, self.scale, self.options.group, self.folder / "managed.yaml", label)

    def flatness(self):
        fewest, most = min(self.costs), max(self.costs)
        if fewest == most:
            self.report.failure("flatness: only one number of selectors was measured")
            return
        for name in ("exec hook", "connect path, unmanaged", "connect path, managed"):
            self.report.row(f"{name}, {most:,} to {fewest:,} selectors", "ratio",
                            [self.costs[most][name] / self.costs[fewest][name]], at_most=FLAT)

    def at_most_selectors(self):
        label = f"{max(self.costs):,} selectors"
        if self.wants("costs"):
            self.flatness()
        if self.wants("table"):
            say(f"{self.scale.records:,} processes in the table; {label}")
            hook_costs.with_full_table(self.host, self.report, self.scale, label)
        if self.wants("rates"):
            say(f"{self.scale.seconds} s each at a steady rate; {label}")
            sustained_rates.measure(self.host, self.report, self.scale)

    def run(self):
        hook_costs.require_kinds(self.host)
        self.listeners()
        before = self.host.counters()
        counts = sorted(set(self.options.selectors))
        for count in counts:
            self.selectors(count)
            if self.wants("apply") and count == counts[0] and len(counts) > 1:
                self.applies(count)
        self.at_most_selectors()
        if self.wants("apply"):
            self.applies(max(self.costs))
        self.counters(before)

    def counters(self, before):
        change = changes(before, self.host.counters())
        self.report.details["counters"] = change
        say("the kernel part's counters over all of that; a full map is a kernel test's matter, as it cannot be made smaller here")
        for name in self.host.counters():
            print(f"    {name}: +{change.get(name, 0)}")


PARTS = ("costs", "table", "rates", "apply")


def numbers(text):
    return [int(word) for word in text.split(",")]


def parts(text):
    if unknown := set(text.split(",")) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    return text.split(",")


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cgroup", "outside", "programs", "tidemark", "pins", "group", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--agent-pid", type=int, required=True)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--new-keys", action="store_true")
    parser.add_argument("--selectors", type=numbers, default=[1, 100, 1000, 4096])
    parser.add_argument("--parts", type=parts, default=list(PARTS))
    return parser.parse_args()


def main():
    bench = Bench(options())
    try:
        bench.run()
    finally:
        say(bench.report.table())
        say(bench.report.verdict())
        bench.report.save(bench.options.output)
    return 1 if bench.report.failures else 0


sys.exit(main())
