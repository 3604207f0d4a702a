"""
Symbolic names made unique, so that worlds, workers and runs never meet.

Everything carries the run and a digest of the world's key. The trap is length:
an IAM role has 64 characters, a bucket and a namespace 63, and EKS cuts a pod's
name to 10 for the session name, so what tells pods apart comes first.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from conformance.contract import Contract
from conformance.errors import UsageError
from conformance.spec import Spec

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Names:
    """The names of one world: `run` of the whole run, `key` of the scenario file."""

    run: str
    key: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()[:4]

    @property
    def prefix(self) -> str:
        """In front of every role and bucket."""
        return f"pi-{self.run}-{self.digest}"

    def namespace(self, symbolic: str) -> str:
        """The real name of a symbolic namespace; at most 63 characters."""
        ending = f"-{self.run}-{self.digest}"
        return symbolic[: 63 - len(ending)] + ending

    def pod(self, symbolic: str) -> str:
        """A fresh pod name that starts with the symbolic one."""
        ending = "".join(secrets.choice(_ALPHABET) for _ in range(5))
        return f"{symbolic[:40]}-{self.digest}-{ending}"


def namespaces_of_others(own: Mapping[str, str], spec: Spec, contract: Contract) -> dict[str, str]:
    """
    The symbolic namespaces whose associations are in a namespace that is not ours.

    They are read by a stack, not made. Raises `UsageError` when one symbolic namespace would be
    several real ones: scenarios put pods of its service accounts beside each other.
    """
    others: dict[str, str] = {}
    for association in spec.associations:
        real = contract.associations[association.key].namespace
        before = others.setdefault(association.namespace, real)
        if before != real:
            raise UsageError(
                f"namespace {association.namespace}: its associations are in two namespaces",
                saw=f"{before} and {real}",
                try_="name associations of one namespace in the file of --stack brownfield=FILE",
            )
    return {symbolic: real for symbolic, real in others.items() if real != own[symbolic]}
