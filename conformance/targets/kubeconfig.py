"""
Kubeconfig files, each for one cluster.

The emulated cluster's holds a token of its administrator and therefore lies in
the environment's private folder; a real one holds none and asks for a token when
it is used (`targets.eks_token`).
"""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any

KUBECTL = "kubectl"


def has_kubectl() -> bool:
    """Whether somebody on this machine could use such a file by hand."""
    return shutil.which(KUBECTL) is not None


def write_kubeconfig(
    path: Path, *, name: str, endpoint: str, certificate_authority: str, user: dict[str, Any]
) -> None:
    """
    Write a kubeconfig with one context named after the cluster, readable by its owner only.

    `certificate_authority` is base64 of the PEM, as EKS gives it; `user` is the
    user part of a kubeconfig. JSON is YAML, so no YAML library is needed.

    The certificate lies in a file of its own, `<path>.ca`: from one inside of the
    kubeconfig the official client makes a temporary file, which a kill leaves behind.
    """
    authority = path.with_name(f"{path.name}.ca")
    authority.write_bytes(base64.b64decode(certificate_authority))
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": endpoint,
                    "certificate-authority": str(authority),
                },
            }
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
