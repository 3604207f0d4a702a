"""
The proof that nothing is left behind.

    python -m benchmarks.leftovers [--points 200]

Runs are killed with SIGKILL at counted calls of provisioning and teardown, in an
environment that survives them; after each, `conformance sweep` works, and then it is
counted what is left of the run: resources, namespaces, processes, network namespaces,
temporary folders. Fifty things of others, alike to mistake them, have to be there still.
Each kill is a line on standard error, the numbers are JSON on standard output.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks import strangers
from benchmarks.killing import CountingProxy, Point, Victim, family, kill
from benchmarks.measuring import Number
from conformance import targets
from conformance.environment import Environment
from conformance.events import EventLog
from conformance.run.options import new_run
from conformance.run.settings import child_environment
from conformance.sweep.account import accounts_of
from conformance.sweep.balance import Swept
from conformance.sweep.calls import clients_of
from conformance.sweep.clusters import find_objects
from conformance.sweep.states import has_resources
from conformance.sweep.sweeping import Request, sweep
from conformance.targets import TargetOptions
from conformance.terraform.ledger import Ledger
from conformance.terraform.provider.mirror import write_mirror
from conformance.world.kube import Kube
from conformance.world.naming import Names

FILES = ("test_everything", "test_two_accounts", "test_two_clusters")
"""Of `benchmarks/suite`; a provider that Terraform starts has no way to a second account."""
_FEW = {Victim.COMMAND: "test_two_clusters"}
"""
Where a few points are, when not in the first file.

Only who kills the run itself leaves the cluster that no Terraform made: all others let it tidy up.
"""
POINTS = 200
_WAYS = (
    (Victim.WORKER, True),
    (Victim.PROVIDER, True),
    (Victim.TERRAFORM, True),
    (Victim.OWNER, False),
    (Victim.TERRAFORM, False),
    (Victim.COMMAND, False),
    (Victim.PROVIDER, False),
    (Victim.WORKER, False),
)
"""
Who is killed, and whether the provider is a process of its own then.

A few points are of the last ones: four are Terraform, the run, the provider and a worker.
"""
ENDS_WITHIN = 400.0
"""A run that lost a part of itself ends by itself, with errors; much later on a busy machine."""


@dataclass
class Result:
    """What one killed run came to."""

    point: str
    victim: Victim
    fired: bool
    """False when the run was over before that call, or when there was nobody to kill."""
    left: list[str] = field(default_factory=list)
    """What was found of it after the sweep, wherever."""
    missing: list[str] = field(default_factory=list)
    """Things of others that are gone."""
    recorded: int = 0
    """Things that were there when the sweep began."""
    seconds: float = 0.0
    """The sweep alone."""


class Bench:
    """An environment that survives, a proxy before it, and fifty strangers in it."""

    def __init__(self, folder: Path) -> None:
        self.reports = folder / "reports"
        self.temporary = folder / "t"
        self.temporary.mkdir()
        # What the runs and we make temporarily is all in here, and nothing of anybody else's.
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.temporary)
        self.environment = targets.start(
            "embedded", TargetOptions(run=new_run(), nodes=1), EventLog(None), lifeline=False
        )
        self.proxy = CountingProxy(self.environment.aws.endpoint or "")
        self.accounts = accounts_of(self.environment.aws)
        self.clients = clients_of(self.environment.aws)
        cluster = self.environment.cluster
        self.kube = Kube(cluster.kubeconfig, cluster.context)
        self.folder = folder

    @contextmanager
    def open(self) -> Iterator[None]:
        try:
            with self.proxy.serving():
                self.file = self._behind_the_proxy()
                strangers.make(self.clients, self.kube, self.environment.cluster.name)
                Ledger.of_run(self.reports / strangers.LIVING).begin(strangers.LIVING)
                self.others = self._there()
                self.processes = self._processes()
                self.networks = self._networks()
                self.folders = sorted(self.temporary.iterdir())
                yield
        finally:
            targets.stop(self.environment, EventLog(None))

    def _behind_the_proxy(self) -> Path:
        folder = self.folder / "e"
        folder.mkdir(mode=0o700)
        aws = self.environment.aws.model_copy(update={"endpoint": self.proxy.url})
        proxied = self.environment.model_copy(update={"folder": folder, "aws": aws})
        proxied.write()
        write_mirror(folder / "terraform")
        return proxied.file

    # --- one run

    def length(self, file: str) -> int:
        """Calls in the life of a world that nobody kills; nothing of it may be left."""
        run = new_run()
        self.proxy.arm(0, answered=False, kill=lambda: False)
        with self._command(run, file) as command:
            code = command.wait(ENDS_WITHIN)
        if code not in (0, 4):  # A selection may be partial.
            raise RuntimeError(f"a run that nobody killed exits {code}: {self._log.read_text()}")
        calls = self.proxy.calls
        left = self._left(run)
        if left:
            raise RuntimeError(f"a run that nobody killed leaves {left}")
        return calls

    def kill_at(self, point: Point) -> Result:
        """One run, killed at the point, and swept."""
        run = new_run()
        workers = point.victim is Victim.WORKER
        prefix = Names(run, f"{point.file}-{'gw0' if workers else 'main'}").prefix
        alike = strangers.make_look_alikes(self.clients, self.kube, prefix, run)
        seen: list[psutil.Process] = []
        with self._command(run, point.file, plugin=point.plugin, workers=workers) as command:
            process = psutil.Process(command.pid)

            def fire() -> bool:
                seen.extend(family(process))
                return kill(point.victim, process)

            self.proxy.arm(point.call, answered=point.answered, kill=fire)
            command.wait(ENDS_WITHIN)
        self.proxy.disarm()
        # Who lost its owner ends by itself, at once.
        psutil.wait_procs(seen, timeout=10)
        before = len(self._there() - self.others - alike)
        began = time.perf_counter()
        swept = self._sweep()
        result = Result(str(point), point.victim, self.proxy.fired.is_set(), recorded=before)
        result.seconds = time.perf_counter() - began
        there = self._there()
        result.missing = sorted((self.others | alike) - there)
        result.left = self._left(run, alike) + ([] if swept.clean else [json.dumps(asdict(swept))])
        strangers.remove_look_alikes(self.clients, self.kube, prefix, run)
        return result

    def _sweep(self) -> Swept:
        return sweep(Request(self.reports, environment=self.environment))

    @contextmanager
    def _command(
        self, run: str, file: str, *, plugin: bool = False, workers: bool = False
    ) -> Iterator[subprocess.Popen[bytes]]:
        provider = f"mirror={self.file.parent / 'terraform' / 'mirror'}" if plugin else "embedded"
        folder = self.file.parent / run
        folder.mkdir(mode=0o700)
        for name in ("aws.sock", "clusters"):  # By these a run sees whether its parts live.
            (folder / name).symlink_to(self.environment.folder / name)
        described = Environment.read(self.file)
        if plugin:
            # Its second provider block names no profile then, which it would not know.
            aws = described.aws.model_copy(update={"other": None})
            described = described.model_copy(update={"aws": aws})
        described = described.model_copy(update={"provider": provider, "folder": folder})
        described.write()
        self._log = self.folder / "log"
        with self._log.open("wb") as log:
            command = subprocess.Popen(
                [
                    *(sys.executable, "-m", "benchmarks.everything", "run"),
                    f"scenarios/{file}.py",
                    *("-n", "1" if workers else "0"),
                    *("--environment", str(described.file), "--run-id", run),
                    *("--reports", str(self.reports)),
                ],
                env=child_environment("embedded"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield command
        finally:
            with suppress(ProcessLookupError):
                command.kill()
            command.wait()

    # --- what there is

    def _there(self) -> set[str]:
        things = {str(found) for each in self.accounts for found in each.look().found}
        return things | {
            f"namespace {item['metadata']['name']}"
            for item in self.kube.get("/api/v1/namespaces")["items"]
        }

    def _left(self, run: str, alike: Set[str] = frozenset()) -> list[str]:
        left = [f"{each} is there" for each in sorted(self._there() - self.others - alike)]
        left += [f"{found} is there" for found in find_objects(self.kube) if found.run == run]
        left += [f"process {each}" for each in sorted(self._processes() - self.processes)]
        left += [f"network namespace {each}" for each in sorted(self._networks() - self.networks)]
        left += [f"folder {each}" for each in self.temporary.iterdir() if each not in self.folders]
        # A folder that a message of Terraform's names stays for a look; its state is empty.
        worlds = (self.reports / run / "worlds").glob("*")
        left += [f"state in {each}" for each in worlds if has_resources(each)]
        left += [f"token in {each}" for each in (self.reports / run).rglob("kubeconfig")]
        return left

    def _ours(self) -> list[psutil.Process]:
        """Every process that got our folder for temporary files, and the environment's own."""
        aws = psutil.Process(self.environment.pid)
        of_environment = {each.pid for each in (aws, *aws.children(recursive=True))}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                ours = process.environ().get("TMPDIR") == str(self.temporary)
                if (ours or process.pid in of_environment) and process.pid != os.getpid():
                    found.append(process)
        return found

    def _processes(self) -> set[str]:
        found = set()
        for process in self._ours():
            with suppress(psutil.Error):
                found.add(f"{process.pid} {' '.join(process.cmdline())[:200]}")
        return found

    def _networks(self) -> set[str]:
        """
        Network namespaces that one of our processes lives in or holds open.

        Nothing else keeps one alive but a mount, and those have names in /run/netns.
        """
        found = {str(path) for path in Path("/run/netns").glob("*")}
        for process in self._ours():
            for place in ("ns/net", "fd/*"):
                for path in Path(f"/proc/{process.pid}").glob(place):
                    with suppress(OSError):
                        target = os.readlink(path)  # noqa: PTH115 - its text is the answer
                        if target.startswith("net:["):
                            found.add(target)
        return found


def points(count: int, calls: Mapping[str, int]) -> list[Point]:
    """`count` different ones, spread evenly over the calls; `calls` is how many, by file."""
    shares = [(count + number) // len(_WAYS) for number in range(len(_WAYS))]
    ways = [(*way, share) for way, share in zip(_WAYS, shares, strict=True) if share]
    found = []
    for number, (victim, plugin, share) in enumerate(ways):
        for step in range(share):
            # The phase differs from way to way, so that together they are everywhere.
            place = (step + (number + 0.5) / len(ways)) / share
            few = plugin or count <= len(_WAYS)
            file = _FEW.get(victim, FILES[0]) if few else FILES[(step // 2) % len(FILES)]
            call = 1 + int(place * calls[file])
            found.append(Point(victim, call, bool((step + number) % 2), plugin, file))
    return found


def prove(count: int, tell: Callable[[int, Result], None]) -> list[Result]:
    """Kill and sweep `count` runs."""
    results = []
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        bench = Bench(Path(folder))
        with bench.open():
            files = FILES if count > len(_WAYS) else (FILES[0], *_FEW.values())
            calls = {file: bench.length(file) for file in files}
            for number, point in enumerate(points(count, calls), 1):
                results.append(bench.kill_at(point))
                tell(number, results[-1])
    return results


def leftovers(rounds: int) -> list[Number]:
    """For `python -m benchmarks`: one point for each way to be killed in each round."""
    results = prove(rounds * len(_WAYS), lambda _number, _result: None)
    left = Number("left behind after kill -9 and sweep", 1, "things")
    left.samples.append(float(sum(len(each.left) for each in results)))
    missing = Number("things of others taken away", 1, "things")
    missing.samples.append(float(sum(len(each.missing) for each in results)))
    seconds = Number("sweep of one killed run", 5)
    seconds.samples += [each.seconds for each in results]
    return [left, missing, seconds]


def summary(results: list[Result]) -> dict[str, Any]:
    """Numbers for people and tests."""
    found = dict.fromkeys((each.victim for each in results), 0)
    for each in results:
        found[each.victim] += each.recorded
    return {
        "points": len(results),
        "fired": sum(each.fired for each in results),
        "found_before": found,
        "left": [f"{each.point}: {thing}" for each in results for thing in each.left],
        "missing": [f"{each.point}: {thing}" for each in results for thing in each.missing],
        "slowest_sweep": max(each.seconds for each in results),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=POINTS)
    arguments = parser.parse_args()

    def tell(number: int, result: Result) -> None:
        state = "" if result.fired else ", not reached"
        line = f"{number}/{arguments.points} {result.point}{state}: {result.recorded} found"
        wrong = "".join(f"\n  {each}" for each in (*result.left, *result.missing))
        print(f"{line}, {len(result.left)} left, {result.seconds:.1f} s{wrong}", file=sys.stderr)

    results = prove(arguments.points, tell)
    told = summary(results)
    print(json.dumps(told, indent=1))
    return int(bool(told["left"] or told["missing"]))


if __name__ == "__main__":
    sys.exit(main())
