"""
What Terraform says while it works, from its `-json` lines.

Terraform's own words are the best report of a failure: summary, detail, address,
file and line. Everything else in the stream becomes progress, one resource at a
time. Lines that are no JSON (a crash, a warning of the CLI configuration) are kept
as text, because on a bad day they are all there is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from conformance.errors import HarnessError

State = Literal["planned", "started", "running", "finished", "failed"]

_STATES: Final[Mapping[str, State]] = {
    "apply_start": "started",
    "apply_progress": "running",
    "apply_complete": "finished",
    "apply_errored": "failed",
}
_LINES_KEPT: Final = 20


@dataclass(frozen=True)
class Progress:
    """One step of one resource."""

    address: str
    """As in the configuration: `aws_iam_role.this["reader"]`."""
    action: str
    """`create`, `update`, `delete`, `read`."""
    state: State
    seconds: float


@dataclass(frozen=True)
class Change:
    """What a plan would do to one resource."""

    address: str
    action: str
    """`create`, `update`, `delete`, `replace`, `read` or `import`."""
    reason: str = ""


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning in Terraform's words."""

    severity: str
    summary: str
    detail: str
    address: str
    where: str
    """`main.tf:12`, or empty."""

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "Diagnostic":
        place = data.get("range") or {}
        where = f"{place['filename']}:{place['start']['line']}" if place else ""
        return cls(
            data["severity"],
            data["summary"],
            data.get("detail", ""),
            data.get("address", ""),
            where,
        )

    def __str__(self) -> str:
        lines = [" ".join(filter(None, (self.where, self.address, self.summary)))]
        lines += [f"    {line}" for line in self.detail.splitlines()]
        return "\n".join(lines)


class TerraformError(HarnessError):
    """Terraform could not do what was asked; the work folder is kept for a look."""

    diagnostics: tuple[Diagnostic, ...]
    folder: Path | None

    def __init__(
        self,
        wanted: str,
        *,
        saw: str = "",
        try_: str = "",
        diagnostics: tuple[Diagnostic, ...] = (),
        folder: Path | None = None,
    ) -> None:
        super().__init__(wanted, saw=saw, try_=try_)
        self.diagnostics = diagnostics
        self.folder = folder

    def moved(self, to: Path) -> "TerraformError":
        """The same about a work folder that lies elsewhere now."""
        wanted, saw, try_ = (
            text.replace(str(self.folder), str(to)) for text in (self.wanted, self.saw, self.try_)
        )
        return TerraformError(wanted, saw=saw, try_=try_, diagnostics=self.diagnostics, folder=to)

    def __reduce__(self) -> tuple[object, ...]:
        # The base rebuilds its three texts; the rest travels as state between xdist workers.
        return (*super().__reduce__(), {**self.__dict__})


@dataclass
class Stream:
    """Everything that one run of Terraform said."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    """What is planned; values that AWS computes may have drifted without one."""
    outputs: dict[str, Any] = field(default_factory=dict)
    under_way: dict[str, str] = field(default_factory=dict)
    """Address to action of what was started and has not ended."""
    text: list[str] = field(default_factory=list)
    """The last lines that were no messages."""

    def take(self, line: str) -> Progress | None:
        """Read one line; what it says of a resource, if it does."""
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            if line.strip():
                self.text = [*self.text, line.rstrip()][-_LINES_KEPT:]
            return None
        kind = message.get("type", "")
        if kind == "diagnostic":
            self.diagnostics.append(Diagnostic.parse(message["diagnostic"]))
        elif kind == "outputs":
            self.outputs = {
                name: output["value"]
                for name, output in message["outputs"].items()
                if "value" in output
            }
        elif kind == "planned_change":
            change = message["change"]
            address, reason = change["resource"]["addr"], change.get("reason", "")
            only_import = change["action"] == "noop" and "importing" in change
            action = "import" if only_import else change["action"]
            self.changes.append(Change(address, action, reason))
            if action in ("create", "replace"):
                return Progress(address, "create", "planned", 0.0)
        elif kind in _STATES:
            return self._progress(_STATES[kind], message["hook"])
        return None

    def _progress(self, state: State, hook: Mapping[str, Any]) -> Progress:
        address, action = hook["resource"]["addr"], hook["action"]
        if state in ("started", "running"):
            self.under_way[address] = action
        else:
            self.under_way.pop(address, None)
        return Progress(address, action, state, float(hook.get("elapsed_seconds", 0)))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    def last_words(self) -> str:
        """The most telling thing that was said."""
        if self.errors:
            return "\n       ".join(map(str, self.errors))
        if self.text:
            return "\n       ".join(self.text)
        working = ", ".join(f"{action} {address}" for address, action in self.under_way.items())
        return working or "nothing"
