"""
`python -m conformance.cluster --dir DIR/clusters/NAME --lifeline-fd N`: one cluster.

The order matters: a user namespace can be entered by a single thread only, so the
network's tier is decided before anything is imported that might start another.
"""

import argparse
import gc
import sys
from pathlib import Path

from conformance.cluster.nodes.tiers import enter_tier
from conformance.cluster.settings import Settings
from conformance.errors import HarnessError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance.cluster")
    parser.add_argument("--dir", type=Path, required=True, help="holds config.json")
    parser.add_argument("--lifeline-fd", type=int, help="a pipe; its end of file ends the cluster")
    arguments = parser.parse_args()
    try:
        settings = Settings.read(arguments.dir)
        tier, reasons = enter_tier(settings.network)
        for better, reason in reasons.items():
            sys.stderr.write(f"network {better} is not possible here: {reason}\n")
        # What is imported is there to stay: to look for garbage in it is a quarter of the start.
        gc.disable()
        from conformance.cluster.process import serve  # noqa: PLC0415 - see the module

        gc.enable()
        serve(settings, arguments.dir, tier, arguments.lifeline_fd)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
