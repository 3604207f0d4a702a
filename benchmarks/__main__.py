"""
Prints each promised speed: median of several rounds, its bound, and the whole range.

    python -m benchmarks [--rounds 5] [--agent PATH] [--kubeconfig FILE] [NAME ...]

Exits 1 when a median misses its bound.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bad_tokens import bad_tokens
from benchmarks.environment import cluster, emulated_aws, without_terraform
from benchmarks.leftovers import leftovers
from benchmarks.runs import first_run, whole_run
from benchmarks.scale import scale
from benchmarks.speeds import agent, api_server, eks_auth, s3_get
from benchmarks.terraform import terraform
from benchmarks.worlds import worlds

BENCHMARKS = {
    each.__name__: each
    for each in (
        emulated_aws,
        without_terraform,
        cluster,
        terraform,
        worlds,
        first_run,
        whole_run,
        eks_auth,
        agent,
        api_server,
        s3_get,
        bad_tokens,
        scale,
        leftovers,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--agent", metavar="PATH", help="another agent, asked beside ours")
    parser.add_argument(
        "--kubeconfig", metavar="FILE", type=Path, help="another API server, asked beside ours"
    )
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="name")
    arguments = parser.parse_args()
    measures = BENCHMARKS | {
        agent.__name__: partial(agent, beside=arguments.agent),
        api_server.__name__: partial(api_server, beside=arguments.kubeconfig),
    }
    table = Table("what", "median", "bound", "range", "", title=f"{arguments.rounds} rounds each")
    console = Console()
    missed = False
    for name in arguments.names or BENCHMARKS:
        with console.status(name):
            numbers = measures[name](arguments.rounds)
        for number in numbers:
            low, high = min(number.samples), max(number.samples)
            missed = missed or not number.holds
            table.add_row(
                number.name,
                f"{number.median:.2f} {number.unit}",
                number.promise,
                f"{low:.2f} to {high:.2f}",
                "" if number.holds else "missed",
            )
    console.print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
