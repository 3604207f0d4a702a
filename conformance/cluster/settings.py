"""What a cluster process is told: `config.json`, and nothing else."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from conformance.errors import HarnessError


class Settings(BaseModel):
    """The file `config.json` in the cluster's folder; see docs/architecture.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    arn: str
    region: str
    account_id: str
    version: str
    """Kubernetes version, such as 1.33."""
    ip_family: Literal["ipv4", "ipv6"] = "ipv4"
    """At which of the agent's addresses pods are sent to it."""
    issuer: str
    network: Literal["auto", "root", "userns", "loopback"] = "auto"
    aws_port: int
    """Where the AWS process listens on 127.0.0.1; at the hub it has the same port."""
    aws_socket: Path
    faults: list[str] = []
    agent_version: str
    max_token_seconds: int | None = None

    @classmethod
    def read(cls, folder: Path) -> "Settings":
        """Raises `HarnessError` for a file that is not there or not a configuration."""
        path = folder / "config.json"
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise HarnessError(f"cluster: {path} cannot be read", saw=str(error)) from error
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise HarnessError(
                f"cluster: {path} is not a configuration", saw=f"{where}: {first['msg']}"
            ) from error
