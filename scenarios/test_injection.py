"""
What the webhook does to a pod when it is created.

Nearly all of it shows in the pod's specification, so the pods here are only tried: the
API server asks the webhook and stores nothing. One pod really runs, with a container of
every kind, to be looked at from inside; and one in a cluster of IPv6.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import pytest

from conformance.environment import Capability
from conformance.probes import blaming
from conformance.probes.injected import (
    ADDRESS_VARIABLE,
    AUDIENCE,
    LABEL,
    MOUNT_PATH,
    STS_VARIABLE,
    TOKEN_PATH,
    TOKEN_VARIABLE,
    VOLUME,
    containers,
    injected_into,
    injected_parts,
    names_but_regional_sts,
    token_mounts,
    token_sources,
    variable_names,
    variables,
)
from conformance.probes.plan import WHO_AM_I, Call
from conformance.probes.pod import Kind
from conformance.requirements.injected_pod import (
    AUDIENCE_IS_NOT_ANNOTATED,
    CLUSTERS_REGION_IS_INJECTED,
    COMPLETE_CONTAINER_IS_UNTOUCHED,
    CONTAINER_SEES_WHAT_THE_POD_SAYS,
    CREDENTIALS_ADDRESS_OF_THE_POD_IS_KEPT,
    EVERY_CONTAINER_IS_INJECTED,
    EVERY_KIND_OF_CONTAINER_IS_SERVED,
    EXISTING_MOUNT_IS_KEPT,
    EXISTING_VOLUME_IS_KEPT,
    EXPIRATION_IS_SPREAD,
    INIT_CONTAINERS_ARE_INJECTED,
    INJECTED_PODS_ARE_LABELLED,
    IPV6_CLUSTERS_HAVE_THEIR_ADDRESS,
    LABEL_COMES_ALONE,
    NO_TOKEN_IN_A_VARIABLE,
    NOBODY_WRITES_BESIDE_THE_TOKEN,
    OTHER_CREDENTIALS_DO_NOT_STOP_INJECTION,
    OWN_VARIABLES_COME_FIRST,
    POD_SETS_THE_EXPIRATION,
    REGION_OF_THE_POD_IS_KEPT,
    SERVICE_ACCOUNT_DECIDES_ON_REGIONAL_STS,
    SERVICE_ACCOUNT_SETS_THE_EXPIRATION,
    SKIPPED_CONTAINERS_ARE_LEFT_ALONE,
    TOKEN_IS_MOUNTED_READ_ONLY,
    TOKEN_IS_OF_THE_POD,
    TOKEN_VOLUME_IS_FIRST,
)
from conformance.requirements.injection import (
    ANY_PLACE_IS_INJECTED,
    HOST_NETWORK_PODS_ARE_INJECTED,
    IRSA_WORKS_ALONE,
    NAMES_MATCH_EXACTLY,
    OPTED_OUT_PODS_ARE_LEFT_ALONE,
    OTHER_KINDS_ARE_UNTOUCHED,
    POD_IDENTITY_WINS_OVER_IRSA,
    SERVICE_ACCOUNT_MAY_COME_LATER,
    WEBHOOK_FAILS_OPEN,
    WINDOWS_PODS_GET_THEIR_PATH,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Role, Spec
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World
from conformance.world.another_cluster import ROLES, another_cluster

APP = "inject-app"
ANNOTATED = "inject-annotated"
GLOBAL = "inject-global"
BOTH = "inject-both"
IRSA_ONLY = "inject-irsa"

SPEC = Spec(
    roles=(Role(name="app"), *ROLES),
    associations=tuple(
        Association(namespace="shop", service_account=name, role="app")
        for name in (APP, ANNOTATED, GLOBAL, BOTH)
    ),
)

BESIDE: dict[str, Kind] = {
    "first": "init",
    "helper": "sidecar",
    "second": "container",
    "skipped": "container",
}
"""Containers of the pod that runs, beside the probe itself."""
SERVED = ("who am I", *(f"{name}: who am I" for name in BESIDE if name != "skipped"))

REGIONS = ("AWS_DEFAULT_REGION", "AWS_REGION")
WEB_IDENTITY = {
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/somebody",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/somewhere/token",
}
IMAGE = "conformance/probe"
PREFIX = "eks.amazonaws.com"


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, **fields}


def app_of(world: World, **variables: str) -> dict[str, Any]:
    """The container of a pod that sets these variables itself, as it was admitted."""
    env = [{"name": name, "value": value} for name, value in variables.items()]
    pod = world.admitted("shop", APP, containers=[container(env=env)])
    return dict(containers(pod)["app"])


T = TypeVar("T")


def only(found: Sequence[T], what: str) -> T:
    """The one that must be there."""
    with blaming(Stage.INJECTION):
        assert len(found) == 1, f"{len(found)} {what}, not one"
    return found[0]


def expiration(pod: dict[str, Any]) -> int:
    """Seconds that the projected token is asked to live."""
    seconds: int = only(token_sources(pod), "projected tokens")["expirationSeconds"]
    return seconds


@pytest.fixture(scope="module")
def annotated(world: World) -> World:
    """Service accounts that say by annotations what their pods shall get."""
    world.service_account(
        "shop",
        ANNOTATED,
        {
            f"{PREFIX}/token-expiration": "7200",
            f"{PREFIX}/sts-regional-endpoints": "true",
            f"{PREFIX}/audience": "sts.amazonaws.com",
        },
    )
    world.service_account("shop", GLOBAL, {f"{PREFIX}/sts-regional-endpoints": "false"})
    for name in (BOTH, IRSA_ONLY):
        world.service_account("shop", name, {f"{PREFIX}/role-arn": WEB_IDENTITY["AWS_ROLE_ARN"]})

    def known() -> bool:
        return "AWS_ROLE_ARN" in variables(world.admitted("shop", IRSA_ONLY))

    # The webhook watches service accounts; a webhook that never learns is for scenarios to find.
    world.settles("the webhook knows the annotations", known)
    return world


@pytest.fixture(scope="module")
def running(world: World) -> Probe:
    skipping = {f"{PREFIX}/skip-containers": "skipped"}
    plan: dict[str, Call] = {"who am I": WHO_AM_I}
    request = ProbeRequest("shop", APP, plan, annotations=skipping, beside=BESIDE)
    return world.probe_containers(request)


@proves(TOKEN_VOLUME_IS_FIRST)
def test_token_volume_is_first(world: World) -> None:
    """The token's volume stands in front of the pod's own and projects the token only."""
    pod = world.admitted("shop", APP, volumes=[{"name": "mine", "emptyDir": {}}])
    token = only(token_sources(pod), "projected tokens")

    with blaming(Stage.INJECTION):
        assert [volume["name"] for volume in pod["spec"]["volumes"]] == [VOLUME, "mine"]
        assert len(pod["spec"]["volumes"][0]["projected"]["sources"]) == 1
        assert (token["audience"], token["path"]) == (AUDIENCE, VOLUME)


@proves(EXISTING_VOLUME_IS_KEPT)
def test_volume_of_that_name_is_taken_as_it_is(world: World) -> None:
    """The pod brought an empty folder under the volume's name; it stays what it is."""
    pod = world.admitted("shop", APP, volumes=[{"name": VOLUME, "emptyDir": {}}])

    with blaming(Stage.INJECTION):
        assert [set(volume) for volume in pod["spec"]["volumes"]] == [{"name", "emptyDir"}]
        assert injected_into(containers(pod)["app"])


@proves(TOKEN_IS_MOUNTED_READ_ONLY)
def test_token_is_mounted_read_only(world: World) -> None:
    """The mount is where the variable says that the token is, and nobody can write there."""
    mount = only(token_mounts(containers(world.admitted("shop", APP))["app"]), "mounts")

    with blaming(Stage.INJECTION):
        assert mount["readOnly"] is True
        assert mount["mountPath"] == MOUNT_PATH
        assert TOKEN_PATH.startswith(f"{mount['mountPath']}/")


@proves(EXISTING_MOUNT_IS_KEPT)
def test_mount_of_the_volume_is_kept(world: World) -> None:
    """A container that mounts the volume elsewhere keeps that mount and gets the variables."""
    mine = {"name": VOLUME, "mountPath": "/elsewhere"}
    pod = world.admitted(
        "shop",
        APP,
        containers=[container(volumeMounts=[mine])],
        # There without the webhook as well: the API server takes no mount of nothing.
        volumes=[{"name": VOLUME, "emptyDir": {}}],
    )
    app = containers(pod)["app"]

    with blaming(Stage.INJECTION):
        assert [mount["mountPath"] for mount in token_mounts(app)] == ["/elsewhere"]
        assert TOKEN_VARIABLE in variable_names(app)


@proves(OWN_VARIABLES_COME_FIRST)
def test_own_variables_come_first(world: World) -> None:
    """Behind the container's own variables stand those of the webhook, in their order."""
    app = app_of(world, MINE="1")
    names = names_but_regional_sts(app, own=1)

    with blaming(Stage.INJECTION):
        assert names == ["MINE", *REGIONS, ADDRESS_VARIABLE, TOKEN_VARIABLE]


@proves(CLUSTERS_REGION_IS_INJECTED)
def test_clusters_region_is_injected(world: World) -> None:
    """The region is that of the cluster's ARN, for both variables."""
    values = variables(world.admitted("shop", APP))
    region = world.contract.cluster.arn.split(":")[3]

    with blaming(Stage.INJECTION):
        assert [values.get(name) for name in REGIONS] == [region, region]


@proves(REGION_OF_THE_POD_IS_KEPT)
@pytest.mark.parametrize("region", REGIONS)
def test_region_that_the_pod_sets_is_kept(region: str, world: World) -> None:
    """One of the two is enough: the other is not added, and injection goes on."""
    app = app_of(world, **{region: "ap-southeast-2"})

    names = names_but_regional_sts(app, own=1)

    with blaming(Stage.INJECTION):
        assert names == [region, ADDRESS_VARIABLE, TOKEN_VARIABLE]
        assert app["env"][0]["value"] == "ap-southeast-2"


@proves(CREDENTIALS_ADDRESS_OF_THE_POD_IS_KEPT)
@pytest.mark.parametrize("variable", [ADDRESS_VARIABLE, TOKEN_VARIABLE])
def test_credentials_address_that_the_pod_sets_is_kept(variable: str, world: World) -> None:
    """Whichever of the two it sets, the other is not added; the token is mounted still."""
    app = app_of(world, **{variable: "mine"})

    names = names_but_regional_sts(app, own=1)

    with blaming(Stage.INJECTION):
        assert names == [variable, *REGIONS]
        assert app["env"][0]["value"] == "mine"
        assert token_mounts(app) != []


@proves(COMPLETE_CONTAINER_IS_UNTOUCHED)
def test_container_that_sets_everything_is_untouched(world: World) -> None:
    """With all three said there is nothing to add, and no token is mounted either."""
    mine = {ADDRESS_VARIABLE: "http://mine", "AWS_REGION": "x", STS_VARIABLE: "y"}
    app = app_of(world, **mine)

    with blaming(Stage.INJECTION):
        assert variable_names(app) == list(mine)
        assert token_mounts(app) == []
        # The pod itself is injected: it is this container that has said everything.
        assert injected_into(app_of(world))


@proves(OTHER_CREDENTIALS_DO_NOT_STOP_INJECTION)
@pytest.mark.parametrize(
    "mine",
    [
        {"AWS_ACCESS_KEY_ID": "mine"},
        WEB_IDENTITY,
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/mine"},
    ],
    ids=["static keys", "web identity", "relative address"],
)
def test_other_credentials_do_not_stop_injection(mine: dict[str, str], world: World) -> None:
    """They stay as they were set, in front; what the SDK makes of both is the SDK's affair."""
    app = app_of(world, **mine)

    with blaming(Stage.INJECTION):
        assert {e["name"]: e["value"] for e in app["env"][: len(mine)]} == mine
        assert injected_into(app)


@proves(NO_TOKEN_IN_A_VARIABLE)
def test_no_token_and_no_role_in_a_variable(world: World) -> None:
    """Looked for by name, and any value that looks like a token or names a role."""
    pod = world.admitted("shop", APP)
    values = variables(pod)

    with blaming(Stage.INJECTION):
        assert TOKEN_VARIABLE in values
        assert not {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_ROLE_ARN"} & set(values)
        assert not [value for value in values.values() if value.startswith(("eyJ", "arn:"))]


@proves(EVERY_CONTAINER_IS_INJECTED)
def test_every_container_is_injected(world: World) -> None:
    """The sidecar gets what the application gets."""
    pod = world.admitted("shop", APP, containers=[container(), container("sidecar")])
    app, sidecar = containers(pod).values()

    with blaming(Stage.INJECTION):
        assert injected_into(app)
        assert sidecar.get("env") == app["env"]
        assert token_mounts(sidecar) == token_mounts(app)


@proves(INIT_CONTAINERS_ARE_INJECTED)
def test_init_containers_are_injected(world: World) -> None:
    """An init container gets what the application gets."""
    pod = world.admitted("shop", APP, initContainers=[container("first")])
    app, first = containers(pod).values()

    with blaming(Stage.INJECTION):
        assert injected_into(first)
        assert first["env"] == app["env"]


@proves(SKIPPED_CONTAINERS_ARE_LEFT_ALONE)
def test_containers_that_the_pod_names_are_skipped(world: World) -> None:
    """Named are one container and one init container; the application itself is injected."""
    pod = world.admitted(
        "shop",
        APP,
        annotations={f"{PREFIX}/skip-containers": "sidecar,first"},
        containers=[container(), container("sidecar")],
        initContainers=[container("first")],
    )
    found = containers(pod)

    with blaming(Stage.INJECTION):
        assert injected_into(found["app"])
        for name in ("sidecar", "first"):
            assert variable_names(found[name]) == []
            assert token_mounts(found[name]) == []


@proves(INJECTED_PODS_ARE_LABELLED)
def test_injected_pod_is_labelled(world: World) -> None:
    """Also when it came with another value, and its own labels stay."""
    pod = world.admitted("shop", APP, labels={LABEL: "mine", "tier": "web"})

    with blaming(Stage.INJECTION):
        assert pod["metadata"]["labels"][LABEL] == "enabled"
        assert pod["metadata"]["labels"]["tier"] == "web"


@proves(LABEL_COMES_ALONE)
def test_label_comes_alone(world: World) -> None:
    """The pod has brought all the rest, so that its containers and volumes stay as they are."""
    mine = {ADDRESS_VARIABLE: "http://mine", "AWS_REGION": "x", STS_VARIABLE: "y"}
    env = [{"name": name, "value": value} for name, value in mine.items()]
    pod = world.admitted(
        "shop",
        APP,
        containers=[container(env=env)],
        volumes=[{"name": VOLUME, "emptyDir": {}}],
    )
    app = containers(pod)["app"]

    with blaming(Stage.INJECTION):
        assert pod["metadata"]["labels"].get(LABEL) == "enabled"
        assert (variable_names(app), token_mounts(app)) == (list(mine), [])
        assert token_sources(pod) == []


@proves(EXPIRATION_IS_SPREAD)
def test_tokens_do_not_all_expire_together(world: World) -> None:
    """
    Of ten pods no two ask for the same life, though they ask for a day.

    Two of ten may be equal by chance (once in 160 times), so all ten must not be few.
    """
    day = {f"{PREFIX}/token-expiration": "86400"}
    lives = [expiration(world.admitted("shop", APP)) for _ in range(5)]
    lives += [expiration(world.admitted("shop", APP, annotations=day)) for _ in range(5)]

    with blaming(Stage.INJECTION):
        assert all(79200 <= life <= 86400 for life in lives)
        assert len(set(lives)) >= 8


@proves(POD_SETS_THE_EXPIRATION)
@pytest.mark.parametrize(("asked", "given"), [("3600", 3600), ("100", 600), ("172800", 172800)])
def test_pod_sets_the_life_of_its_token(asked: str, given: int, annotated: World) -> None:
    """The pod's word counts and not its service account's; ten minutes are the least."""
    annotations = {f"{PREFIX}/token-expiration": asked}
    pod = annotated.admitted("shop", ANNOTATED, annotations=annotations)

    with blaming(Stage.INJECTION):
        assert expiration(pod) == given


@proves(SERVICE_ACCOUNT_SETS_THE_EXPIRATION)
def test_service_account_sets_the_life_of_tokens(annotated: World) -> None:
    """The pod says nothing, so its service account's annotation counts."""
    with blaming(Stage.INJECTION):
        assert expiration(annotated.admitted("shop", ANNOTATED)) == 7200


@proves(SERVICE_ACCOUNT_DECIDES_ON_REGIONAL_STS)
def test_service_account_asks_for_regional_sts(annotated: World) -> None:
    """Whatever the cluster does by itself: the variable is there, in front of the others."""
    app = containers(annotated.admitted("shop", ANNOTATED))["app"]

    with blaming(Stage.INJECTION):
        assert variable_names(app) == [STS_VARIABLE, *REGIONS, ADDRESS_VARIABLE, TOKEN_VARIABLE]
        assert app["env"][0]["value"] == "regional"


@proves(SERVICE_ACCOUNT_DECIDES_ON_REGIONAL_STS)
def test_service_account_refuses_regional_sts(annotated: World) -> None:
    """Whatever the cluster does by itself: the variable is not there, and all the others are."""
    app = containers(annotated.admitted("shop", GLOBAL))["app"]

    with blaming(Stage.INJECTION):
        assert variable_names(app) == [*REGIONS, ADDRESS_VARIABLE, TOKEN_VARIABLE]


@proves(AUDIENCE_IS_NOT_ANNOTATED)
def test_audience_cannot_be_annotated(annotated: World) -> None:
    """The service account names another audience; its other annotations count."""
    pod = annotated.admitted("shop", ANNOTATED)
    token = only(token_sources(pod), "projected tokens")

    with blaming(Stage.INJECTION):
        assert token["audience"] == AUDIENCE
        assert token["expirationSeconds"] == 7200


@proves(NAMES_MATCH_EXACTLY)
@pytest.mark.parametrize(
    ("namespace", "service_account"),
    [("shop", f"{APP}-2"), ("shop", APP[:-1]), ("shop", "default"), ("shopping", APP)],
)
def test_names_match_exactly(namespace: str, service_account: str, world: World) -> None:
    """Names that begin alike and the same name elsewhere: none of them was associated."""
    with blaming(Stage.INJECTION):
        assert injected_parts(world.admitted("shop", APP)) != []
        assert injected_parts(world.admitted(namespace, service_account)) == []


@proves(OTHER_KINDS_ARE_UNTOUCHED)
def test_deployment_is_stored_as_it_was_sent(world: World) -> None:
    """Its template has neither volume nor variable, although its pods would be injected."""
    stored = world.admitted_deployment("shop", APP)
    template = stored["spec"]["template"]

    with blaming(Stage.INJECTION):
        assert injected_parts(template) == []
        assert injected_parts(world.admitted("shop", APP)) != []


@proves(HOST_NETWORK_PODS_ARE_INJECTED)
def test_pod_on_the_hosts_network_is_injected(world: World) -> None:
    """Whether its credentials work there is another question: the webhook does not ask it."""
    pod = world.admitted("shop", APP, hostNetwork=True)

    with blaming(Stage.INJECTION):
        assert injected_into(containers(pod)["app"])


@proves(ANY_PLACE_IS_INJECTED)
def test_pod_for_fargate_is_injected(world: World) -> None:
    """Nobody answers there; and nothing else of the pod tells it from its neighbours."""
    pod = world.admitted("shop", APP, nodeSelector={"eks.amazonaws.com/compute-type": "fargate"})

    with blaming(Stage.INJECTION):
        assert injected_into(containers(pod)["app"])


@proves(WINDOWS_PODS_GET_THEIR_PATH)
@pytest.mark.parametrize("label", ["kubernetes.io/os", "beta.kubernetes.io/os"])
def test_windows_pod_is_told_a_windows_path(label: str, world: World) -> None:
    """Only the variable is rewritten; the mount is for the kubelet to translate."""
    pod = world.admitted("shop", APP, nodeSelector={label: "windows"})
    mount = only(token_mounts(containers(pod)["app"]), "mounts")

    with blaming(Stage.INJECTION):
        assert variables(pod).get(TOKEN_VARIABLE) == "C:" + TOKEN_PATH.replace("/", "\\")
        assert mount["mountPath"] == MOUNT_PATH


@proves(OPTED_OUT_PODS_ARE_LEFT_ALONE)
@pytest.mark.parametrize("value", ["true", "false"])
def test_pod_can_opt_out(value: str, world: World) -> None:
    """The label is looked for, not its value, and the API server does not even ask."""
    pod = world.admitted("shop", APP, labels={f"{PREFIX}/skip-pod-identity-webhook": value})

    with blaming(Stage.INJECTION):
        assert injected_parts(pod) == []
        assert injected_parts(world.admitted("shop", APP)) != []


@proves(POD_IDENTITY_WINS_OVER_IRSA)
def test_association_wins_over_irsa(annotated: World) -> None:
    """The service account has both; only Pod Identity's variables are there."""
    pod = annotated.admitted("shop", BOTH)

    with blaming(Stage.INJECTION):
        assert injected_into(containers(pod)["app"])
        assert not set(WEB_IDENTITY) & set(variables(pod))


@proves(IRSA_WORKS_ALONE)
def test_irsa_works_without_association(annotated: World) -> None:
    """Web identity's variables and token are there, and nothing of Pod Identity."""
    pod = annotated.admitted("shop", IRSA_ONLY)
    token = only(token_sources(pod, volume="aws-iam-token"), "tokens of web identity")

    with blaming(Stage.INJECTION):
        assert injected_parts(pod) == []
        assert variables(pod)["AWS_ROLE_ARN"] == WEB_IDENTITY["AWS_ROLE_ARN"]
        # Its life is not spread: that is Pod Identity's alone.
        assert (token["audience"], token["expirationSeconds"]) == ("sts.amazonaws.com", 86400)


@proves(WEBHOOK_FAILS_OPEN)
def test_webhook_never_holds_up_a_cluster(world: World) -> None:
    """Read from the cluster's own registration, not from what happens when it is down."""
    webhook = world.webhook()

    with blaming(Stage.INJECTION):
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["sideEffects"] == "None"
        assert [(rule["operations"], rule["resources"]) for rule in webhook["rules"]] == [
            (["CREATE"], ["pods"])
        ]


@proves(SERVICE_ACCOUNT_MAY_COME_LATER)
def test_service_account_may_come_after_its_association(world: World) -> None:
    """It is deleted and made again, younger than the association; a new pod is injected."""
    world.service_account("shop", APP)
    world.service_account_again("shop", APP)

    with blaming(Stage.INJECTION):
        assert injected_parts(world.admitted("shop", APP)) != []


@proves(TOKEN_IS_OF_THE_POD)
def test_token_in_the_container_is_the_pods_own(running: Probe) -> None:
    """The token says whose it is: this pod by name and UID, as the volume asked for it."""
    pod, token = running.pod, running["who am I"].token

    with blaming(Stage.INJECTION):
        assert token is not None
        assert token.audience == (AUDIENCE,)
        assert token.subject == f"system:serviceaccount:{pod.namespace}:{pod.service_account}"
        assert token.kubernetes["pod"] == {"name": pod.name, "uid": pod.uid}
        assert 0 < token.expires - token.issued <= expiration(pod.manifest)


@proves(CONTAINER_SEES_WHAT_THE_POD_SAYS)
def test_container_sees_what_the_pod_says(running: Probe) -> None:
    """Variable by variable, what the specification says is what the process has."""
    said = variables(running.pod.manifest)
    seen = running["who am I"].injection.variables

    with blaming(Stage.INJECTION):
        for name in (*REGIONS, ADDRESS_VARIABLE, TOKEN_VARIABLE):
            assert said.get(name)
            assert seen.get(name) == said[name]
        assert seen.get(STS_VARIABLE) == said.get(STS_VARIABLE)


@proves(EVERY_KIND_OF_CONTAINER_IS_SERVED)
def test_every_kind_of_container_is_served(running: Probe, world: World) -> None:
    """
    An init container, a native sidecar and two containers act as the role, by one token.

    The fourth is named by the pod's annotation, and its SDK finds nothing to ask with.
    """
    seen = [running[name] for name in SERVED]
    skipped = running["skipped: who am I"].denied(Stage.INJECTION, "NoCredentials")

    with blaming(Stage.INJECTION):
        for evidence in seen:
            assert evidence.identified().role_name == world.contract.roles["app"].name
            assert evidence.injection.variables == seen[0].injection.variables
        assert len({one.token.fingerprint for one in seen if one.token}) == 1
        assert TOKEN_VARIABLE not in skipped.injection.variables


@proves(NOBODY_WRITES_BESIDE_THE_TOKEN)
@pytest.mark.parametrize("name", SERVED)
def test_nobody_writes_beside_the_token(name: str, running: Probe) -> None:
    """The file can be read there, and the kernel says that its file system cannot be written."""
    found = running[name].injection

    with blaming(Stage.INJECTION):
        assert found.token_file
        assert found.not_written == "EROFS"


# --- IPv6


@pytest.fixture(scope="module")
def six(world: World) -> Iterator[Probe]:
    """A pod in a cluster whose addresses are of IPv6."""
    with another_cluster(world, "six", ip_family="ipv6") as cluster:
        cluster.eks(
            "create_pod_identity_association",
            namespace=cluster.namespace("shop"),
            serviceAccount=APP,
            roleArn=world.contract.roles["app"].arn,
        )
        yield cluster.probe("shop", APP, {"who am I": WHO_AM_I})


@proves(IPV6_CLUSTERS_HAVE_THEIR_ADDRESS, needs={Capability.CLUSTERS, Capability.NODE_ISOLATION})
def test_cluster_of_ipv6_has_its_own_address(six: Probe, world: World) -> None:
    """An SDK asks the agent there; a cluster of IPv4 names the other address."""
    here, there = world.admitted("shop", APP), six.pod.manifest
    of_four, of_six = (variables(pod).get(ADDRESS_VARIABLE) for pod in (here, there))
    identity = six["who am I"].identified()

    with blaming(Stage.INJECTION):
        assert of_four == "http://169.254.170.23/v1/credentials"
        assert of_six == "http://[fd00:ec2::23]/v1/credentials"
        assert identity.role_name == world.contract.roles["app"].name
