"""`python -m benchmarks.everything ...`: `conformance ...`, on the suite in `benchmarks/suite`."""

from pathlib import Path

from conformance.cli import main
from conformance.cli import run as command

if __name__ == "__main__":
    here = Path(__file__).parent
    command.suite_root = lambda: here / "suite"  # type: ignore[attr-defined]  # its own import
    main()
