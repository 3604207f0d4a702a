import json
from dataclasses import replace
from typing import Any

import pytest

from conformance.audit import CHECKS, Association, Finding, Node, Role, Snapshot, audit
from conformance.probes.injected import ADDRESS_VARIABLE, TOKEN_VARIABLE

CLUSTER = "arn:aws:eks:eu-west-1:111122223333:cluster/prod"
ARN = "arn:aws:iam::111122223333:role/team/reader"
WEB = Association(id="a-1", namespace="shop", service_account="web", role_arn=ARN)
INJECTED = [{"name": ADDRESS_VARIABLE, "value": "u"}, {"name": TOKEN_VARIABLE, "value": "f"}]
NARROW = {
    "ArnEquals": {"aws:SourceArn": CLUSTER},
    "StringEquals": {"aws:RequestTag/kubernetes-namespace": "shop"},
}


def found(check: str, **read: Any) -> list[Finding]:
    (one,) = (each for each in CHECKS if each.id == check)
    given: dict[str, Any] = {"associations": (WEB,), **read}
    return audit(Snapshot(cluster=CLUSTER, **given), (one,))


def pod(name: str = "web-1", **changed: Any) -> dict[str, Any]:
    containers = [{"name": "app", "env": changed.pop("env", INJECTED)}]
    spec = {"serviceAccountName": "web", "containers": containers, **changed.pop("spec", {})}
    return {
        "metadata": {"name": name, "namespace": "shop", **changed},
        "spec": spec,
        "status": {"phase": "Running"},
    }


def role(condition: dict[str, Any] | None = None, **policies: Any) -> dict[str, Role]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Condition": condition or {},
    }
    return {ARN: Role(arn=ARN, trust={"Statement": [statement]}, policies=policies)}


def owned_by(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def test_ids_are_there_once() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)


def test_good_cluster_has_no_findings() -> None:
    reading = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:a"}}
    snapshot = Snapshot(
        cluster=CLUSTER,
        associations=(WEB,),
        roles=role(NARROW, reading=reading),
        service_accounts=({"metadata": {"namespace": "shop", "name": "web"}},),
        pods=(pod(),),
        nodes=(Node("n1", agent=True, hop_limit=1),),
    )

    assert audit(snapshot) == []


def test_association_of_default_names_how_to_delete_it() -> None:
    (finding,) = found(
        "default-account", associations=(WEB, replace(WEB, id="a-2", service_account="default"))
    )

    assert finding.object == "Association shop/default"
    assert "--cluster-name prod --association-id a-2" in finding.fix


def test_two_workloads_of_one_account_are_named() -> None:
    pods = (
        pod("web-5d-x", **owned_by("ReplicaSet", "web-5d4f")),
        pod("web-5d-y", **owned_by("ReplicaSet", "web-77aa")),
        pod("report-1-x", **owned_by("Job", "report-28784")),
        pod("report-2-x", **owned_by("Job", "report-28785")),
    )
    (finding,) = found("one-purpose", pods=pods)

    assert finding.object == "ServiceAccount shop/web"
    assert "2 workloads" in finding.says
    assert "Job report, ReplicaSet web" in finding.says


def test_pods_that_nobody_named_are_not_counted() -> None:
    assert found("one-purpose", pods=(pod("a"), pod("b", labels={"app": "web"}))) == []


def test_wildcard_names_role_and_policy() -> None:
    wide = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    (finding,) = found("wildcard", roles=role(NARROW, all=wide))

    assert finding.object == "Role reader"
    assert finding.says == "policy all: Action s3:* on *"


def test_wide_trust_gets_the_conditions_that_are_missing() -> None:
    (finding,) = found("wide-trust", roles=role())

    assert finding.says.endswith("for any cluster and any namespace")
    assert json.loads(finding.fix.partition(": ")[2]) == NARROW


def test_trust_that_is_narrowed_by_half_is_told_the_other() -> None:
    (finding,) = found("wide-trust", roles=role({"ArnEquals": NARROW["ArnEquals"]}))

    assert finding.says.endswith("for any namespace")
    assert "aws:SourceArn" not in finding.fix


TARGET = "arn:aws:iam::111122223333:role/target"
CHAINED = replace(WEB, target_role_arn=TARGET)


def target(principal: Any, condition: dict[str, Any] | None = None, **policies: Any) -> Any:
    statement = {"Effect": "Allow", "Principal": principal, "Condition": condition or {}}
    trust = {"Statement": [statement]}
    return {**role(NARROW), TARGET: Role(arn=TARGET, trust=trust, policies=policies)}


def test_wildcard_of_a_target_role_is_found() -> None:
    wide = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    roles = target({"AWS": ARN}, all=wide)
    (finding,) = found("wildcard", associations=(CHAINED,), roles=roles)

    assert finding.object == "Role target"


@pytest.mark.parametrize(
    ("principal", "who"),
    [
        ("*", "any account"),
        ({"AWS": "111122223333"}, "account 111122223333"),
        ({"AWS": [ARN, "arn:aws:iam::111122223333:root"]}, "account 111122223333"),
    ],
)
def test_target_role_that_is_open_to_an_account_is_told_whom_to_name(
    principal: Any, who: str
) -> None:
    # Whoever trusts everybody trusts EKS as well, which is another finding.
    finding = found("wide-trust", associations=(CHAINED,), roles=target(principal))[-1]

    assert f"anybody of {who} assume it" in finding.says
    assert json.loads(finding.fix.partition(": ")[2]) == {"ArnEquals": {"aws:PrincipalArn": ARN}}


def test_target_role_that_names_its_caller_is_narrow() -> None:
    named = {"ArnEquals": {"aws:PrincipalArn": ARN}}
    for roles in (target({"AWS": ARN}), target({"AWS": "111122223333"}, named)):
        assert found("wide-trust", associations=(CHAINED,), roles=roles) == []


def test_role_that_is_nobodys_target_may_trust_an_account() -> None:
    roles = target({"AWS": "111122223333"})

    assert found("wide-trust", associations=(WEB, replace(WEB, role_arn=TARGET)), roles=roles) == []


def test_without_session_tags_no_tag_is_asked_for() -> None:
    untagged = replace(WEB, session_tags=False)
    roles = role({"ArnEquals": NARROW["ArnEquals"]})

    assert found("wide-trust", associations=(untagged,), roles=roles) == []


def test_role_that_was_not_read_is_no_finding() -> None:
    assert found("wide-trust") == found("wildcard") == []


def test_annotation_of_irsa_is_a_finding_beside_an_association_only() -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/old"}
    accounts = tuple(
        {"metadata": {"namespace": "shop", "name": name, "annotations": annotations}}
        for name in ("web", "irsa")
    )
    (finding,) = found("irsa-left-over", service_accounts=accounts)

    assert finding.object == "ServiceAccount shop/web"
    assert finding.fix.endswith("annotate serviceaccount web eks.amazonaws.com/role-arn-")


def test_keys_are_found_by_name_and_never_told() -> None:
    env = [
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "AWS_SECRET_ACCESS_KEY", "value": "a-secret-that-must-not-be-told"},
    ]
    (finding,) = found("static-keys", pods=(pod(env=env),))

    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in finding.says
    assert "a-secret" not in str(finding)


def test_pod_that_was_missed_is_found() -> None:
    (finding,) = found("not-injected", pods=(pod(), pod("old", env=[])))

    assert finding.object == "Pod shop/old"
    assert finding.fix.endswith("kubectl -n shop delete pod old")


def test_pod_that_asked_to_be_left_alone_was_not_missed() -> None:
    pods = (
        pod("out", env=[], labels={"eks.amazonaws.com/skip-pod-identity-webhook": "true"}),
        pod("skipped", env=[], annotations={"eks.amazonaws.com/skip-containers": "x, app"}),
        pod("other", env=[], spec={"serviceAccountName": "other"}),
        {**pod("over", env=[]), "status": {"phase": "Succeeded"}},
    )

    assert found("not-injected", pods=pods) == []


def test_init_containers_are_looked_at() -> None:
    spec = {"initContainers": [{"name": "migrate"}]}
    (finding,) = found("not-injected", pods=(pod(spec=spec),))

    assert "container migrate was not injected" in finding.says


def test_open_metadata_service_says_why() -> None:
    nodes = (
        Node("n1", agent=True, hop_limit=2),
        Node("n2", agent=True, hop_limit=1, tokens_required=False),
        Node("n3", agent=True),
    )
    told = {finding.object: finding.says for finding in found("open-imds", nodes=nodes)}

    assert list(told) == ["Node n1", "Node n2"]
    assert "hop limit 2" in told["Node n1"]
    assert "IMDSv1" in told["Node n2"]


def test_node_without_agent_is_found_where_one_belongs() -> None:
    nodes = (Node("n1", agent=False), Node("fargate", agent=False, needs_agent=False))

    assert [finding.object for finding in found("no-agent", nodes=nodes)] == ["Node n1"]
