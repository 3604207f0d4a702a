"""
The agent's add-on is updated, configured, removed and installed again, under load.

One pod calls all the while: with the credentials that its SDK has, as a program that
starts anew each time and so has to ask the agent, and by hand at both of its addresses.
Beside it runs a pod that was created before its association was effective, and goes on
looking for credentials. Associations that add-ons own are seen at an add-on that is only a
name here: what it would run does not matter. How many associations a cluster may have is
shown here as well, where nobody else makes any.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, ask_agent, blaming, repeated
from conformance.probes.injected import injected_parts
from conformance.probes.plan import WHO_AM_I
from conformance.probes.samples import Samples
from conformance.requirements.addon import (
    ADDON_ADOPTS_NOTHING,
    ADDON_OWNS_ITS_ASSOCIATIONS,
    AGENT_IGNORES_A_ROLE,
    ASSOCIATIONS_GO_WITH_THEIR_ADDON,
    EARLY_POD_STAYS_WITHOUT,
    EMPTY_LIST_TAKES_THEM_AWAY,
    INJECTION_DOES_NOT_NEED_THE_AGENT,
    IPV4_ONLY,
    ONE_ADDON_OF_A_NAME,
    ONLY_ITS_OWN_SERVICE_ACCOUNTS,
    PODS_RECOVER_BY_THEMSELVES,
    PRESERVED_ASSOCIATIONS_STAY,
    RUNNING_PODS_DO_NOT_MISS_IT,
    UNKNOWN_CONFIGURATION_IS_REFUSED,
    UNSUPPORTED_ADDON_IS_REFUSED,
    UPDATE_LOSES_NO_CALL,
    WITHOUT_AGENT_NO_CREDENTIALS,
)
from conformance.requirements.association_api import QUOTA_IS_KEPT
from conformance.requirements.marks import proves
from conformance.spec import Association, Role, Spec
from conformance.stages import Stage
from conformance.targets.own import OwnEnvironment
from conformance.world import ONCE, ProbeRequest, Running, World

AGENT, OTHER, WITHOUT = "eks-pod-identity-agent", "vpc-cni", "kube-proxy"
"""The last one has no service account of its own that could have an association."""
ACCOUNT = {"namespace": "kube-system", "serviceAccount": "aws-node"}
"""Where the other add-on may have an association."""

OWN = OwnEnvironment()
SPEC = Spec(
    roles=(Role(name="app"),),
    associations=(Association(namespace="shop", service_account="addon-app", role="app"),),
)

LOAD: dict[str, Call] = {
    "has credentials": repeated(WHO_AM_I, every=0.2),
    "has to ask": repeated(WHO_AM_I, every=0.4, fresh=True),
    "ipv4": repeated(ask_agent(), every=0.2),
    "ipv6": repeated(ask_agent(address="http://[fd00:ec2::23]"), every=0.2),
}
ONLY_IPV4 = json.dumps({"agent": {"additionalArgs": {"-b": "169.254.170.23"}}})
LOOKS: dict[str, Call] = {"looks": repeated(WHO_AM_I, every=1.5, fresh=True)}
EARLY = "addon-early"
WINDOW = 4.0
"""
Seconds until the association of the early pod is effective: longer than creating a pod takes,
and all the same over when the add-on has been updated and removed.
"""
WITHIN = timedelta(seconds=40)
NEVER = datetime.max.replace(tzinfo=UTC)

needs = {Capability.OWN_ENVIRONMENT}


@dataclass
class Seen:
    """What the pod saw, and when the add-on was changed."""

    load: dict[str, Samples] = field(default_factory=dict)
    late_parts: list[str] = field(default_factory=list)
    """What was injected into a new pod of the early pod's service account."""
    effective: datetime = NEVER
    """When it was."""
    version: str = ""
    """The one that it was updated to."""
    updating: datetime = NEVER
    updated: datetime = NEVER
    removing: datetime = NEVER
    removed: datetime = NEVER
    installing: datetime = NEVER
    installed: datetime = NEVER
    refused: list[Evidence] = field(default_factory=list)
    """A configuration that is unknown, and the add-on as it was then."""
    with_agent: list[str] = field(default_factory=list)
    twice: list[Evidence] = field(default_factory=list)
    without_agent: list[str] = field(default_factory=list)
    """What was injected into a new pod before, and what meanwhile."""


@pytest.fixture(scope="module")
def seen(world: World) -> Seen:
    seen = Seen(version=another_version(world))
    role = associate_late(world)
    requests = {
        "early": ProbeRequest("shop", EARLY, LOOKS, name="early"),
        "app": ProbeRequest("shop", "addon-app", LOAD, name="app"),
    }
    with world.running(requests) as pods:
        # Whoever is refused before anything was changed is not to be looked at any further.
        pods["app"]["ipv4"][:1].granted()
        seen.with_agent = injected_parts(world.admitted("shop", "addon-app"))
        seen.updating = world.now()
        done(
            world,
            "update_addon",
            addonName=AGENT,
            addonVersion=seen.version,
            configurationValues=ONLY_IPV4,
            serviceAccountRoleArn=role,
        )
        seen.updated = world.now()
        again(world, pods["app"], seen.updated)
        seen.refused = [
            world.eks("update_addon", addonName=AGENT, configurationValues='{"agent": {"-b": ""}}'),
            world.eks("describe_addon", addonName=AGENT),
        ]
        seen.removing = world.now()
        done(world, "delete_addon", addonName=AGENT)
        seen.removed = world.now()
        seen.without_agent = injected_parts(world.admitted("shop", "addon-app"))
        again(world, pods["app"], seen.removed)
        seen.late_parts = parts_of_a_late_pod(world)
        seen.effective = world.now()
        seen.installing = world.now()
        done(world, "create_addon", addonName=AGENT)
        seen.installed = world.now()
        seen.twice = [world.eks("create_addon", addonName=AGENT)]
        again(world, pods["app"], seen.installed)
        looked = partial(pods["early"].called_since, seen.effective)
        world.settles("the early pod looks", looked, within=WITHIN, consecutive=ONCE)
        seen.load = pods["app"].so_far() | pods["early"].so_far()
    return seen


def another_version(world: World) -> str:
    """Of the agent's add-on: not the one that is installed."""
    addon = world.eks("describe_addon", addonName=AGENT).granted().answer["addon"]
    told = world.eks("describe_addon_versions", addonName=AGENT).granted().answer["addons"]
    known: list[str] = [one["addonVersion"] for one in told[0]["addonVersions"]]
    return next(version for version in known if version != addon["addonVersion"])


def associate_late(world: World) -> str:
    """An association for the early pod that is effective later; its role."""
    role = world.contract.roles["app"].arn
    world.service_account("shop", EARLY)
    with world.own.behaving(propagation_shortest=WINDOW, propagation_longest=WINDOW):
        world.eks(
            "create_pod_identity_association",
            namespace=world.namespace("shop"),
            serviceAccount=EARLY,
            roleArn=role,
        ).granted()
    return role


def parts_of_a_late_pod(world: World) -> list[str]:
    """What is injected into a new pod of that service account, as soon as something is."""
    found: list[str] = []

    def injected() -> list[str]:
        found[:] = injected_parts(world.admitted("shop", EARLY))
        return found

    world.settles("a new pod would be injected", injected)
    return found


def done(world: World, operation: str, **parameters: Any) -> None:
    """Ask EKS, and wait until the add-on is ACTIVE, or gone."""
    world.eks(operation, **parameters).granted()
    name = parameters["addonName"]

    def settled() -> bool:
        told = world.eks("describe_addon", addonName=name)
        return bool(told.code or told.answer["addon"]["status"] == "ACTIVE")

    with blaming(Stage.SERVICE):
        world.eventually(f"{operation} {name} is done", settled, within=WITHIN)


def again(world: World, pod: Running, moment: datetime) -> None:
    """Each call has been made twice since then."""
    world.settles(
        "the pod calls", lambda: twice(pod.so_far(), moment), within=WITHIN, consecutive=ONCE
    )


def twice(load: dict[str, Samples], moment: datetime) -> bool:
    return all(len(samples.after(moment)) >= 2 for samples in load.values())


# --- the agent


@proves(UPDATE_LOSES_NO_CALL, needs=needs)
@pytest.mark.parametrize("name", ["has credentials", "has to ask"])
def test_update_of_the_agent_loses_no_call(name: str, seen: Seen) -> None:
    """
    The agent was really replaced: the new one knew nothing, so it fetched other credentials.

    The add-on has another version and another configuration then. Who starts anew asks in the
    middle of it, and its SDK asks again.
    """
    load = seen.load[name].before(seen.removing)
    load[:1].granted()

    load.unbroken()
    with blaming(Stage.AGENT):
        assert len(seen.load["ipv4"].before(seen.removing).access_keys) == 2
        assert seen.refused[-1].granted().answer["addon"]["addonVersion"] == seen.version


@proves(AGENT_IGNORES_A_ROLE, needs=needs | {Capability.RECORDS})
def test_agent_ignores_the_role_of_its_addon(seen: Seen, world: World) -> None:
    """The add-on has a role, which may not ask EKS Auth; its agent asks as the one before it."""
    load = seen.load["ipv4"]
    keys = [
        load[:1].granted().access_keys[0],
        load.after(seen.updated).before(seen.removing).granted().access_keys[0],
    ]
    addon = seen.refused[-1].granted().answer["addon"]
    callers = {call.access_key_fingerprint: call.caller_arn for call in world.records().eks_auth}

    with blaming(Stage.AGENT):
        assert addon["serviceAccountRoleArn"] == world.contract.roles["app"].arn
        assert keys[0] != keys[1]
        assert callers[keys[0]] == callers[keys[1]]


@proves(IPV4_ONLY, needs=needs | {Capability.NODE_ISOLATION})
def test_agent_listens_on_ipv4_only_when_configured_so(seen: Seen) -> None:
    """Before it was configured and after it was installed anew it listens on both."""
    ipv4, ipv6 = seen.load["ipv4"], seen.load["ipv6"]
    ipv6.before(seen.updating).granted()
    ipv4.after(seen.updated).before(seen.removing).granted()

    ipv6.after(seen.updated).before(seen.removing).away(Stage.AGENT, "Unreachable")
    ipv6.after(seen.installed).granted()


@proves(UNKNOWN_CONFIGURATION_IS_REFUSED, needs=needs)
def test_unknown_configuration_is_refused(seen: Seen) -> None:
    """It is what it was before, and runs."""
    refused, described = seen.refused
    refused.denied(Stage.SERVICE, "InvalidParameterException")

    with blaming(Stage.SERVICE):
        addon = described.granted().answer["addon"]
        assert (addon["status"], addon["configurationValues"]) == ("ACTIVE", ONLY_IPV4)


@proves(WITHOUT_AGENT_NO_CREDENTIALS, needs=needs)
@pytest.mark.parametrize("name", ["has to ask", "ipv4", "ipv6"])
def test_without_the_agent_there_are_no_credentials(name: str, seen: Seen) -> None:
    """Nobody listens: with an SDK, and by hand at either address."""
    seen.load["ipv4"].before(seen.removing)[:1].granted()

    seen.load[name].after(seen.removed).before(seen.installing).away(Stage.AGENT, "Unreachable")


@proves(RUNNING_PODS_DO_NOT_MISS_IT, needs=needs)
def test_who_has_credentials_does_not_miss_the_agent(seen: Seen) -> None:
    """One session from the first call to the last, with and without an agent."""
    load = seen.load["has credentials"]
    load[:1].granted()

    load.after(seen.removed).before(seen.installing).unbroken()
    with blaming(Stage.SERVICE):
        assert len(load.unbroken().access_keys) == 1


@proves(INJECTION_DOES_NOT_NEED_THE_AGENT, needs=needs)
def test_injection_does_not_need_the_agent(seen: Seen) -> None:
    """A pod that was created while no agent was there has all that one had while it was."""
    with blaming(Stage.INJECTION):
        assert seen.with_agent != []
        assert seen.without_agent == seen.with_agent


@proves(EARLY_POD_STAYS_WITHOUT, needs=needs)
def test_pod_before_its_association_is_effective_stays_without(seen: Seen) -> None:
    """
    EKS has answered that the association is there, and the webhook has not heard of it yet.

    The pod starts a new program again and again, also when a new pod is injected as any other.
    """
    looks = seen.load["looks"]
    with blaming(Stage.INJECTION):
        assert seen.late_parts == seen.with_agent != []

    looks.denied(Stage.INJECTION, "NoCredentials")
    looks.after(seen.effective).denied(Stage.INJECTION, "NoCredentials")


@proves(PODS_RECOVER_BY_THEMSELVES, needs=needs)
@pytest.mark.parametrize("name", ["has to ask", "ipv4"])
def test_pods_recover_when_the_agent_comes_back(name: str, seen: Seen) -> None:
    """The same pod, which was never restarted and found nobody just before."""
    load = seen.load[name]
    load[:1].granted()
    load.after(seen.removed).before(seen.installing).away(Stage.AGENT, "Unreachable")

    load.after(seen.installed).unbroken()


@proves(ONE_ADDON_OF_A_NAME, needs=needs)
def test_addon_is_installed_once(seen: Seen) -> None:
    """It is there, and ACTIVE."""
    (evidence,) = seen.twice
    evidence.denied(Stage.SERVICE, "ResourceInUseException")


# --- what add-ons own


@pytest.fixture
def empty(world: World) -> Iterator[World]:
    """Neither the other add-on nor an association of its service account, before and after."""
    yield world
    if not world.eks("describe_addon", addonName=OTHER).code:
        done(world, "delete_addon", addonName=OTHER)
    for association in owned(world):
        world.eks("delete_pod_identity_association", associationId=association["associationId"])


def owned(world: World) -> list[dict[str, Any]]:
    """Associations of the other add-on's service account, in full."""
    listed = world.eks("list_pod_identity_associations", **ACCOUNT).granted()
    return [
        world.eks("describe_pod_identity_association", associationId=one["associationId"])
        .granted()
        .answer["association"]
        for one in listed.answer["associations"]
    ]


def wanted(world: World, service_account: str = ACCOUNT["serviceAccount"]) -> list[dict[str, str]]:
    role = world.contract.roles["app"].arn
    return [{"serviceAccount": service_account, "roleArn": role}]


def install(world: World, **parameters: Any) -> None:
    """The other add-on, with an association of its own."""
    done(
        world, "create_addon", addonName=OTHER, podIdentityAssociations=wanted(world), **parameters
    )


@proves(ADDON_OWNS_ITS_ASSOCIATIONS, needs=needs)
def test_addon_owns_the_associations_that_it_was_given(empty: World) -> None:
    """The association says whose it is, and the add-on says which it has."""
    install(empty)
    (association,) = owned(empty)
    addon = empty.eks("describe_addon", addonName=OTHER).granted().answer["addon"]

    with blaming(Stage.SERVICE):
        assert association.get("ownerArn") == addon["addonArn"]
        assert association["roleArn"] == empty.contract.roles["app"].arn
        assert addon["podIdentityAssociations"] == [association["associationArn"]]


@proves(ADDON_ADOPTS_NOTHING, needs=needs)
def test_addon_adopts_no_association(empty: World) -> None:
    """Somebody made it before; it stays theirs, and there is no add-on."""
    role = empty.contract.roles["app"].arn
    made = empty.eks("create_pod_identity_association", **ACCOUNT, roleArn=role).granted()

    refused = empty.eks("create_addon", addonName=OTHER, podIdentityAssociations=wanted(empty))

    refused.denied(Stage.SERVICE, "ResourceInUseException")
    empty.eks("describe_addon", addonName=OTHER).denied(Stage.SERVICE, "ResourceNotFoundException")
    with blaming(Stage.SERVICE):
        assert owned(empty) == [made.answer["association"]]


@proves(ONLY_ITS_OWN_SERVICE_ACCOUNTS, needs=needs)
def test_addon_has_associations_of_its_own_service_accounts_only(empty: World) -> None:
    """Neither add-on nor association is made; with its own service account both are."""
    refused = empty.eks(
        "create_addon", addonName=OTHER, podIdentityAssociations=wanted(empty, "default")
    )

    refused.denied(Stage.SERVICE, "InvalidParameterException")
    with blaming(Stage.SERVICE):
        assert refused.message == (
            "Service account default in pod identity configuration is not supported for addon "
            f"{OTHER}"
        )
    empty.eks("describe_addon", addonName=OTHER).denied(Stage.SERVICE, "ResourceNotFoundException")
    install(empty)


@proves(UNSUPPORTED_ADDON_IS_REFUSED, needs=needs)
def test_addon_that_knows_no_pod_identity_is_refused(empty: World) -> None:
    """Neither add-on nor association is made; an add-on that knows it has both."""
    refused = empty.eks("create_addon", addonName=WITHOUT, podIdentityAssociations=wanted(empty))

    refused.denied(Stage.SERVICE, "InvalidParameterException")
    with blaming(Stage.SERVICE):
        assert re.fullmatch(
            r"Pod Identity feature is not supported for addon version: v\d\S+", refused.message
        )
        assert owned(empty) == []
    told = empty.eks("describe_addon", addonName=WITHOUT)
    told.denied(Stage.SERVICE, "ResourceNotFoundException")
    install(empty)


@proves(EMPTY_LIST_TAKES_THEM_AWAY, needs=needs)
def test_empty_list_takes_associations_away(empty: World) -> None:
    """An update that says nothing about them leaves them; an empty list does not."""
    install(empty)

    done(empty, "update_addon", addonName=OTHER, resolveConflicts="OVERWRITE")
    with blaming(Stage.SERVICE):
        assert len(owned(empty)) == 1
    done(empty, "update_addon", addonName=OTHER, podIdentityAssociations=[])
    with blaming(Stage.SERVICE):
        assert owned(empty) == []


@proves(ASSOCIATIONS_GO_WITH_THEIR_ADDON, needs=needs)
def test_associations_go_with_their_addon(empty: World) -> None:
    """Its own goes; that of the application stays."""
    install(empty)
    app = empty.contract.associations["shop/addon-app"].id

    done(empty, "delete_addon", addonName=OTHER)

    with blaming(Stage.SERVICE):
        assert owned(empty) == []
    empty.eks("describe_pod_identity_association", associationId=app).granted()


@proves(PRESERVED_ASSOCIATIONS_STAY, needs=needs)
def test_preserved_addon_leaves_its_associations_behind(empty: World) -> None:
    """The add-on is gone, and nobody owns what it left."""
    install(empty)

    done(empty, "delete_addon", addonName=OTHER, preserve=True)

    left = owned(empty)
    with blaming(Stage.SERVICE):
        assert [one.get("ownerArn") for one in left] == [None]
        assert [one["roleArn"] for one in left] == [empty.contract.roles["app"].arn]


# --- how many there may be


@proves(QUOTA_IS_KEPT, needs=needs)
def test_one_association_more_than_the_quota_is_refused(world: World) -> None:
    """The last one that there is room for is made; the next one is, when that is gone."""
    create, role = "create_pod_identity_association", world.contract.roles["app"].arn
    there = world.eks("list_pod_identity_associations").granted().answer["associations"]
    one, another = (
        {"namespace": world.namespace("shop"), "serviceAccount": f"addon-{name}", "roleArn": role}
        for name in ("last", "one-more")
    )
    with world.own.behaving(associations_per_cluster=len(there) + 1):
        last = world.eks(create, **one).granted().answer["association"]["associationId"]
        refused = world.eks(create, **another)
        world.eks("delete_pod_identity_association", associationId=last).granted()
        instead = world.eks(create, **another)

    refused.denied(Stage.SERVICE, "ResourceLimitExceededException")
    with blaming(Stage.SERVICE):
        assert refused.status == 400
    instead.granted()
