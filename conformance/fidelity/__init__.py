"""
How faithful the emulation is, part by part: what each does, and what it does not.

The data is prose and lies in `parts/*.toml`, one file a part; `page` makes docs/fidelity.md
of it (`python -m conformance.fidelity`), `conformance doctor --fidelity` prints it.
`not_emulated` is for whoever has to say why something cannot be shown here.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from conformance.fidelity.model import Check, Gap, Part

__all__ = ["ORDER", "Check", "Gap", "Part", "gaps", "not_emulated", "parts"]

ORDER = (
    *("agent", "webhook", "api-server", "controllers", "nodes"),
    *("eks", "eks-auth", "sts", "iam", "s3", "dynamodb", "sqs", "cloudtrail"),
    *("terraform-provider", "real-targets"),
)


@cache
def parts() -> tuple[Part, ...]:
    """Every part, in the order of the page."""
    return tuple(map(_read, ORDER))


def _read(id_: str) -> Part:
    text = files(__name__).joinpath("parts", f"{id_}.toml").read_text(encoding="utf-8")
    told = tomllib.loads(text)
    return Part(
        id=id_,
        name=told["name"],
        modules=tuple(told["modules"]),
        does=tuple(told["does"]),
        sources=tuple(told["sources"]),
        checks=tuple(Check(test, against) for test, against in told["checks"].items()),
        gaps=tuple(Gap(f"{id_}.{name}", says) for name, says in told["gaps"].items()),
    )


def gaps() -> Mapping[str, Gap]:
    """Every gap by its id."""
    return {gap.id: gap for part in parts() for gap in part.gaps}


def not_emulated(id_: str) -> str:
    """The sentence of a gap; raises `KeyError` for an id that there is not."""
    return gaps()[id_].says
