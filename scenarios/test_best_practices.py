"""
The posture of a cluster, as `conformance audit` finds it.

One of each bad thing is planted beside a good twin. What is found must name the bad one,
and what is not found must be the twin: an audit that warns of everything is as useless as
one that warns of nothing. No pod runs for it; posture is what can be read.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from conformance.audit import Finding, Snapshot, audit
from conformance.audit.findings import shown
from conformance.audit.reading import read
from conformance.environment import Capability
from conformance.errors import HarnessError
from conformance.probes import blaming
from conformance.requirements.best_practices import (
    AGENT_IS_ON_EVERY_NODE,
    EVERY_POD_WAS_INJECTED,
    IMDS_IS_CLOSED_TO_PODS,
    NO_ASSOCIATION_FOR_DEFAULT,
    NO_IRSA_LEFT_OVER,
    NO_STATIC_KEYS_IN_PODS,
    NO_WILDCARD_PERMISSION,
    ONE_ACCOUNT_ONE_PURPOSE,
    TARGET_ROLES_ARE_LOOKED_AT,
    TRUST_IS_NARROWED,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Bucket, Condition, Role, Spec, Statement, Trust
from conformance.stages import Stage
from conformance.world import World
from conformance.world.another_cluster import ROLES, another_cluster

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

    snapshot: Snapshot
    findings: list[Finding]

    def of(self, check: str) -> dict[str, Finding]:
        """By object."""
        return {each.object: each for each in self.findings if each.check == check}


def audited(world: World, *namespaces: str) -> Audited:
    environment = world.environment
    real = [world.namespace(name) for name in namespaces]
    snapshot = read(environment.aws, environment.cluster, namespaces=real)
    findings = audit(snapshot)
    world.show("the cluster", shown(findings))
    return Audited(snapshot, findings)


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
    world.stand_in(BAD, KEYS, containers=[with_keys])
    # The pod first: the webhook looks at it once, and there is no association yet.
    world.stand_in(BAD, LATE)
    associate(world, BAD, LATE, "wide")
    found = audited(world, GOOD, BAD)
    subjects = {each.subject for each in found.snapshot.associations}
    if f"{world.namespace(GOOD)}/{WEB}" not in subjects or len(found.snapshot.pods) != 6:
        raise HarnessError("audit read what was planted", saw=f"{subjects}, {found.snapshot.pods}")
    return found


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
                "Pod {bad}/",
                "container app sets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
                "deactivate the key",
                Stage.INJECTION,
            ),
            id="static-keys",
            marks=proves(NO_STATIC_KEYS_IN_PODS, needs={Capability.HAZARDS}),
        ),
        pytest.param(
            Planted(
                "not-injected",
                "Pod {bad}/",
                f"{{bad}}/{LATE} has association",
                "kubectl -n {bad} delete pod",
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
    real = {"bad": world.namespace(BAD), "wide": world.contract.roles["wide"].name}

    def filled(text: str) -> str:
        for name, value in real.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    found = planted.of(bad.check)

    with blaming(bad.stage):
        assert len(found) == 1
        ((where, finding),) = found.items()
        assert where.startswith(filled(bad.object))
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
        assert "Action s3:*" in chained.of("wildcard")[bad].says
    trust = chained.of("wide-trust")[bad]
    with blaming(Stage.STS):
        assert f"anybody of account {world.environment.aws.account_id}" in trust.says
        assert f'"aws:PrincipalArn": "{roles["narrow"].arn}"' in trust.fix


# --- nodes


@pytest.fixture(scope="module")
def open_cluster(world: World) -> Iterator[Audited]:
    """A cluster whose only node answers pods and has no agent."""
    with another_cluster(world, "posture", hop_limit=2, agent=False) as cluster:
        yield audited(cluster)


@pytest.mark.parametrize(
    ("check", "says", "stage"),
    [
        pytest.param(
            "open-imds",
            "hop limit 2",
            Stage.INJECTION,
            marks=proves(IMDS_IS_CLOSED_TO_PODS, needs={Capability.CLUSTERS}),
        ),
        pytest.param(
            "no-agent",
            "no agent is Ready",
            Stage.AGENT,
            marks=proves(AGENT_IS_ON_EVERY_NODE, needs={Capability.CLUSTERS}),
        ),
    ],
)
def test_node_is_found_and_its_good_twins_are_not(
    check: str, says: str, stage: Stage, open_cluster: Audited, planted: Audited
) -> None:
    """Every node of the bad cluster is named, and none of the environment's own."""
    bad = {f"Node {node.name}" for node in open_cluster.snapshot.nodes}
    found = open_cluster.of(check)

    with blaming(stage):
        assert bad != set()
        assert set(found) == bad
        assert all(says in finding.says for finding in found.values())
        assert planted.snapshot.nodes != ()
        assert planted.of(check) == {}
