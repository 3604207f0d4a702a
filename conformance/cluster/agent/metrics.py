"""
The agent's counters, under the names that dashboards already know.

`cache_state{state="hit"}` counts renewals in the background, not answers served
from the cache. That is AWS's agent, and so it is here.

Source: eks-pod-identity-agent internal/credsretriever/refreshing_cache.go and
pkg/handlers/eks_credential_handler.go.
"""

from collections import Counter

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

HTTP_RESPONSE = "pod_identity_http_response"
CACHE_STATE = "pod_identity_cache_state"
CACHE_ERRORS = "pod_identity_cache_errors"
LOCAL_VALIDATION = "pod_identity_local_validation"

_FAMILIES = {
    CACHE_ERRORS: ("Removing credentials from cache, got non recoverable error", ("code", "type")),
    CACHE_STATE: ("The state of credential in cache", ("state",)),
    HTTP_RESPONSE: ("Pod Identity http response code", ("code",)),
    LOCAL_VALIDATION: (
        "Outcome of local token validation: success, failure, or skipped",
        ("result",),
    ),
}


class Counters:
    """One process's counters; both listeners of an agent share them."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def count(self, family: str, *labels: str) -> None:
        """Add one; labels in the order that `_FAMILIES` gives."""
        self._counts[family, labels] += 1

    def exposition(self) -> str:
        """Prometheus' text format, families and label values sorted."""
        lines: list[str] = []
        for family, (what, names) in _FAMILIES.items():
            series = sorted((key[1], n) for key, n in self._counts.items() if key[0] == family)
            if series:
                lines += [f"# HELP {family} {what}", f"# TYPE {family} counter"]
            for values, number in series:
                pairs = zip(names, values, strict=True)
                labels = ",".join(f'{name}="{value}"' for name, value in pairs)
                lines.append(f"{family}{{{labels}}} {number}")
        return "".join(f"{line}\n" for line in lines)
