"""
The agent's log, in the lines that AWS's agent writes.

"The agent was never called" and "the agent called EKS Auth" are read from these
lines on every target, so keys and messages are those of logrus' JSON formatter
there. A token, a secret key or a session token is never a field or in a message.

Source: eks-pod-identity-agent internal/middleware/logger/logger.go.
"""

import json
from datetime import UTC, datetime
from typing import Any

from conformance.cluster.agent.clock import Clock
from conformance.cluster.agent.interface import LogLine

_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def go_json(value: object) -> str:
    """As Go's encoding/json writes it: no blanks, HTML's characters escaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(_HTML)


class Log:
    """Writes lines with the same fields in each; `having` gives one with more fields."""

    def __init__(self, write: LogLine, clock: Clock, fields: dict[str, Any] | None = None) -> None:
        self._write = write
        self._clock = clock
        self._fields = fields or {}

    def having(self, fields: dict[str, Any]) -> "Log":
        return Log(self._write, self._clock, self._fields | fields)

    def info(self, message: str, **fields: Any) -> None:
        self._line("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._line("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._line("error", message, fields)

    def _line(self, level: str, message: str, fields: dict[str, Any]) -> None:
        at = datetime.fromtimestamp(self._clock.time(), UTC)
        line = self._fields | fields
        line |= {"level": level, "msg": message, "time": f"{at:%Y-%m-%dT%H:%M:%S}Z"}
        self._write(go_json(dict(sorted(line.items()))))
