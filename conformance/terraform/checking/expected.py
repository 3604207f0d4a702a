"""
The Contract that a Spec must become, worked out without Terraform.

Names and ARNs follow from the Spec; what only AWS can know (ids, versions) is taken
from the Contract in question once its form is right.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.contract import Contract
from conformance.environment import Aws
from conformance.spec import Association, Spec

_ASSOCIATION_ID = re.compile(r"a-[a-z0-9]{16,17}")
_VERSION = re.compile(r"v\d+\.\d+\.\d+-eksbuild\.\d+")


@dataclass(frozen=True)
class Place:
    """Where a stack works, and the names it is given."""

    aws: Aws
    cluster: str
    prefix: str
    run: str = "checked"

    def namespace(self, symbolic: str) -> str:
        """As unique as a world's, without going beyond 63 characters."""
        return symbolic if len(symbolic) == 63 else f"{symbolic}-{self.prefix}"[:63]

    def variables(self, spec: Spec) -> dict[str, object]:
        """The Spec as Terraform gets it here."""
        return spec.variables(
            run=self.run,
            prefix=self.prefix,
            cluster=self.cluster,
            namespaces={name: self.namespace(name) for name in spec.namespaces},
        )


def differences(spec: Spec, contract: Contract, place: Place) -> list[str]:
    """Where the Contract is not what the Spec must become, a line each."""
    wanted = _expected(spec, place)
    found = contract.model_dump(by_alias=True)
    lines: list[str] = []
    _compare("contract", wanted, found, lines)
    return lines


def real_names(spec: Spec, place: Place) -> dict[str, str]:
    """What each reference becomes, and `policy:NAME` (fixtures/terraform/parts/references.tf)."""
    wanted, aws = _expected(spec, place), place.aws
    kinds = ("role", "roles"), ("policy", "policies"), ("bucket", "buckets"), ("table", "tables")
    return {
        **{f"{kind}:{n}": it["arn"] for kind, of in kinds for n, it in wanted[of].items()},
        **{f"queue:{name}": queue["arn"] for name, queue in wanted["queues"].items()},
        **{
            f"external-id:{association.key}": _external_id(association, place)
            for association in spec.associations
        },
        "account:own": aws.account_id,
        "account:other": wanted["other_account_id"],
        "cluster:arn": wanted["cluster"]["arn"],
        "cluster:name": place.cluster,
    }


def _compare(where: str, wanted: Any, found: Any, lines: list[str]) -> None:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in {**wanted, **found}:
            if key not in found or key not in wanted:
                missing = "is missing" if key not in found else "was not asked for"
                lines.append(f"{where}.{key} {missing}")
            else:
                _compare(f"{where}.{key}", wanted[key], found[key], lines)
    elif isinstance(wanted, re.Pattern):
        if not (isinstance(found, str) and wanted.fullmatch(found)):
            lines.append(f"{where} is {found!r}, which has not the form {wanted.pattern}")
    elif wanted != found:
        lines.append(f"{where} is {found!r}, not {wanted!r}")


def _expected(spec: Spec, place: Place) -> dict[str, Any]:
    aws, prefix = place.aws, place.prefix
    ids = {"own": aws.account_id, "other": aws.other.account_id if aws.other else aws.account_id}

    def named(service: str, region: str, account: str, name: str) -> dict[str, Any]:
        resource = name.rpartition("/")[2]
        return {"arn": f"arn:aws:{service}:{region}:{account}:{name}", "name": resource}

    def queue(name: str, account: str) -> dict[str, Any]:
        known = named("sqs", aws.region, account, f"{prefix}-{name}")
        return {**known, "url": re.compile(rf"https?://\S+/{account}/{prefix}-{name}")}

    eks = f"arn:aws:eks:{aws.region}:{aws.account_id}"
    roles = {
        role.name: named("iam", "", ids[role.account], f"role{role.path}{prefix}-{role.name}")
        for role in spec.roles
    }
    return {
        "schema": 1,
        "account_id": aws.account_id,
        "other_account_id": ids["other"],
        "region": aws.region,
        "cluster": {"arn": f"{eks}:cluster/{place.cluster}", "name": place.cluster},
        "roles": roles,
        "policies": {
            policy.name: named("iam", "", aws.account_id, f"policy/{prefix}-{policy.name}")
            for policy in spec.policies
        },
        "buckets": {
            bucket.name: named("s3", "", "", f"{prefix}-{bucket.name}") for bucket in spec.buckets
        },
        "tables": {
            table.name: named(
                "dynamodb", aws.region, aws.account_id, f"table/{prefix}-{table.name}"
            )
            for table in spec.tables
        },
        "queues": {each.name: queue(each.name, ids[each.account]) for each in spec.queues},
        "addons": {
            addon.name: {
                "arn": re.compile(rf"{eks}:addon/{place.cluster}/{addon.name}/[0-9a-f-]{{36}}"),
                "name": addon.name,
                "version": _VERSION,
            }
            for addon in spec.addons
        },
        "associations": {a.key: _association(a, place, roles, eks) for a in spec.associations},
    }


def _association(
    it: Association, place: Place, roles: Mapping[str, Mapping[str, Any]], eks: str
) -> dict[str, Any]:
    namespace = place.namespace(it.namespace)
    target = roles[it.target_role]["arn"] if it.target_role else None
    return {
        "id": _ASSOCIATION_ID,
        "arn": re.compile(
            rf"{eks}:podidentityassociation/{place.cluster}/{_ASSOCIATION_ID.pattern}"
        ),
        "namespace": namespace,
        "service_account": it.service_account,
        "role_arn": roles[it.role]["arn"],
        "target_role_arn": target,
        "disable_session_tags": it.disable_session_tags,
        "external_id": _external_id(it, place) if target else None,
    }


def _external_id(it: Association, place: Place) -> str:
    """EKS user guide, pod-id-assign-target-role."""
    owner = f"{place.aws.region}/{place.aws.account_id}/{place.cluster}"
    return f"{owner}/{place.namespace(it.namespace)}/{it.service_account}"
