"""
Who did what from which pod, told from CloudTrail alone.

An auditor has no access to the cluster, and begins with a call that somebody made. So
nothing but LookupEvents is asked, and what it says is compared with what the pods saw.
Reads and writes of objects are data events, which no event history has; the pods
therefore ask for the configuration of a bucket.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, Outcome, ask_agent, blaming, call
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.audit import (
    CALL_NAMES_ITS_SESSION,
    CLUSTER_FINDS_ITS_SESSIONS,
    DENIED_CALL_IS_RECORDED,
    DENIED_SESSION_IS_RECORDED,
    DENIED_TOKEN_IS_RECORDED,
    EVENTS_ARE_A_PAIR,
    NODE_IS_NAMED,
    SESSION_IS_EKS_DOING,
    SESSION_NAMES_ITS_POD,
    TOKEN_IS_HIDDEN,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Bucket, Role, Spec, Statement, Trust
from conformance.stages import Stage
from conformance.world import ONCE, Probe, ProbeRequest, World
from conformance.world.trail import Event, look_up

APP, REFUSED, STRANGER = "audit-app", "audit-refused", "audit-stranger"

SPEC = Spec(
    roles=(
        Role(
            name="app",
            statements=(
                Statement(actions=("s3:GetBucketVersioning",), resources=("bucket:data",)),
            ),
        ),
        Role(name="refused"),
    ),
    buckets=(Bucket(name="data", objects={}),),
    associations=(
        Association(namespace="shop", service_account=APP, role="app"),
        Association(namespace="shop", service_account=REFUSED, role="refused"),
    ),
)
BROKEN = SPEC.having(Role(name="refused", trust=(Trust(services=("ec2.amazonaws.com",)),)))

ASKED = "AssumeRoleForPodIdentity"
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
EKS_PODS = "pods.eks.amazonaws.com"
PAIRED = timedelta(seconds=2)
needs = {Capability.TRAIL, Capability.MINT_TOKENS}


class Trail(NamedTuple):
    """Two pods, and what CloudTrail has of the time since they were started."""

    app: Probe
    refused: Probe
    session: str
    """The app's session name."""
    calls: list[Event]
    """Under that session."""
    assumed: list[Event]
    asked: list[Event]


@pytest.fixture(scope="module")
def trail(world: World) -> Trail:
    world.apply(BROKEN)
    data = world.bucket("data")
    plan: dict[str, Call] = {
        "who am I": WHO_AM_I,
        "allowed": call("s3", "get_bucket_versioning", Bucket=data),
        "denied": call("s3", "get_bucket_policy", Bucket=data),
        "no association": ask_agent("stranger"),
        "another audience": ask_agent("irsa"),
    }
    secrets = {
        "stranger": world.tokens(STRANGER, namespace="shop")[STRANGER],
        "irsa": world.token(world.stand_in("shop", APP), audience="sts.amazonaws.com"),
    }
    requests = {
        APP: ProbeRequest("shop", APP, plan, name=APP, secrets=secrets),
        REFUSED: ProbeRequest("shop", REFUSED, {"who am I": WHO_AM_I}, name=REFUSED),
    }
    since = world.now()
    probes: dict[str, Probe] = {}

    def refused() -> bool:
        probes.update(world.probe_all(requests))
        return probes[REFUSED]["who am I"].outcome is not Outcome.GRANTED

    world.settles("the broken trust is in effect", refused, consecutive=ONCE)
    session = probes[APP]["who am I"].identified().session_name
    return Trail(
        probes[APP],
        probes[REFUSED],
        session,
        look_up(world, "Username", session, since=since),
        look_up(world, "EventName", "AssumeRole", since=since),
        look_up(world, "EventName", ASKED, since=since),
    )


def only(found: list[Event]) -> Event:
    """The one event there must be."""
    assert len(found) == 1
    return found[0]


def assumed_by(trail: Trail) -> Event:
    """STS's event of the app's session, found as an auditor finds it: by the session's ARN."""
    arn = trail.app["who am I"].identified().arn
    return only(
        [
            event
            for event in trail.assumed
            if (event["responseElements"] or Event())["assumedRoleUser"]["arn"] == arn
        ]
    )


def may_have_asked(trail: Trail, made: Event) -> list[Event]:
    """EKS Auth's events that may be the session's: of its cluster, granted, and of its time."""
    tags = {tag["key"]: tag["value"] for tag in made["requestParameters"]["tags"]}
    return [
        event
        for event in trail.asked
        if "errorCode" not in event
        and parameters(event)["clusterName"] == tags.get("eks-cluster-name")
        and abs(dated(event) - dated(made)) <= PAIRED
    ]


def parameters(event: Event) -> Event:
    """What is malformed has none."""
    return event["requestParameters"] or Event()


def dated(event: Event) -> datetime:
    return datetime.fromisoformat(event["eventTime"])


def asked_about(trail: Trail, evidence: Evidence) -> Event:
    """By the id that the pod was told: in brackets, and by agents before 0.1 by its name."""
    found = re.search(r"(?:^\[|RequestID: )([0-9a-f-]{36})", evidence.message)
    request_id = found[1] if found else ""
    return only([event for event in trail.asked if event["requestID"] == request_id])


def refused(trail: Trail) -> Evidence:
    """What the pod was told whose role does not trust EKS."""
    return trail.refused["who am I"].denied(Stage.STS, "AccessDeniedException")


@proves(CALL_NAMES_ITS_SESSION, needs=needs)
def test_call_is_recorded_under_its_session(trail: Trail, world: World) -> None:
    """The call that was answered is there once, with whose it was."""
    trail.app["allowed"].granted()
    identity = trail.app["who am I"].identified()

    with blaming(Stage.SERVICE):
        event = only([e for e in trail.calls if e["eventName"] == "GetBucketVersioning"])
        who = event["userIdentity"]
        assert who["type"] == "AssumedRole"
        assert who["arn"] == identity.arn
        assert who["sessionContext"]["sessionIssuer"]["arn"] == world.contract.roles["app"].arn
        assert "errorCode" not in event


@proves(SESSION_NAMES_ITS_POD, needs=needs)
def test_session_leads_to_the_pod(trail: Trail, world: World) -> None:
    """From the ARN in the call to one AssumeRole, and from its tags to the pod that ran."""
    with blaming(Stage.STS):
        asked = assumed_by(trail)["requestParameters"]
        tags = {tag["key"]: tag["value"] for tag in asked["tags"]}
        cluster = world.environment.cluster
        assert tags == {
            "eks-cluster-arn": cluster.arn,
            "eks-cluster-name": cluster.name,
            "kubernetes-namespace": world.namespace("shop"),
            "kubernetes-service-account": APP,
            "kubernetes-pod-name": trail.app.pod.name,
            "kubernetes-pod-uid": trail.app.pod.uid,
        }
        assert asked["transitiveTagKeys"] == list(tags)


@proves(SESSION_IS_EKS_DOING, needs=needs)
def test_session_was_made_by_eks(trail: Trail, world: World) -> None:
    with blaming(Stage.STS):
        event = assumed_by(trail)
        assert event["userIdentity"] == {"type": "AWSService", "invokedBy": EKS_PODS}
        assert event["sourceIPAddress"] == event["userAgent"] == EKS_PODS
        assert event["requestParameters"]["roleSessionName"] == trail.session
        assert world.contract.roles["app"].arn in [found["ARN"] for found in event["resources"]]


@proves(NODE_IS_NAMED, needs=needs)
def test_node_is_named(trail: Trail, world: World) -> None:
    """
    Both pods, the granted and the refused one, were asked for by a session of the node role.

    The granted one's request is told by cluster and time. Others may ask in these two seconds,
    and not all of them are nodes, so one of a node has to be there.
    """
    refusal = refused(trail)

    with blaming(Stage.EKS_AUTH):
        granted = may_have_asked(trail, assumed_by(trail))
        of_nodes = [event for event in granted if "/i-" in event["userIdentity"]["arn"]]
        assert of_nodes != []
        for event in (*of_nodes, asked_about(trail, refusal)):
            who = event["userIdentity"]
            assert who["type"] == "AssumedRole"
            assert re.fullmatch(r"arn:[^:]+:sts::\d+:assumed-role/[^/]+/i-[0-9a-f]+", who["arn"])
            assert who["sessionContext"]["sessionIssuer"]["type"] == "Role"
            assert who["sessionContext"]["ec2RoleDelivery"] == "2.0"
            assert event["requestParameters"]["clusterName"] == world.environment.cluster.name


@proves(EVENTS_ARE_A_PAIR, needs=needs)
def test_events_are_a_pair(trail: Trail) -> None:
    """
    STS's event is there once, and beside it one of EKS Auth's that may be the session's.

    Which one it is no event says, where several were granted within two seconds: other
    scenarios run beside this one. So each of them must be there once, too.
    """
    with blaming(Stage.STS):
        made = assumed_by(trail)
        asked = may_have_asked(trail, made)
        assert asked != []
        ids = [event["requestID"] for event in asked]
        assert len(set(ids)) == len(ids)
        assert {event["recipientAccountId"] for event in asked} == {made["recipientAccountId"]}
        shared = [event.get("sharedEventID") for event in trail.assumed]
        assert made["sharedEventID"]
        assert shared.count(made["sharedEventID"]) == 1


@proves(DENIED_SESSION_IS_RECORDED, needs=needs)
def test_refused_session_is_recorded(trail: Trail) -> None:
    """The request id, all that the pod was given to find out, finds the event and its reason."""
    refusal = refused(trail)

    with blaming(Stage.EKS_AUTH):
        event = asked_about(trail, refusal)
        assert event["errorCode"] == "AccessDenied"
        assert "does not have permissions to assume" in event["errorMessage"]
        assert event["responseElements"] is None


@proves(DENIED_TOKEN_IS_RECORDED, needs=needs)
def test_refused_token_is_recorded(trail: Trail, world: World) -> None:
    """One service account has no association, one token is for another audience; one was good."""
    trail.app["who am I"].granted()
    for name, code in (
        ("no association", "ResourceNotFoundException"),
        ("another audience", "InvalidTokenException"),
    ):
        refusal = trail.app[name].denied(Stage.EKS_AUTH, code)

        with blaming(Stage.EKS_AUTH):
            event = asked_about(trail, refusal)
            assert event["errorCode"] == code
            assert event["errorMessage"]
            assert event["requestParameters"]["clusterName"] == world.environment.cluster.name
            assert event["responseElements"] is None


@proves(DENIED_CALL_IS_RECORDED, needs=needs)
def test_denied_call_is_recorded(trail: Trail) -> None:
    """What IAM refused the pod is there under the same session as what it allowed."""
    trail.app["allowed"].granted()
    trail.app["denied"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.IAM):
        event = only([e for e in trail.calls if e["eventName"] == "GetBucketPolicy"])
        assert event["errorCode"] == "AccessDenied"
        assert "s3:GetBucketPolicy" in event["errorMessage"]


@proves(TOKEN_IS_HIDDEN, needs=needs)
def test_token_is_hidden(trail: Trail) -> None:
    """Granted and refused requests alike; a JWT begins with `eyJ` wherever it stands."""
    trail.app["who am I"].granted()

    with blaming(Stage.EKS_AUTH):
        assert {None, "AccessDenied"} <= {event.get("errorCode") for event in trail.asked}
        for event in trail.asked:
            assert parameters(event).get("token", HIDDEN) == HIDDEN
            assert event["responseElements"] is None
        assert HIDDEN in {parameters(event).get("token") for event in trail.asked}
        everything = str([*trail.asked, *trail.assumed])
        assert "eyJ" not in everything
        assert "secretAccessKey" not in everything


@proves(CLUSTER_FINDS_ITS_SESSIONS, needs=needs)
def test_cluster_finds_its_sessions(trail: Trail, world: World) -> None:
    """The refused request is found under the cluster, and the calls were under the session."""
    refusal = refused(trail)
    since = trail.refused.pod.created

    found = look_up(world, "ResourceName", world.environment.cluster.name, since=since)

    with blaming(Stage.SERVICE):
        of_eks_auth = [event["requestID"] for event in found if event["eventName"] == ASKED]
        assert asked_about(trail, refusal)["requestID"] in of_eks_auth
        names = {event["eventName"] for event in trail.calls}
        assert {"GetCallerIdentity", "GetBucketVersioning", "GetBucketPolicy"} <= names
