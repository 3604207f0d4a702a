"""
What AWS has of a Spec, beside what the stack says of it.

The Contract has names and ARNs, and a second plan is empty also for a stack that leaves
things out; so tags, trust and policies, session policies and contents are asked of AWS.
What a stack makes besides is its own affair, but has to bear the run's tag: nothing else
finds it when a run was killed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from conformance.spec import Spec
from conformance.spec.checked import RUN_TAG
from conformance.terraform.checking.behind import Behind
from conformance.terraform.checking.documents import document, sayings
from conformance.terraform.checking.expected import Place, real_names
from conformance.terraform.checking.tagged import tagged
from conformance.terraform.provider.connection import found

_REFERENCE: Final = re.compile(r"([a-z]+:[a-z0-9-]+)(.*)", re.S)
_ABSENT: Final = ("NoSuchBucketPolicy", "NoSuchKey")

Values = Mapping[str, Any]


def unlike(spec: Spec, place: Place, behind: Behind) -> list[str]:
    """Where AWS has something else than the Spec asks for, a line each."""
    return list(_Realised(spec, place, behind).lines())


class _Realised:
    def __init__(self, spec: Spec, place: Place, behind: Behind) -> None:
        self._place, self._behind = place, behind
        self._wanted: dict[str, Any] = place.variables(spec)
        self._names = real_names(spec, place)

    def lines(self) -> Iterator[str]:
        yield from self._tags()
        looks: dict[str, Callable[[str, Values], Iterator[str]]] = {
            "roles": self._role,
            "policies": self._policy,
            "buckets": self._bucket,
            "tables": self._table,
            "queues": self._queue,
            "addons": self._addon,
            "associations": self._association,
        }
        for kind, look in looks.items():
            for name, wanted in self._wanted[kind].items():
                try:
                    yield from look(name, wanted)
                except ClientError as error:
                    yield f"{kind}.{name}: {error}"

    # --- tags

    def _tags(self) -> Iterator[str]:
        """Of everything that has a name of ours, asked for or not."""
        for account in ("own", "other") if self._place.aws.other else ("own",):
            for kind, name, tags in tagged(self._behind.of(account), self._place.prefix):
                symbolic = name.removeprefix(f"{self._place.prefix}-")
                wanted = self._wanted[kind].get(symbolic, {}).get("tags", {})
                yield from self._lacking(f"{kind}.{symbolic}", wanted, tags)

    def _lacking(self, where: str, wanted: Values, tags: Values) -> Iterator[str]:
        for key, value in {RUN_TAG: self._place.run, **wanted}.items():
            yield from _differs(f"{where}, tag {key!r}", value, tags.get(key))

    # --- each kind

    def _role(self, name: str, wanted: Values) -> Iterator[str]:
        iam, real = self._client(wanted, "iam"), {"RoleName": self._real(name)}
        trust = iam.get_role(**real)["Role"]["AssumeRolePolicyDocument"]
        yield from _documents(f"roles.{name}, trust policy", self._trust(wanted), trust)
        granted: set[str] = set()
        for policy in iam.list_role_policies(**real)["PolicyNames"]:
            granted |= sayings(iam.get_role_policy(PolicyName=policy, **real)["PolicyDocument"])
        arns = {*wanted["managed_policies"], *(self._arn("policy", p) for p in wanted["policies"])}
        attached = iam.list_attached_role_policies(**real)["AttachedPolicies"]
        listed = {each["PolicyArn"] for each in attached}
        # Some make a policy of their own of what others write into the role.
        for arn in {arn for arn in listed - arns if ":iam::aws:" not in arn}:
            granted |= sayings(_policy_document(iam, arn))
            listed.remove(arn)
        yield from _sets(f"roles.{name}, policies", arns, listed)
        said = sayings(self._document(wanted["statements"]))
        yield from _sets(f"roles.{name}, permissions", said, granted)

    def _policy(self, name: str, wanted: Values) -> Iterator[str]:
        told = _policy_document(self._client(wanted, "iam"), self._arn("policy", name))
        where = f"policies.{name}, permissions"
        yield from _documents(where, self._document(wanted["statements"]), told)

    def _bucket(self, name: str, wanted: Values) -> Iterator[str]:
        s3, real = self._client(wanted, "s3"), {"Bucket": self._real(name)}
        policy = found(_ABSENT, s3.get_bucket_policy, **real) or {}
        told = self._document(wanted["statements"])
        yield from _documents(f"buckets.{name}, policy", told, policy.get("Policy"))
        for key, content in wanted["objects"].items():
            answer = found(_ABSENT, s3.get_object, Key=key, **real)
            body = answer["Body"].read().decode() if answer else None
            yield from _differs(f"buckets.{name}, object {key!r}", content, body)

    def _table(self, name: str, wanted: Values) -> Iterator[str]:
        table = self._client(wanted, "dynamodb").describe_table(TableName=self._real(name))["Table"]
        keys = [wanted["hash_key"], *filter(None, [wanted["range_key"]])]
        yield from _differs(f"tables.{name}, keys", keys, _keys(table))
        indexes = {
            each["IndexName"]: _keys(each) for each in table.get("GlobalSecondaryIndexes", [])
        }
        asked = {index: [key] for index, key in wanted["indexes"].items()}
        yield from _differs(f"tables.{name}, indexes", asked, indexes)

    def _queue(self, name: str, wanted: Values) -> Iterator[str]:
        sqs = self._client(wanted, "sqs")
        url = sqs.get_queue_url(QueueName=self._real(name))["QueueUrl"]
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        seconds = str(wanted["visibility_seconds"])
        where = f"queues.{name}"
        yield from _differs(f"{where}, visibility", seconds, told["VisibilityTimeout"])
        document_ = self._document(wanted["statements"])
        yield from _documents(f"{where}, policy", document_, told.get("Policy"))

    def _addon(self, name: str, wanted: Values) -> Iterator[str]:
        eks = self._client(wanted, "eks")
        addon = eks.describe_addon(clusterName=self._place.cluster, addonName=name)["addon"]
        yield from self._lacking(f"addons.{name}", wanted["tags"], addon.get("tags", {}))
        given = wanted["configuration"] or None
        yield from _differs(
            f"addons.{name}, configuration", given, addon.get("configurationValues")
        )
        ids = [arn.rpartition("/")[2] for arn in addon.get("podIdentityAssociations", [])]
        owned = [self._described(eks, each) for each in ids]
        asked = {account: self._arn("role", r) for account, r in wanted["associations"].items()}
        roles = {each["serviceAccount"]: each["roleArn"] for each in owned}
        yield from _differs(f"addons.{name}, associations", asked, roles)

    def _association(self, key: str, wanted: Values) -> Iterator[str]:
        eks, where = self._client(wanted, "eks"), f"associations.{key}"
        place = {"namespace": wanted["namespace"], "serviceAccount": wanted["service_account"]}
        listed = eks.list_pod_identity_associations(clusterName=self._place.cluster, **place)
        if not listed["associations"]:
            yield f"{where} is not there"
            return
        told = self._described(eks, listed["associations"][0]["associationId"])
        yield from self._lacking(where, wanted["tags"], told.get("tags", {}))
        target = wanted["target_role"]
        asked = {
            "roleArn": self._arn("role", wanted["role"]),
            "targetRoleArn": self._arn("role", target) if target else None,
            "disableSessionTags": wanted["disable_session_tags"],
        }
        for name, value in asked.items():
            yield from _differs(f"{where}, {name}", value, told.get(name))
        policy = self._document(wanted["policy"])
        yield from _documents(f"{where}, policy", policy, told.get("policy"))

    # --- as AWS names it

    def _client(self, wanted: Values, service: str) -> Any:
        return self._behind.of(wanted.get("account", "own")).client(service)

    def _described(self, eks: Any, id_: str) -> dict[str, Any]:
        answer = eks.describe_pod_identity_association(
            clusterName=self._place.cluster, associationId=id_
        )
        association: dict[str, Any] = answer["association"]
        return association

    def _real(self, name: str) -> str:
        return f"{self._place.prefix}-{name}"

    def _arn(self, kind: str, name: str) -> str:
        return self._names[f"{kind}:{name}"]

    def _text(self, text: str) -> str:
        """As fixtures/terraform/parts/references.tf resolves it."""
        if text in self._names:
            return self._names[text]
        reference = _REFERENCE.fullmatch(text)
        known = self._names.get(reference[1]) if reference else None
        return f"{known}{reference[2]}" if known and reference else text

    def _document(self, statements: Iterable[Values]) -> dict[str, Any]:
        return document(self._resolved(each) for each in statements)

    def _trust(self, wanted: Values) -> dict[str, Any]:
        return document(
            {**self._resolved(each), "principals": self._principals(each)}
            for each in wanted["trust"]
        )

    def _resolved(self, it: Values) -> dict[str, Any]:
        conditions = [
            {**one, "values": [self._text(value) for value in one["values"]]}
            for one in it["conditions"]
        ]
        resources = [self._text(resource) for resource in it.get("resources", ())]
        principals = self._principals(it) if "anyone" in it else {}
        return {**it, "conditions": conditions, "resources": resources, "principals": principals}

    def _principals(self, it: Values) -> Any:
        if it.get("anyone"):
            return "*"
        accounts = [self._names[f"account:{account}"] for account in it["accounts"]]
        mine = [*(self._arn("role", role) for role in it["roles"]), *accounts]
        return {"Service": it.get("services", []), "AWS": mine}


def _policy_document(iam: Any, arn: str) -> Any:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)
    return answer["PolicyVersion"]["Document"]


def _keys(of: Values) -> list[str]:
    return [key["AttributeName"] for key in of["KeySchema"]]


def _documents(where: str, wanted: Any, told: Any) -> Iterator[str]:
    yield from _sets(where, sayings(wanted), sayings(told))


def _sets(where: str, wanted: Iterable[str], told: Iterable[str]) -> Iterator[str]:
    yield from (f"{where}: lacks {each}" for each in sorted({*wanted} - {*told}))
    yield from (f"{where}: has besides {each}" for each in sorted({*told} - {*wanted}))


def _differs(where: str, wanted: Any, told: Any) -> Iterator[str]:
    if wanted != told:
        yield f"{where}: AWS has {told!r}, not {wanted!r}"
