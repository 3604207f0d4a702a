from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.audit import Node, Snapshot, reading
from conformance.environment import Aws, Cluster
from conformance.errors import HarnessError, UsageError
from conformance.world import aws_calls

CLUSTER = Cluster(
    name="prod", arn="arn:aws:eks:eu-west-1:1:cluster/prod", kubeconfig=Path("k"), context="prod"
)
ROLE = "arn:aws:iam::1:role/team/reader"
TRUST = {"Statement": [{"Effect": "Allow"}]}
READING = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:a"}}


def refused(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


READS = ("get_", "list_", "describe_")


class Stub:
    """Answers reads by operation's name; a page is an answer, an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Any:
        assert operation == "paginate" or operation.startswith(READS), f"{operation} is no read"

        def call(**_: Any) -> Any:
            answer = self._answers[operation]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation: str) -> "Stub":
        assert operation.startswith(READS), f"{operation} is no read"
        answer = self._answers[operation]
        return Stub(paginate=answer if isinstance(answer, Exception) else [answer])


def associated(namespace: str, id_: str = "a-1") -> dict[str, str]:
    return {"namespace": namespace, "serviceAccount": "web", "associationId": id_, "roleArn": ROLE}


def of_kube(path: str) -> list[dict[str, Any]]:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    fargate = {"eks.amazonaws.com/compute-type": "fargate"}
    table: dict[str, list[dict[str, Any]]] = {
        "/api/v1/serviceaccounts": [{"metadata": {"name": "web", "namespace": "shop"}}],
        "/api/v1/pods": [
            {"metadata": {"name": name, "namespace": name}, "spec": {}} for name in ("shop", "dev")
        ],
        "/api/v1/namespaces/kube-system/pods": [
            {"spec": {"nodeName": "n1"}, "status": ready},
            {"spec": {"nodeName": "n2"}, "status": {}},
        ],
        "/api/v1/nodes": [
            {"metadata": {"name": "n1"}, "spec": {"providerID": "aws:///eu-west-1a/i-1"}},
            {
                "metadata": {"name": "n2", "labels": {"imds.conformance/hop-limit": "2"}},
                "spec": {"providerID": "aws:///eu-west-1b/i-2"},
            },
            {"metadata": {"name": "f1", "labels": fargate}, "spec": {}},
        ],
        "/api/v1/namespaces": [{"metadata": {"name": name}} for name in ("shop", "dev", "empty")],
    }
    return table[path]


SERVICES: dict[str, dict[str, Any]] = {
    "eks": {
        "list_pod_identity_associations": {"associations": [associated("shop")]},
        "describe_pod_identity_association": {"association": associated("shop")},
    },
    "iam": {
        "list_role_policies": {"PolicyNames": ["own"]},
        "get_role_policy": {"PolicyDocument": READING},
        "list_attached_role_policies": {
            "AttachedPolicies": [{"PolicyName": "shared", "PolicyArn": "arn:p"}]
        },
        "get_policy": {"Policy": {"DefaultVersionId": "v2"}},
        "get_policy_version": {"PolicyVersion": {"Document": READING}},
        "get_role": {"Role": {"AssumeRolePolicyDocument": TRUST}},
    },
    "ec2": {
        "describe_instances": {
            "Reservations": [
                {
                    "Instances": [
                        {
                            "InstanceId": "i-1",
                            "MetadataOptions": {
                                "HttpPutResponseHopLimit": 2,
                                "HttpTokens": "optional",
                                "HttpEndpoint": "enabled",
                            },
                        },
                        {
                            "InstanceId": "i-2",
                            "MetadataOptions": {
                                "HttpPutResponseHopLimit": 64,
                                "HttpTokens": "optional",
                                "HttpEndpoint": "disabled",
                            },
                        },
                    ]
                }
            ]
        }
    },
}


class ReadOnly:
    """Answers like a cluster of `of_kube`, and refuses whatever would change one."""

    def __init__(self, *_: Any) -> None: ...

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        return {"items": of_kube(path)}

    def __getattr__(self, method: str) -> Any:
        raise AssertionError(f"the audit makes a {method} request of the cluster")


def read(
    monkeypatch: pytest.MonkeyPatch,
    *,
    endpoint: str | None = None,
    namespaces: tuple[str, ...] = (),
    **changed: dict[str, Any],
) -> Snapshot:
    def client(_: Aws, service: str, **_config: Any) -> Stub:
        return Stub(**SERVICES[service] | changed.get(service, {}))

    monkeypatch.setattr(reading, "Kube", ReadOnly)
    monkeypatch.setattr(aws_calls, "client", client)
    aws = Aws(region="eu-west-1", account_id="1", endpoint=endpoint)
    return reading.read(aws, CLUSTER, namespaces=namespaces)


def test_role_has_its_trust_and_all_its_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = read(monkeypatch)

    assert snapshot.roles[ROLE].trust == TRUST
    assert snapshot.roles[ROLE].policies == {"own": READING, "shared": READING}
    assert snapshot.unread == ()


def test_target_role_is_read_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    chained = associated("shop") | {"targetRoleArn": "arn:aws:iam::1:role/target"}
    eks = {"describe_pod_identity_association": {"association": chained}}
    snapshot = read(monkeypatch, eks=eks)

    assert [role.name for role in snapshot.roles.values()] == ["reader", "target"]
    assert snapshot.associations[0].roles == (ROLE, "arn:aws:iam::1:role/target")


def test_target_role_of_another_account_is_said_to_be_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chained = associated("shop") | {"targetRoleArn": "arn:aws:iam::2:role/reader"}
    eks = {"describe_pod_identity_association": {"association": chained}}
    snapshot = read(monkeypatch, eks=eks)

    assert list(snapshot.roles) == [ROLE]
    assert snapshot.unread == ("role reader: it is of account 2, to be read there",)


def test_only_the_namespaces_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read(monkeypatch).pods) == 2
    snapshot = read(monkeypatch, namespaces=("dev",))

    assert [pod["metadata"]["namespace"] for pod in snapshot.pods] == ["dev"]
    assert snapshot.associations == ()


def test_namespace_that_is_only_an_associations_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    eks = {
        "list_pod_identity_associations": {"associations": [associated("early")]},
        "describe_pod_identity_association": {"association": associated("early")},
    }
    snapshot = read(monkeypatch, namespaces=("early",), eks=eks)

    assert [each.namespace for each in snapshot.associations] == ["early"]


def test_namespace_that_is_empty_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, namespaces=("empty",)).pods == ()


@pytest.mark.parametrize("typo", ["shpo", "", "Shop"])
def test_namespace_that_is_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch, typo: str) -> None:
    with pytest.raises(UsageError, match=f"no such namespace: '{typo}'"):
        read(monkeypatch, namespaces=("shop", typo))


def test_calls_can_be_told_in_cloudtrail(monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[Any] = []

    def client(_: Aws, service: str, config: Any) -> Stub:
        configs.append(config)
        return Stub(**SERVICES[service])

    monkeypatch.setattr(reading, "Kube", ReadOnly)
    monkeypatch.setattr(aws_calls, "client", client)
    reading.read(Aws(region="eu-west-1", account_id="1"), CLUSTER)

    assert {config.user_agent_extra for config in configs} == {reading.USER_AGENT}
    assert len(configs) == len(SERVICES)


def test_nodes_say_what_ec2_says_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch).nodes == (
        Node("n1", agent=True, hop_limit=2, tokens_required=False),
        # Its metadata service is switched off; its agent is not ready.
        Node("n2", agent=False, hop_limit=1, tokens_required=True),
        Node("f1", agent=False, needs_agent=False),
    )


def test_emulated_nodes_say_it_by_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = read(monkeypatch, endpoint="http://127.0.0.1:1").nodes

    assert [node.hop_limit for node in nodes] == [1, 2, 1]


def test_what_is_refused_is_said_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = read(
        monkeypatch,
        iam={"get_role": refused("GetRole")},
        ec2={"describe_instances": refused("DescribeInstances")},
    )

    assert snapshot.roles == {}
    assert snapshot.unread == (
        "role reader: AccessDenied: no",
        "instances of the nodes: AccessDenied: no",
    )
    assert {node.hop_limit for node in snapshot.nodes} == {None}


def test_without_associations_there_is_nothing_to_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = {"list_pod_identity_associations": refused("ListPodIdentityAssociations")}

    with pytest.raises(HarnessError, match="cannot be listed"):
        read(monkeypatch, eks=denied)
