"""Where a cluster lives, and the one line that its process prints: all that others need of it."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

_SOCKET_PATH_BYTES = 107
"""sun_path has 108 bytes, one of them the closing zero (unix(7))."""
_LONGEST_NAME = len("/control.sock")


class Ready(BaseModel):
    """The one line a cluster process prints when its API server answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: str
    ca: str
    """Base64 of the PEM, as EKS gives it."""
    network: Literal["root", "userns", "loopback"]
    admin_token: str
    aws_endpoint: str


def folder_of(clusters: Path, name: str, *unusual: str) -> Path:
    """
    Where a cluster lives: its name, unless that cannot be.

    Names may have 100 characters and be the same in two accounts or regions
    (`unusual`, what sets it apart), while a Unix socket's path ends at 107 bytes.
    """
    plain = clusters / name
    if not unusual and len(bytes(plain)) + _LONGEST_NAME <= _SOCKET_PATH_BYTES:
        return plain
    digest = hashlib.sha256("/".join((name, *unusual)).encode()).hexdigest()
    return clusters / digest[:12]
