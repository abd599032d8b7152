"""Many execs and connects a second for a while: whether each was seen, what was counted as lost, what it costs the agent."""

import time

from bench_host import changes, gone, losses, overflows
from hook_costs import LISTENER, total

EXECS = 2000  # a second
CONNECTS = 20000  # a second, by two processes


def settle(host):
    """Until the agent is done with what came before: a second with less than 1 % of a core, for which it has a minute."""
    for _ in range(60):
        before = host.agent_cpu()
        time.sleep(1)
        if host.agent_cpu() - before < 0.01:
            return
    raise SystemExit("the agent is still busy a minute after the last change; see its log")


def idle(host, report, seconds):
    settle(host)
    before = host.agent_cpu()
    time.sleep(seconds)
    report.row("agent CPU, idle", "% of a core", [percent(host.agent_cpu() - before, seconds)])


def percent(used, seconds):
    return 100 * used / seconds


class Load:
    """Watches counters and the agent while something runs."""

    def __init__(self, host, report, name):
        self.host, self.report, self.name = host, report, name

    def __enter__(self):
        self.before = self.host.counters()
        self.cpu = self.host.agent_cpu()
        self.begin = time.monotonic()
        self.measuring = self.host.kernel.measured()
        self.costs = self.measuring.__enter__()
        return self

    def __exit__(self, *error):
        self.measuring.__exit__(*error)
        self.seconds = time.monotonic() - self.begin
        # What the agent still has in its queue is work of this load as well.
        time.sleep(0.5)
        self.cpu = self.host.agent_cpu() - self.cpu
        self.change = changes(self.before, self.host.counters())

    def tell(self, done, seconds, rate, kind, cpu_target=None):
        """One row each for the rate, for what nobody saw or counted, for what was counted as lost, and for the agent."""
        achieved = done / seconds >= 0.99 * rate
        self.report.row(f"{self.name}, achieved", "a second", [done / seconds], at_least=0.99 * rate)
        seen = total(self.costs, kind)[0]
        counted = losses(self.change)
        unseen = max(0, done - seen)
        uncounted = max(0, unseen - sum(counted.values()))
        self.report.row(f"{self.name}, missed without being counted", "", [uncounted], at_most=0)
        if uncounted:
            self.report.failure(f"{self.name}: {done} done, {seen} seen, counted as lost: {counted or 'none'}")
        self.report.row(f"{self.name}, counted as lost", "", [sum(counted.values())])
        self.report.row(f"{self.name}, agent CPU", "% of a core", [percent(self.cpu, self.seconds)],
                        at_most=cpu_target if achieved else None)
        if not achieved:
            self.report.failure(f"{self.name}: only {done / seconds:,.0f} a second came about; run it on an idle machine")
        self.report.details[self.name] = {"counters": self.change, "programs": self.costs}
        print("    counters: " + (", ".join(f"{name} +{count}" for name, count in self.change.items()) or "unchanged"))


def execs(host, report, seconds, program, name, cpu_target=None):
    with Load(host, report, f"{EXECS:,} {name} exec/s") as load:
        done = host.run("exec_load", EXECS, seconds, host.programs / program, timeout=seconds * 3 + 30)
    load.tell(done["execs"], done["seconds"], EXECS, "exec", cpu_target)
    if done["failed"]:
        report.failure(f"{done['failed']} of {done['execs']} programs did not run to their end")


def connects(host, report, seconds):
    """Half of them of a managed process."""
    dropped = overflows()
    with Load(host, report, f"{CONNECTS:,} connect/s") as load:
        loads = [host.start(name, "paced", *LISTENER, CONNECTS // 2, seconds) for name in ("bench-plain", "bench-managed")]
        done = [host.finish(process, seconds * 3 + 30) for process in loads]
    together = {name: sum(row[name] for row in done) for name in ("connects", "established", "refused", "failed")}
    load.tell(together["connects"], max(row["seconds"] for row in done), CONNECTS, "connect")
    report.row("of those refused by a hook", "", [together["refused"]])
    dropped = overflows() - dropped
    report.row("of those dropped by the listener's own full queue", "", [dropped])
    report.row("of those failed otherwise", "", [max(0, together["failed"] - dropped)], at_most=0)


def measure(host, report, scale):
    idle(host, report, min(scale.seconds, 10))
    execs(host, report, scale.seconds, "exits", "unmatched", cpu_target=2)
    execs(host, report, scale.seconds, "matched/bench-managed", "matching")
    report.row("records of processes that are gone, after those", "", [len(gone(host.processes))], at_most=0)
    connects(host, report, scale.seconds)
