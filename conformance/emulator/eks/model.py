"""
The API as botocore's own service model has it: which request is which operation.

Clients are made from the same model, so what they can send is what we can read,
and an operation that AWS adds is one that we know the name of when we refuse it.
"""

import re
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from conformance.emulator.eks.errors import COMMON, ServiceError

_LABEL = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """One operation's method and path."""

    method: str
    path: re.Pattern[str]
    operation: OperationModel


class Api:
    """One service's model with its routes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._model = ServiceModel(Loader().load_service_model(name, "service-2"), name)
        self._routes = sorted(map(self._route, self._model.operation_names), key=_specific)
        self._statuses = COMMON | {
            shape.name: int(shape.metadata["error"]["httpStatusCode"])
            for shape in self._model.error_shapes
        }

    def operation(self, name: str) -> OperationModel:
        return self._model.operation_model(name)

    def find(self, method: str, raw_path: str) -> tuple[OperationModel, dict[str, str]]:
        """
        The operation of a request, and the labels of its path, decoded.

        An ARN in a path holds an encoded `/`, so the path is matched as it was sent.
        Raises `ServiceError` when no operation has this method and path.
        """
        for route in self._routes:
            match = route.path.fullmatch(raw_path) if route.method == method else None
            if match:
                return route.operation, {k: unquote(v) for k, v in match.groupdict().items()}
        raise ServiceError(
            "UnknownOperationException", f"{self.name} has no operation {method} {raw_path}"
        )

    def status(self, code: str) -> int:
        """The HTTP status of an error; raises `KeyError` for one that nobody knows."""
        return self._statuses[code]

    def _route(self, name: str) -> Route:
        operation = self.operation(name)
        parts = _LABEL.split(operation.http["requestUri"].split("?")[0])
        # Odd ones are labels. An ARN at the end may hold a `/` that a client did not encode.
        pattern = "".join(
            (f"(?P<{part}>.+)" if part.endswith("Arn") and not parts[-1] else f"(?P<{part}>[^/]+)")
            if number % 2
            else re.escape(part)
            for number, part in enumerate(parts)
        )
        return Route(operation.http["method"], re.compile(pattern), operation)


def _specific(route: Route) -> tuple[bool, int, int, int]:
    """
    Fixed paths before those with labels, long ones before short ones.

    Paths that end in an ARN come last, those of more parts first: an ARN takes in
    whatever follows it.
    """
    pattern = route.path.pattern
    ends_in_arn = pattern.endswith(".+)")
    parts = -pattern.count("/") if ends_in_arn else 0
    return ends_in_arn, parts, route.path.groups, -len(pattern)


@cache
def api(name: str) -> Api:
    """Loaded when first asked for: EKS's model takes longer to read than a request to answer."""
    return Api(name)
