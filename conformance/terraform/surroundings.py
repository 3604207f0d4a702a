"""
The environment of Terraform's process, built from nothing.

A TF_VAR_ or AWS_PROFILE of whoever started us would change what is applied and
where; an AWS_CA_BUNDLE breaks a provider that is kept alive. So a child gets what
is listed here. On an emulation that includes no way to a real account: a call that
misses the endpoint has no credentials to reach AWS with.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from conformance.environment import Aws

_ALWAYS: Final = {
    "CHECKPOINT_DISABLE": "1",
    "LANG": "C.UTF-8",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
}
_FROM_OURS: Final = ("PATH", "TMPDIR")
_INTERNET: Final = (
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)


def child_environment(
    folder: Path, configuration: Path, ours: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What every run of Terraform in `folder` gets; `configuration` is its CLI configuration."""
    ambient = os.environ if ours is None else ours
    return {
        **{name: ambient[name] for name in _FROM_OURS if name in ambient},
        **_ALWAYS,
        "HOME": str(folder),
        "TF_CLI_CONFIG_FILE": str(configuration),
    }


def aws_environment(aws: Aws, ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """How a provider that Terraform starts reaches AWS: the emulation's, or the ambient one."""
    ambient = os.environ if ours is None else ours
    if aws.endpoint is None:
        credentials = {
            name: value
            for name, value in ambient.items()
            if name.startswith("AWS_") or name == "HOME"
        }
        return {**internet_environment(ambient), **credentials, "AWS_REGION": aws.region}
    return {
        "AWS_ACCESS_KEY_ID": aws.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key or "",
        "AWS_REGION": aws.region,
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def internet_environment(ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """Proxies and certificates, for what has to leave this machine."""
    ambient = os.environ if ours is None else ours
    return {name: ambient[name] for name in _INTERNET if name in ambient}
