"""
The journey that every guide to Pod Identity tells, as a newcomer takes it.

Role, add-on, association: typed into the AWS CLI; pods of its own image, one of them typed
into kubectl. Policies are those that everybody writes first, for S3, DynamoDB and SQS; what
they allow and leave out is asked by boto3, which costs a tenth.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, ask_agent, blaming, call, presented
from conformance.probes.injected import (
    ADDRESS_VARIABLE,
    STS_VARIABLE,
    TOKEN_VARIABLE,
    VOLUME,
    annotations,
    containers,
    injected_parts,
    variable_names,
)
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.guide import (
    ADDON_BRINGS_THE_AGENT,
    ADDON_IS_THERE_ONCE,
    ASSOCIATION_COMES_FROM_ONE_COMMAND,
    BUCKET_IS_LISTED_AND_READ,
    BUCKET_POLICY_LEAVES_OUT_THE_REST,
    CLI_NAMES_THE_AGENT,
    COMMANDS_ARE_DENIED_WITH_THEIR_REASON,
    FIRST_COMMAND_LISTS,
    MANIFEST_OF_THE_GUIDE_LISTS,
    NOTHING_ELSE_IS_NEEDED,
    QUEUE_IS_CONSUMED,
    QUEUE_POLICY_LEAVES_OUT_THE_REST,
    ROLE_COMES_FROM_ONE_COMMAND,
    ROLE_IS_SWAPPED_IN_PLACE,
    RUNNING_PODS_SEE_IT_LATER,
    TABLE_IS_WRITTEN,
    TABLE_POLICY_LEAVES_OUT_THE_REST,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Bucket, Queue, Role, Spec, Statement, Table
from conformance.stages import Stage
from conformance.world import CliRequest, Probe, ProbeRequest, World
from conformance.world.another_cluster import AGENT, ROLES, WITHIN, another_cluster

BACKEND = "backend"
READER = "s3-reader-sa"
"""Associated by the CLI; the others are in the Spec."""
SWAPPED = "s3-swapped-sa"
"""Of its own: whoever reads as the old role must not depend on who comes first."""
APPS = {"s3": "s3-app-sa", "dynamodb": "dynamodb-writer-sa", "sqs": "sqs-consumer-sa"}

ASKING_EKS_AUTH = Statement(actions=("eks-auth:AssumeRoleForPodIdentity",), resources=("*",))
"""For pods that ask it themselves, without the agent."""

TAKES_LONG = True
SPEC = Spec(
    roles=(
        Role(
            name="s3",
            statements=(
                Statement(actions=("s3:ListAllMyBuckets",), resources=("*",)),
                Statement(actions=("s3:ListBucket",), resources=("bucket:data",)),
                Statement(actions=("s3:GetObject",), resources=("bucket:data/*",)),
                ASKING_EKS_AUTH,
            ),
        ),
        Role(
            name="archivist",
            statements=(
                Statement(actions=("s3:GetObject",), resources=("bucket:archive/*",)),
                ASKING_EKS_AUTH,
            ),
        ),
        Role(
            name="dynamodb",
            statements=(
                Statement(
                    actions=("dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:UpdateItem"),
                    resources=("table:orders",),
                ),
            ),
        ),
        Role(
            name="sqs",
            statements=(
                Statement(
                    actions=(
                        "sqs:ReceiveMessage",
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                    ),
                    resources=("queue:jobs",),
                ),
            ),
        ),
        *ROLES,
    ),
    buckets=(
        Bucket(name="data", objects={"hello.txt": "hello"}),
        Bucket(name="archive", objects={"hello.txt": "from the archive"}),
    ),
    tables=(Table(name="orders"), Table(name="invoices")),
    queues=(Queue(name="jobs"), Queue(name="mail")),
    associations=tuple(
        Association(namespace=BACKEND, service_account=app, role=service)
        for service, app in (*APPS.items(), ("s3", SWAPPED))
    ),
)

cli = {Capability.AWS_CLI}
kubectl = {Capability.AWS_CLI, Capability.KUBECTL}
swap = {Capability.AWS_CLI, Capability.MINT_TOKENS}

LIST = ("s3", "ls")
MANIFEST = f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {READER}
---
apiVersion: v1
kind: Pod
metadata:
  name: s3-reader
spec:
  serviceAccountName: {READER}
  restartPolicy: Never
  containers:
    - name: aws-cli
      image: amazon/aws-cli
      command: ["aws", "s3", "ls"]
"""
"""As guides print it; the association was there before."""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    ],
}
INJECTED = {"AWS_DEFAULT_REGION", "AWS_REGION", ADDRESS_VARIABLE, TOKEN_VARIABLE}
KEY = {"id": {"S": "1"}}


# --- with the CLI


def associate(world: World, role: str) -> Evidence:
    return world.aws(
        "eks", "create-pod-identity-association",
        "--cluster-name", world.environment.cluster.name,
        "--namespace", world.namespace(BACKEND),
        "--service-account", READER,
        "--role-arn", world.contract.roles[role].arn,
        "--tags", ",".join(f"{key}={value}" for key, value in world.tags.items()),
    )  # fmt: skip


@pytest.fixture(scope="module")
def association(world: World) -> Iterator[Evidence]:
    """What the CLI told; the service account is made afterwards, by its first pod."""
    evidence = associate(world, "s3")
    told = evidence.answer.get("association", {})
    yield evidence
    if told:
        world.eks("delete_pod_identity_association", associationId=told["associationId"])


@pytest.fixture(scope="module")
def injecting(world: World, association: Evidence) -> World:
    """New pods of the reader are injected."""
    association.granted()
    world.settles(
        "the webhook knows the association",
        lambda: injected_parts(world.admitted(BACKEND, READER)) != [],
    )
    return world


@pytest.fixture(scope="module")
def reader(injecting: World) -> dict[str, Probe]:
    """A pod with one command, as in the guide, and one with what the newcomer tries next."""
    data, archive = injecting.bucket("data"), injecting.bucket("archive")
    return injecting.probe_all(
        {
            "first": CliRequest(BACKEND, READER, {"list": LIST}, keeping={"list": data}),
            "next": CliRequest(
                BACKEND,
                READER,
                {
                    "read": ("s3", "cp", f"s3://{data}/hello.txt", "-"),
                    "other bucket": ("s3", "ls", f"s3://{archive}"),
                    "where from": ("configure", "list"),
                },
                # Not the line of the secret key, whose end is shown as well.
                keeping={"where from": "access_key"},
            ),
        }
    )


@pytest.fixture(scope="module")
def typed(injecting: World) -> Probe:
    """The guide's manifest, typed into kubectl."""
    kept = {"list": injecting.bucket("data")}
    request = CliRequest(BACKEND, READER, {"list": LIST}, keeping=kept)
    return injecting.probe_by_kubectl(MANIFEST, request, pod="s3-reader")


@proves(ASSOCIATION_COMES_FROM_ONE_COMMAND, needs=cli)
def test_one_command_makes_the_association(association: Evidence, world: World) -> None:
    """The CLI prints the association; at that moment there was no such service account."""
    told = association.granted().answer["association"]

    with blaming(Stage.SERVICE):
        assert told["clusterName"] == world.environment.cluster.name
        assert told["namespace"] == world.namespace(BACKEND)
        assert told["serviceAccount"] == READER
        assert told["roleArn"] == world.contract.roles["s3"].arn
        assert told["associationId"].startswith("a-")
        assert told["associationArn"].endswith(told["associationId"])


@proves(FIRST_COMMAND_LISTS, needs=cli)
def test_first_command_lists(reader: dict[str, Probe], world: World) -> None:
    """`aws s3 ls`, in a pod that says image, command and service account, prints the buckets."""
    listed = reader["first"]["list"].granted().text

    with blaming(Stage.SERVICE):
        assert world.bucket("data") in listed


@proves(MANIFEST_OF_THE_GUIDE_LISTS, needs=kubectl)
def test_manifest_of_the_guide_lists(typed: Probe, world: World) -> None:
    """`kubectl logs` tells the listing; the pod that ran was the one in the manifest."""
    listed = typed["list"].granted().text

    with blaming(Stage.SERVICE):
        assert typed.pod.name == "s3-reader"
        assert world.bucket("data") in listed


@proves(COMMANDS_ARE_DENIED_WITH_THEIR_REASON, needs=cli)
def test_cli_says_what_was_not_allowed(reader: dict[str, Probe]) -> None:
    """The same pod reads its own bucket, and is told by S3 that it may not list another."""
    read = reader["next"]["read"].granted()
    refused = reader["next"]["other bucket"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.IAM):
        assert read.text == "hello"
        assert "s3:ListBucket" in refused.message


# --- what the three policies allow


@pytest.fixture(scope="module")
def apps(world: World) -> dict[str, Probe]:
    """One pod for each service, side by side."""
    data, archive = world.bucket("data"), world.bucket("archive")
    tables = {name: table.name for name, table in world.contract.tables.items()}
    queues = {name: queue.url for name, queue in world.contract.queues.items()}
    change = {
        "UpdateExpression": "SET paid = :yes",
        "ExpressionAttributeValues": {":yes": {"BOOL": True}},
    }
    plans = {
        "s3": {
            "list": call("s3", "list_objects_v2", Bucket=data),
            "get": call("s3", "get_object", Bucket=data, Key="hello.txt"),
            "put": call("s3", "put_object", Bucket=data, Key="new.txt", Body="new"),
            "delete": call("s3", "delete_object", Bucket=data, Key="hello.txt"),
            "list another": call("s3", "list_objects_v2", Bucket=archive),
            "get another": call("s3", "get_object", Bucket=archive, Key="hello.txt"),
        },
        "dynamodb": {
            "put": call("dynamodb", "put_item", TableName=tables["orders"], Item=KEY),
            "update": call(
                "dynamodb", "update_item", TableName=tables["orders"], Key=KEY, **change
            ),
            "get": call("dynamodb", "get_item", TableName=tables["orders"], Key=KEY),
            "delete": call("dynamodb", "delete_item", TableName=tables["orders"], Key=KEY),
            "scan": call("dynamodb", "scan", TableName=tables["orders"]),
            "put another": call("dynamodb", "put_item", TableName=tables["invoices"], Item=KEY),
        },
        "sqs": {
            "attributes": call(
                "sqs", "get_queue_attributes", QueueUrl=queues["jobs"], AttributeNames=["All"]
            ),
            "receive": call("sqs", "receive_message", QueueUrl=queues["jobs"]),
            "delete": call(
                "sqs", "delete_message", QueueUrl=queues["jobs"], ReceiptHandle="no-handle"
            ),
            "send": call("sqs", "send_message", QueueUrl=queues["jobs"], MessageBody="more"),
            "purge": call("sqs", "purge_queue", QueueUrl=queues["jobs"]),
            "receive another": call("sqs", "receive_message", QueueUrl=queues["mail"]),
        },
    }
    return world.probe_all(
        {
            name: ProbeRequest(BACKEND, APPS[name], {**plan, "who am I": WHO_AM_I}, name=name)
            for name, plan in plans.items()
        }
    )


@proves(BUCKET_IS_LISTED_AND_READ)
def test_bucket_is_listed_and_read(apps: dict[str, Probe]) -> None:
    """Two actions on two ARNs: the bucket for the list, its objects for the read."""
    listed, read = apps["s3"]["list"].granted(), apps["s3"]["get"].granted()

    with blaming(Stage.SERVICE):
        assert [found["Key"] for found in listed.answer.get("Contents", [])] == ["hello.txt"]
        assert read.text == "hello"


@proves(BUCKET_POLICY_LEAVES_OUT_THE_REST)
@pytest.mark.parametrize("what", ["put", "delete", "list another", "get another"])
def test_bucket_policy_leaves_out_the_rest(what: str, apps: dict[str, Probe]) -> None:
    """The pod that has just read is refused by IAM, whose codes no missing thing has."""
    apps["s3"]["get"].granted()
    apps["s3"][what].denied(Stage.IAM, "AccessDenied")


@proves(TABLE_IS_WRITTEN)
def test_table_is_written(apps: dict[str, Probe]) -> None:
    """What was put and then changed is what is read."""
    for what in ("put", "update"):
        apps["dynamodb"][what].granted()
    read = apps["dynamodb"]["get"].granted()

    with blaming(Stage.SERVICE):
        assert read.answer.get("Item") == {**KEY, "paid": {"BOOL": True}}


@proves(TABLE_POLICY_LEAVES_OUT_THE_REST)
@pytest.mark.parametrize("what", ["delete", "scan", "put another"])
def test_table_policy_leaves_out_the_rest(what: str, apps: dict[str, Probe]) -> None:
    apps["dynamodb"]["put"].granted()
    apps["dynamodb"][what].denied(Stage.IAM, "AccessDeniedException")


@proves(QUEUE_IS_CONSUMED)
def test_queue_is_consumed(apps: dict[str, Probe]) -> None:
    """
    The delete reaches the queue, which knows no such receipt: IAM has let it pass.

    That a message which was received can be deleted is SQS's promise, not Pod Identity's.
    """
    for what in ("attributes", "receive"):
        apps["sqs"][what].granted()
    apps["sqs"]["delete"].denied(Stage.SERVICE, "ReceiptHandleIsInvalid")


@proves(QUEUE_POLICY_LEAVES_OUT_THE_REST)
@pytest.mark.parametrize("what", ["send", "purge", "receive another"])
def test_queue_policy_leaves_out_the_rest(what: str, apps: dict[str, Probe]) -> None:
    apps["sqs"]["receive"].granted()
    apps["sqs"][what].denied(Stage.IAM, "AccessDenied")


@proves(NOTHING_ELSE_IS_NEEDED)
@pytest.mark.parametrize("service", APPS)
def test_nothing_else_is_needed(service: str, apps: dict[str, Probe], world: World) -> None:
    """
    The pod is injected and calls as its role, and nothing about AWS was written for it.

    Looked for on the pod, on its service account and inside the container, where a
    key might come from a file or a Secret.
    """
    probe = apps[service]
    evidence = probe["who am I"]
    identity = evidence.identified()

    with blaming(Stage.INJECTION):
        assert identity.role_name == world.contract.roles[service].name
        assert evidence.provider == "container-role"
        assert evidence.injection.keys == ()
        assert annotations(probe.pod.manifest) == []
        assert annotations(world.service_account_as_is(BACKEND, APPS[service])) == []


@proves(CLI_NAMES_THE_AGENT, needs=cli)
def test_cli_names_the_agent_and_its_pod_nothing(reader: dict[str, Probe]) -> None:
    """
    `aws configure list` says where the key is from; the pod says image, command and account.

    What the API server has of it besides are the webhook's variables and the token's volume,
    and the volume of Kubernetes' own token, which no AWS SDK knows.
    """
    for probe in reader.values():
        manifest = probe.pod.manifest
        volumes = [volume["name"] for volume in manifest["spec"]["volumes"]]
        [container] = containers(manifest).values()
        with blaming(Stage.INJECTION):
            assert set(variable_names(container)) - {STS_VARIABLE} == INJECTED
            assert [name for name in volumes if not name.startswith("kube-api-access-")] == [VOLUME]
            assert annotations(manifest) == []
    told = reader["next"]["where from"].granted().text
    with blaming(Stage.INJECTION):
        assert "container-role" in told


# --- the role is swapped


class Swapped(NamedTuple):
    """What a pod had before the swap and another after it, on one node; both present one token."""

    before: Probe
    told: Evidence
    after: Probe


@pytest.fixture(scope="module")
def swapped(world: World) -> Swapped:
    """A pod, the swap, and another pod of the same service account."""
    running = world.token(world.stand_in(BACKEND, SWAPPED))
    before = read_both(world, running, node="")
    told = world.aws(
        "eks", "update-pod-identity-association",
        "--cluster-name", world.environment.cluster.name,
        "--association-id", world.contract.associations[f"{BACKEND}/{SWAPPED}"].id,
        "--role-arn", world.contract.roles["archivist"].arn,
    )  # fmt: skip
    seen: dict[str, Probe] = {}

    def in_effect() -> bool:
        seen["after"] = read_both(world, running, node=before.pod.node)
        return has_role(seen["after"]["who am I"], "archivist", world)

    world.settles("new pods have the new role", in_effect)
    return Swapped(before, told, seen["after"])


def read_both(world: World, running: str, *, node: str) -> Probe:
    """
    A new pod that reads from both buckets.

    It also presents a token to its agent, as the pod that runs on would, and to EKS Auth.
    """
    reads = {
        bucket: call("s3", "get_object", Bucket=world.bucket(bucket), Key="hello.txt")
        for bucket in ("data", "archive")
    }
    directly = call(
        "eks-auth",
        "assume_role_for_pod_identity",
        clusterName=world.environment.cluster.name,
        token=presented("running"),
    )
    plan: dict[str, Call] = {
        "who am I": WHO_AM_I,
        **reads,
        "running": ask_agent("running", then=WHO_AM_I),
        "data, running": ask_agent("running", then=reads["data"]),
        "EKS Auth": directly,
    }
    request = ProbeRequest(
        BACKEND, SWAPPED, plan, name="swapped", secrets={"running": running}, node=node
    )
    return world.probe_all({"swapped": request})["swapped"]


def has_role(evidence: Evidence, role: str, world: World) -> bool:
    return evidence.identified().role_name == world.contract.roles[role].name


@proves(ROLE_IS_SWAPPED_IN_PLACE, needs=swap)
def test_new_pod_has_the_new_role(swapped: Swapped, world: World) -> None:
    """Before, the old role's bucket is open and the new role's is closed; then the other way."""
    swapped.told.granted()
    ways = ((swapped.before, "s3", "data"), (swapped.after, "archivist", "archive"))
    for pod, role, own in ways:
        with blaming(Stage.EKS_AUTH):
            assert has_role(pod["who am I"], role, world)
        for bucket in ("data", "archive"):
            if bucket == own:
                pod[bucket].granted()
            else:
                pod[bucket].denied(Stage.IAM, "AccessDenied")


@proves(RUNNING_PODS_SEE_IT_LATER, needs=swap | {Capability.NODE_ISOLATION})
def test_running_pod_keeps_the_old_role(swapped: Swapped, world: World) -> None:
    """
    The token that was presented before the swap still gets the very same credentials.

    EKS Auth gives the new role for that token, asked by itself: so the swap is in
    effect, and it is the agent's cache that keeps the old one.
    """
    was, still = (probe["running"] for probe in (swapped.before, swapped.after))
    with blaming(Stage.EKS_AUTH):
        arn = swapped.after["EKS Auth"].granted().answer["assumedRoleUser"]["arn"]
        assert arn.split("/")[1] == world.contract.roles["archivist"].name

    with blaming(Stage.AGENT):
        assert has_role(still, "s3", world)
        assert still.access_key == was.access_key
    swapped.after["data, running"].granted()


# --- from the very beginning


class Fresh(NamedTuple):
    """What a cluster without agent became."""

    role: Evidence
    installed: Evidence
    again: Evidence
    nodes: int
    agents: dict[str, str]
    """Log by node."""
    probe: Probe


@contextmanager
def role_by_hand(world: World) -> Iterator[Evidence]:
    """What the CLI tells of the role that it makes, which is gone after the block."""
    name = f"{world.contract.roles['s3'].name}-by-hand"
    made = world.aws(
        "iam", "create-role",
        "--role-name", name,
        "--assume-role-policy-document", json.dumps(TRUST),
        "--tags", *(f"Key={key},Value={value}" for key, value in world.tags.items()),
    )  # fmt: skip
    yield made
    if made.answer:
        world.aws("iam", "delete-role", "--role-name", name)


@pytest.fixture(scope="module")
def fresh(world: World) -> Iterator[Fresh]:
    """A cluster of two nodes that nobody has prepared, then the guide's commands."""
    with (
        role_by_hand(world) as role,
        another_cluster(world, "guide", nodes=2, agent=False) as cluster,
    ):
        name = cluster.environment.cluster.name
        installed = world.aws("eks", "create-addon", "--cluster-name", name, "--addon-name", AGENT)
        cluster.eventually(
            "the add-on is ACTIVE",
            lambda: (
                cluster.eks("describe_addon", addonName=AGENT).answer["addon"]["status"] == "ACTIVE"
            ),
            within=WITHIN,
        )
        cluster.eks(
            "create_pod_identity_association",
            namespace=cluster.namespace(BACKEND),
            serviceAccount=READER,
            roleArn=role.granted().answer["Role"]["Arn"],
        )
        probe = cluster.probe(BACKEND, READER, {"who am I": WHO_AM_I})
        again = cluster.eks("create_addon", addonName=AGENT)
        yield Fresh(role, installed, again, 2, cluster.agent_logs(), probe)


@proves(ADDON_BRINGS_THE_AGENT, needs={Capability.AWS_CLI, Capability.CLUSTERS})
def test_one_command_brings_the_agent(fresh: Fresh) -> None:
    """There is an agent on both nodes, and a pod on one of them has credentials."""
    fresh.installed.granted()

    with blaming(Stage.AGENT):
        assert len(fresh.agents) == fresh.nodes
    fresh.probe["who am I"].granted()


@proves(ROLE_COMES_FROM_ONE_COMMAND, needs={Capability.AWS_CLI, Capability.CLUSTERS})
def test_role_of_one_command_is_the_pods(fresh: Fresh) -> None:
    """Nothing was said about the role but its name and the guide's trust policy."""
    made = fresh.role.granted().answer["Role"]
    identity = fresh.probe["who am I"].identified()

    with blaming(Stage.STS):
        assert identity.role_name == made["RoleName"]


@proves(ADDON_IS_THERE_ONCE, needs={Capability.AWS_CLI, Capability.CLUSTERS})
def test_second_installation_is_refused(fresh: Fresh) -> None:
    """The first was accepted; the same command again says that it is there."""
    fresh.installed.granted()
    fresh.again.denied(Stage.SERVICE, "ResourceInUseException")
