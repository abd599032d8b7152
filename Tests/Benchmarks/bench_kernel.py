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
        # All but the last without waiting: after a refusal each of them leaves too many still.
        seconds = [self.host.apply(path, wait=path == files[-1]) for path in files]
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
        say("the kernel part's counters over all of that (a full map is a kernel test's matter: none can be made smaller here)")
        for name in self.host.counters():
            print(f"    {name}: +{change.get(name, 0)}")


PARTS = ("costs", "table", "rates", "apply")


def number(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number above 0")
    return int(text)


def numbers(text):
    return [number(word) for word in text.split(",")]


def parts(text):
    if unknown := set(text.split(",")) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    return text.split(",")


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench kernel", description=__doc__)
    parser.add_argument("--seconds", type=number, help="of each sustained load; default 60, with --quick 5")
    parser.add_argument("--quick", action="store_true", help="a few seconds of each, for working on the bench itself")
    parser.add_argument("--selectors", type=numbers, default=[1, 100, 1000, 4096], help="default 1,100,1000,4096")
    parser.add_argument("--parts", type=parts, default=list(PARTS), help=f"default {','.join(PARTS)}")
    parser.add_argument("--new-keys", action="store_true", help="selectors that use every key")
    parser.add_argument("--json", metavar="FILE", help="writes a list of {line, value, unit, target, met}")
    laboratory = parser.add_argument_group("laboratory", "given by scripts/bench-kernel; without it options are checked only")
    for name in ("cgroup", "outside", "programs", "tidemark", "pins", "group", "output"):
        laboratory.add_argument(f"--{name}")
    laboratory.add_argument("--agent-pid", type=int)
    return parser.parse_args()


def main():
    asked = options()
    if not asked.cgroup:
        return 0
    bench = Bench(asked)
    try:
        bench.run()
        bench.report.complete = True
    except KeyboardInterrupt:
        return 130
    finally:
        say(bench.report.table())
        say(bench.report.verdict())
        bench.report.save(asked.output)
        if asked.json:
            bench.report.write_lines(asked.json)
    return 1 if bench.report.failures else 0


sys.exit(main())
