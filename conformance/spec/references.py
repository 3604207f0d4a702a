"""
References inside a Spec: to things that get their real names later.

| written | becomes | as a resource |
|---|---|---|
| `bucket:NAME`, `bucket:NAME/KEY` | the bucket's ARN, with `/KEY` | yes |
| `table:NAME`, `table:NAME/index/INDEX` | the table's ARN, with the rest | yes |
| `queue:NAME` | the queue's ARN | yes |
| `role:NAME` | the role's ARN | yes |
| `external-id:NAMESPACE/ACCOUNT` | what EKS passes as `sts:ExternalId` for that association | no |
| `account:own`, `account:other` | the account's id | no |
| `cluster:arn` | the cluster's ARN | yes |
| `cluster:name` | the cluster's name | no |

Terraform resolves them (fixtures/terraform/parts/references.tf), in resources of
statements and in condition values that are a reference as a whole. They are checked
here, because in Terraform a reference to nothing is just a text.

`{namespace:NAME}` and `{organization}` anywhere in a text are replaced before that, by the
world: the real namespace, and the id of the organization that the account belongs to.

Source of the external id's form: EKS user guide, pod-id-assign-target-role.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from conformance.errors import SpecError
from conformance.spec.checked import unknown

_REFERENCE = re.compile(r"(bucket|table|queue|role|external-id|account|cluster):([^/]*)(.*)", re.S)
_IN_RESOURCES = ("bucket", "table", "queue", "role", "cluster")
_WITH_REST = {"bucket": re.compile(r"(/.*)?", re.S), "table": re.compile(r"(/index/.+)?", re.S)}
_NOTHING_MORE = re.compile("")

ORGANIZATION = "{organization}"
_NAMESPACE = re.compile(r"\{namespace:([^}]*)\}")

_FORM = "an ARN, '*', bucket:NAME/KEY, table:NAME, queue:NAME, role:NAME or cluster:arn"

Known = Mapping[str, Collection[str]]
"""By kind of reference, the names there are."""


def check_resource(where: str, text: str, known: Known) -> None:
    """Raise `SpecError` unless the text can stand in `resources` and names what there is."""
    if text == "*" or text.startswith("arn:"):
        return
    found = _REFERENCE.fullmatch(text)
    if found is None or found[1] not in _IN_RESOURCES:
        raise SpecError(f"{where}: resource is no reference", saw=repr(text), try_=_FORM)
    kind, name, rest = found.groups()
    if text == "cluster:name":
        raise SpecError(f"{where}: a name is no resource", saw=repr(text), try_="cluster:arn")
    if name not in known[kind]:
        unknown(f"{where}.resources", kind, name, known[kind])
    if not _WITH_REST.get(kind, _NOTHING_MORE).fullmatch(rest):
        raise SpecError(f"{where}: {kind} has no such part", saw=repr(text), try_=_FORM)


def check_value(where: str, text: str, known: Known) -> None:
    """Raise `SpecError` when a condition value is a reference to what is not there."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return
    kind = found[1]
    name = text.partition(":")[2] if kind == "external-id" else found[2]
    if name not in known[kind]:
        unknown(f"{where}.conditions", kind, name, known[kind])


def accounts_in(texts: Iterable[str]) -> set[str]:
    """Which accounts (`own`, `other`) the texts refer to as `account:...`."""
    return {text.partition(":")[2] for text in texts if text.startswith("account:")}


def with_namespaces(text: str, namespaces: Mapping[str, str]) -> str:
    """The text with real names for `{namespace:NAME}`; raises `SpecError` for an unknown one."""

    def real(match: re.Match[str]) -> str:
        if match[1] not in namespaces:
            unknown("Spec", "namespace", match[1], list(namespaces))
        return namespaces[match[1]]

    return _NAMESPACE.sub(real, text)
