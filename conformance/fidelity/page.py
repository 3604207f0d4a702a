"""docs/fidelity.md, made of the data; a test compares the two."""

from collections.abc import Iterator, Sequence

from conformance.fidelity.model import Part

_HEAD = """\
# Fidelity

What each part of an emulated environment does, by which source, what it was compared with, and
what it does not do. `conformance doctor --fidelity` prints the same. This page is made by
`python -m conformance.fidelity` of the files in `conformance/fidelity/parts/`: change those.
"""


def page(parts: Sequence[Part]) -> str:
    """The whole page in Markdown."""
    return "\n".join([_HEAD, *_overview(parts), *(line for part in parts for line in _part(part))])


def _overview(parts: Sequence[Part]) -> Iterator[str]:
    """One line a part: the first check is the one that says most."""
    yield "| part | compared with | gaps |"
    yield "|---|---|---|"
    for part in parts:
        against = part.checks[0].against
        yield f"| [{part.name}](#{_anchor(part.name)}) | {against} | {len(part.gaps)} |"
    yield ""


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _part(part: Part) -> Iterator[str]:
    yield f"## {part.name}"
    yield ""
    yield from (f"* {does}" for does in part.does)
    yield ""
    yield f"Written in {', '.join(f'`{module}`' for module in part.modules)}."
    yield ""
    yield "Sources:"
    yield ""
    yield from (f"* {source}" for source in part.sources)
    yield ""
    yield "Checked by:"
    yield ""
    yield from (f"* `tests/{check.test}`, against {check.against}" for check in part.checks)
    yield ""
    yield "Not emulated:"
    yield ""
    yield from (f"* {gap.says} (`{gap.id}`)" for gap in part.gaps)
    yield ""
