"""A cluster that answers from a table, and remembers what was asked of it."""

from collections.abc import Iterator
from typing import Any

from conformance.world.kube import Kube, Object


class StandIn(Kube):
    def __init__(self, **answers: Any) -> None:
        self.created: list[tuple[str, Object, dict[str, Any]]] = []
        self.pods: list[Object] = answers.get("pods", [])
        self.changes: list[tuple[str, Object]] = answers.get("changes", [])
        self.logs: str = answers.get("logs", "")
        self.tried: Iterator[Object] = iter(answers.get("tried", []))
        self.deleted: list[str] = []

    def get(self, path: str, **query: str | int) -> Object:
        return {"metadata": {"resourceVersion": "1"}, "items": self.pods}

    def create(self, path: str, body: Object, **query: str | int) -> Object:
        self.created.append((path, body, query))
        return next(self.tried, body)

    def delete(self, path: str, **query: str | int) -> Object:
        self.deleted.append(path)
        return {}

    def text(self, path: str, **query: str | int) -> str:
        return self.logs

    def watch(
        self, path: str, *, seconds: float, **query: str | int
    ) -> Iterator[tuple[str, Object]]:
        yield from self.changes
        self.changes = []


def pod(phase: str, name: str = "reader", **status: Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": "2",
            "creationTimestamp": "2026-11-24T00:00:10Z",
        },
        "spec": {"serviceAccountName": "reader", "nodeName": "n1"},
        "status": {"phase": phase, "podIP": "100.64.1.1", **status},
    }
