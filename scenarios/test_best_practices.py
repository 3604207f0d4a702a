"""
The posture of a cluster, as `conformance audit` finds it.

One of each bad thing is planted beside a good twin. What is found must name the bad one,
and what is not found must be the twin: an audit that warns of everything is as useless as
one that warns of nothing. No pod runs for it; posture is what can be read.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import pytest

from conformance.audit import Finding, Snapshot, audit
from conformance.audit.findings import shown
from conformance.audit.reading import USER_AGENT, read
from conformance.environment import Capability
from conformance.errors import HarnessError
from conformance.probes import blaming
from conformance.requirements.best_practices import (
    AGENT_IS_ON_EVERY_NODE,
    AUDIT_ONLY_READS,
    EVERY_POD_WAS_INJECTED,
    IMDS_IS_CLOSED_TO_PODS,
    NO_ASSOCIATION_FOR_DEFAULT,
    NO_IRSA_LEFT_OVER,
    NO_STATIC_KEYS_IN_PODS,
    NO_WILDCARD_PERMISSION,
    ONE_ACCOUNT_ONE_PURPOSE,
    OWN_NODES_ARE_SOUND,
    TARGET_ROLES_ARE_LOOKED_AT,
    TRUST_IS_NARROWED,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Bucket, Condition, Role, Spec, Statement, Trust
from conformance.stages import Stage
from conformance.world import World
from conformance.world.another_cluster import ROLES, another_cluster
from conformance.world.probing import Pod
from conformance.world.trail import Event, look_up

GOOD, BAD = "posture-good", "posture-bad"
WEB, LATE, KEYS = "posture-web", "posture-late", "posture-keys"
CHAINED = "posture-chained"
"""A namespace for target roles, the good one and the bad one."""
WIDE = Statement(actions=("s3:*",), resources=("*",))

SPEC = Spec(
    roles=(
        Role(
            name="narrow",
            statements=(Statement(actions=("s3:GetObject",), resources=("bucket:data/*",)),),
            trust=(
                Trust(
                    conditions=(
                        Condition(
                            test="ArnEquals", variable="aws:SourceArn", values=("cluster:arn",)
                        ),
                        Condition(
                            test="StringEquals",
                            variable="aws:RequestTag/kubernetes-namespace",
                            values=(f"{{namespace:{GOOD}}}",),
                        ),
                    )
                ),
            ),
        ),
        Role(name="wide", statements=(WIDE,)),
        Role(name="target-narrow", trust=(Trust(roles=("narrow",)),)),
        Role(name="target-wide", statements=(WIDE,), trust=(Trust(accounts=("own",)),)),
        *ROLES,
    ),
    buckets=(Bucket(name="data", objects={}),),
    associations=(
        Association(namespace=GOOD, service_account=WEB, role="narrow"),
        Association(namespace=BAD, service_account=WEB, role="wide"),
        Association(namespace=BAD, service_account="default", role="wide"),
    ),
)

SECRET = "a-value-that-no-finding-may-tell"  # noqa: S105 - planted


class Audited(NamedTuple):
    """What was read, and what was found in it."""

    since: datetime
    snapshot: Snapshot
    findings: list[Finding]
    pods: Mapping[str, Pod] = {}
    """The bad ones that were planted, by service account."""

    def of(self, check: str) -> list[Finding]:
        return [each for each in self.findings if each.check == check]

    def only(self, check: str) -> Finding:
        """The one finding there must be."""
        found = self.of(check)
        assert len(found) == 1
        return found[0]


def audited(world: World, *namespaces: str) -> Audited:
    environment = world.environment
    real = [world.namespace(name) for name in namespaces]
    since = world.now()
    snapshot = read(environment.aws, environment.cluster, namespaces=real)
    findings = audit(snapshot)
    world.show("the cluster", shown(findings))
    return Audited(since, snapshot, findings)


def of_audits(world: World, attribute: str, value: str, *, since: datetime) -> list[Event]:
    """Events of audits, this one's among them."""
    found = look_up(world, attribute, value, since=since)
    return [event for event in found if USER_AGENT in event["userAgent"]]


def associate(world: World, namespace: str, account: str, role: str, *, target: str = "") -> None:
    """By hand: one is made late, and not every stack knows target roles."""
    roles = world.contract.roles
    world.eks(
        "create_pod_identity_association",
        namespace=world.namespace(namespace),
        serviceAccount=account,
        roleArn=roles[role].arn,
        **({"targetRoleArn": roles[target].arn} if target else {}),
    )


@pytest.fixture(scope="module")
def planted(world: World) -> Audited:
    """Pods of both namespaces; the good ones first, then one of everything that is wrong."""
    world.stand_in(GOOD, WEB, labels={"app": "web"})
    world.stand_in(GOOD, KEYS)
    role = world.contract.roles["narrow"].arn
    world.service_account(BAD, WEB, {"eks.amazonaws.com/role-arn": role})
    for app in ("web", "report"):
        world.stand_in(BAD, WEB, labels={"app": app})
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    with_keys = {
        "name": "app",
        "image": "busybox",
        "env": [{"name": name, "value": value} for name, value in keys.items()],
    }
    pods = {
        KEYS: world.stand_in(BAD, KEYS, containers=[with_keys]),
        # The pod first: the webhook looks at it once, and there is no association yet.
        LATE: world.stand_in(BAD, LATE),
    }
    associate(world, BAD, LATE, "wide")
    found = audited(world, GOOD, BAD)
    subjects = {each.subject for each in found.snapshot.associations}
    if f"{world.namespace(GOOD)}/{WEB}" not in subjects or len(found.snapshot.pods) != 6:
        raise HarnessError("audit read what was planted", saw=f"{subjects}, {found.snapshot.pods}")
    return found._replace(pods=pods)


class Planted(NamedTuple):
    """Where a bad thing lies, what its finding must say, and what its fix."""

    check: str
    object: str
    says: str
    fix: str
    stage: Stage


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(
            Planted(
                "default-account",
                "Association {bad}/default",
                "names no service account",
                "aws eks delete-pod-identity-association",
                Stage.EKS_AUTH,
            ),
            id="default-account",
            marks=proves(NO_ASSOCIATION_FOR_DEFAULT, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted(
                "one-purpose",
                f"ServiceAccount {{bad}}/{WEB}",
                "2 workloads act as {wide} by it: report, web",
                "a service account and an association for each",
                Stage.IAM,
            ),
            id="one-purpose",
            marks=proves(ONE_ACCOUNT_ONE_PURPOSE, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted("wildcard", "Role {wide}", "Action s3:*", "name the actions", Stage.IAM),
            id="wildcard",
            marks=proves(NO_WILDCARD_PERMISSION, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted(
                "wide-trust",
                "Role {wide}",
                "any cluster and any namespace",
                '"aws:RequestTag/kubernetes-namespace": "{bad}"',
                Stage.STS,
            ),
            id="wide-trust",
            marks=proves(TRUST_IS_NARROWED, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted(
                "irsa-left-over",
                f"ServiceAccount {{bad}}/{WEB}",
                "without effect beside the association with {wide}",
                f"annotate serviceaccount {WEB} eks.amazonaws.com/role-arn-",
                Stage.INJECTION,
            ),
            id="irsa-left-over",
            marks=proves(NO_IRSA_LEFT_OVER, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted(
                "static-keys",
                f"Pod {{bad}}/{{{KEYS}}}",
                "container app sets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
                "out of the pod's template and of the Secret, and deactivate the key",
                Stage.INJECTION,
            ),
            id="static-keys",
            marks=proves(NO_STATIC_KEYS_IN_PODS, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted(
                "not-injected",
                f"Pod {{bad}}/{{{LATE}}}",
                f"{{bad}}/{LATE} has association",
                f"kubectl -n {{bad}} delete pod {{{LATE}}}",
                Stage.INJECTION,
            ),
            id="not-injected",
            marks=proves(EVERY_POD_WAS_INJECTED, needs={Capability.HAZARDS}),
        ),
    ],
)
def test_bad_thing_is_found_and_its_good_twin_is_not(
    bad: Planted, planted: Audited, world: World
) -> None:
    """There is one finding; it names the bad one and its fix, and tells no secret."""
    real = {
        "bad": world.namespace(BAD),
        "wide": world.contract.roles["wide"].name,
        **{account: pod.name for account, pod in planted.pods.items()},
    }

    def filled(text: str) -> str:
        for name, value in real.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    with blaming(bad.stage):
        finding = planted.only(bad.check)
        assert finding.object == filled(bad.object)
        assert filled(bad.says) in finding.says
        assert filled(bad.fix) in finding.fix
        assert SECRET not in str(planted.findings)


# --- target roles


@pytest.fixture(scope="module")
def chained(world: World) -> Audited:
    """The same first role for both, which may be had from one namespace of one cluster only."""
    for target in ("target-narrow", "target-wide"):
        associate(world, CHAINED, f"posture-{target}", "narrow", target=target)
    found = audited(world, CHAINED)
    if len(found.snapshot.associations) != 2:
        raise HarnessError("audit read what was planted", saw=str(found.snapshot.associations))
    return found


@proves(TARGET_ROLES_ARE_LOOKED_AT, needs={Capability.HAZARDS})
def test_target_role_is_found_and_its_good_twin_is_not(chained: Audited, world: World) -> None:
    """What it may do is what the pods may do; whom it trusts is told by the caller's ARN."""
    roles = world.contract.roles
    bad = f"Role {roles['target-wide'].name}"

    with blaming(Stage.IAM):
        assert {(one.check, one.object) for one in chained.findings} == {
            ("wildcard", bad),
            ("wide-trust", bad),
        }
        assert "Action s3:*" in chained.only("wildcard").says
    with blaming(Stage.STS):
        trust = chained.only("wide-trust")
        assert f"anybody of account {world.environment.aws.account_id}" in trust.says
        assert f'"aws:PrincipalArn": "{roles["narrow"].arn}"' in trust.fix


# --- the cluster under test


@pytest.fixture(scope="module")
def good(world: World) -> Audited:
    """The good namespace, and the nodes that the environment came with."""
    found = audited(world, GOOD)
    if found.snapshot.unread or not found.snapshot.roles:
        raise HarnessError(
            "audit read associations, roles and nodes",
            saw="; ".join(found.snapshot.unread) or "no role",
            try_="what the audit needs is in conformance/audit/reading.py",
        )
    return found


@proves(OWN_NODES_ARE_SOUND)
def test_own_nodes_have_an_agent_and_answer_no_pod(good: Audited) -> None:
    """Nothing was planted here: it is the cluster itself that is looked at."""
    with blaming(Stage.AGENT):
        assert good.snapshot.nodes != ()
        assert good.of("no-agent") == []
    with blaming(Stage.INJECTION):
        assert good.of("open-imds") == []


def from_us_east_1(world: World) -> World:
    """The world as seen from there: CloudTrail has IAM's events in no other region."""
    aws = world.environment.aws.model_copy(update={"region": "us-east-1"})
    elsewhere = world.in_cluster(world.environment.cluster)
    elsewhere.environment = world.environment.model_copy(update={"aws": aws})
    return elsewhere


@proves(AUDIT_ONLY_READS, needs={Capability.TRAIL})
def test_audit_only_reads(good: Audited, world: World) -> None:
    """
    CloudTrail knows what the audit asked EKS and IAM, and of nothing that it wrote.

    Others of the account write at the same time, so the audit is told by its user agent.
    """
    asked = {"ListPodIdentityAssociations": world, "GetRole": from_us_east_1(world)}

    with blaming(Stage.SERVICE):
        for name, there in asked.items():
            read = of_audits(there, "EventName", name, since=good.since)
            assert {event["readOnly"] for event in read} == {True}
            assert of_audits(there, "ReadOnly", "false", since=good.since) == []


# --- nodes


@pytest.fixture(scope="module")
def open_cluster(world: World) -> Iterator[Audited]:
    """A cluster whose only node answers pods and has no agent."""
    with another_cluster(world, "posture", hop_limit=2, agent=False) as cluster:
        yield audited(cluster)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(
            Planted(
                "open-imds",
                "Node {node}",
                "hop limit 2",
                "HttpTokens required, HttpPutResponseHopLimit 1",
                Stage.INJECTION,
            ),
            id="open-imds",
            marks=proves(IMDS_IS_CLOSED_TO_PODS, needs={Capability.CLUSTERS}),
        ),
        pytest.param(
            Planted(
                "no-agent",
                "Node {node}",
                "no agent is Ready",
                "create-addon --addon-name eks-pod-identity-agent --cluster-name {cluster};",
                Stage.AGENT,
            ),
            id="no-agent",
            marks=proves(AGENT_IS_ON_EVERY_NODE, needs={Capability.CLUSTERS}),
        ),
    ],
)
def test_node_is_found_and_its_good_twins_are_not(
    bad: Planted, open_cluster: Audited, good: Audited
) -> None:
    """The one node of the bad cluster is named with its fix, and none of the environment's own."""
    snapshot = open_cluster.snapshot

    with blaming(bad.stage):
        finding = open_cluster.only(bad.check)
        assert [finding.object] == [bad.object.format(node=node.name) for node in snapshot.nodes]
        assert bad.says in finding.says
        assert bad.fix.format(cluster=snapshot.cluster_name) in finding.fix
        assert good.snapshot.nodes != ()
        assert good.of(bad.check) == []
