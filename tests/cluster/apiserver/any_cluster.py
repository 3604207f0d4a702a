"""
The cluster that feature tests run against: ours, or the one of a kubeconfig.

`pytest --kubeconfig FILE` names one of an administrator of something else, kind for
example: what holds there must hold here.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


def kubeconfig(running: Any, folder: Path) -> Path:
    authority = base64.b64encode(running.server.ca_pem.encode()).decode()
    cluster = {"server": running.server.endpoint, "certificate-authority-data": authority}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": running.server.admin_token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    text: str


class Ask:
    """Plain requests with the credentials of a kubeconfig; what a test says is what is sent."""

    def __init__(self, api: Any) -> None:
        self._pool = api.rest_client.pool_manager
        self._host = api.configuration.host
        bearer = api.configuration.auth_settings().get("BearerToken")
        self._headers = {"Authorization": bearer["value"]} if bearer else {}

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """`token` asks as its holder, an empty one as nobody; `As_User` impersonates."""
        sent = {"Content-Type": content, **self._headers}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent.pop("Authorization", None)
            sent |= {"Authorization": f"Bearer {token}"} if token else {}
        data = None if body is None else json.dumps(body)
        made = self._pool.request(
            method, self._host + path, body=data, headers=sent, timeout=20, retries=False
        )
        text = made.data.decode()
        try:
            return Answer(made.status, json.loads(text), text)
        except ValueError:
            return Answer(made.status, None, text)


UNSCHEDULABLE = {"no-such-label": "at-all"}


def pod(name: str, **spec: Any) -> Any:
    """A pod that no scheduler places."""
    container = {"name": "main", "image": "busybox:1.36", "env": [{"name": "A", "value": "1"}]}
    wanted = {"containers": [container], "nodeSelector": UNSCHEDULABLE, **spec}
    return {"metadata": {"name": name}, "spec": wanted}


def made(answer: Answer) -> Any:
    assert answer.status in (200, 201), answer.text
    return answer.body
