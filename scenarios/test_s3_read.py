"""A pod reads S3 as the role of its service account: that, and nothing else."""

import re
from typing import Any

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, ServiceCall, blaming, by_url, call
from conformance.probes.injected import (
    ADDRESS_VARIABLE,
    AUDIENCE,
    TOKEN_PATH,
    TOKEN_VARIABLE,
    annotations,
    injected_parts,
    token_sources,
    variables,
)
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.injection import (
    ASSOCIATED_POD_IS_INJECTED,
    NO_LONG_LIVED_KEYS,
    UNASSOCIATED_POD_HAS_NO_CREDENTIALS,
    UNASSOCIATED_POD_IS_NOT_INJECTED,
    UNASSOCIATED_POD_NEVER_ASKS_THE_AGENT,
)
from conformance.requirements.marks import proves
from conformance.requirements.s3_read import (
    BUCKET_POLICY_ALLOWS,
    BUCKET_POLICY_DENIES,
    COPY_NEEDS_BOTH_SIDES,
    DELETE_IS_DENIED,
    DELETION_IS_DECIDED_BY_KEY,
    DENIAL_SAYS_WHO_AND_WHAT,
    DENY_IN_THE_ROLE_WINS,
    HEAD_IS_DENIED_WITHOUT_WORDS,
    LIST_IS_NARROWED_BY_PREFIX,
    LIST_NEEDS_ITS_OWN_PERMISSION,
    MISSING_KEY_IS_HIDDEN,
    MISSING_KEY_IS_TOLD,
    OTHER_BUCKET_IS_DENIED,
    POD_READS_ITS_OBJECT,
    PREFIX_ENDS_WHERE_IT_ENDS,
    TAGS_IN_A_BUCKET_POLICY,
    TAGS_IN_RESOURCES,
    URL_IS_THE_SESSIONS,
    WRITE_IS_DENIED,
)
from conformance.requirements.session import (
    SESSION_HAS_SIX_TAGS,
    SESSION_IS_OF_THE_ASSOCIATED_ROLE,
    SESSION_NAME_SAYS_WHICH_POD,
    SESSION_TAGS_ARE_EXACT,
)
from conformance.spec import (
    Association,
    Bucket,
    Condition,
    ResourceStatement,
    Role,
    Spec,
    Statement,
)
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

TAGS = {
    "eks-cluster-arn": "cluster:arn",
    "eks-cluster-name": "cluster:name",
    "kubernetes-namespace": "{namespace:shop}",
    "kubernetes-service-account": "reader",
    "kubernetes-pod-name": "reader-*",
    "kubernetes-pod-uid": "????????-????-????-????-????????????",
}
"""The six session tags in EKS Auth's order, each with a pattern that its value has."""


def when(variable: str, pattern: str) -> tuple[Condition, ...]:
    return (Condition(test="StringLike", variable=variable, values=(pattern,)),)


def to(action: str, *resources: str, **more: Any) -> Statement:
    return Statement(actions=(f"s3:{action}",), resources=resources, **more)


def readable_with_tag(key: str, tag: str, pattern: str) -> Statement:
    conditions = when(f"aws:PrincipalTag/{tag}", pattern)
    return to("GetObject", f"bucket:data/{key}", conditions=conditions)


def of_the_bucket(role: str, folder: str, **more: Any) -> ResourceStatement:
    """What the bucket `shared` itself says about a role and one of its folders."""
    return ResourceStatement(
        actions=("s3:GetObject",), roles=(role,), resources=(f"bucket:shared/{folder}/*",), **more
    )


OWN_FOLDER = (
    "bucket:shared/${aws:PrincipalTag/kubernetes-namespace}"
    "/${aws:PrincipalTag/kubernetes-service-account}/*"
)
SERVICE_ACCOUNT = "aws:PrincipalTag/kubernetes-service-account"
FOLDERS = ("s3-blue", "s3-green")
"""Two service accounts of one role."""

AGENT_ADDRESS = re.compile(
    r"http://(169\.254\.170\.23|\[fd00:ec2::23\]|127\.0\.0\.1:\d+)/v1/credentials"
)

SPEC = Spec(
    roles=(
        Role(
            name="reader",
            statements=(
                to("GetObject", "bucket:data/hello.txt", "bucket:data/logs/*"),
                to("GetObject", "bucket:data/logs/secret.txt", effect="Deny"),
                *(readable_with_tag(f"tagged/{tag}", tag, TAGS[tag]) for tag in TAGS),
                *(readable_with_tag(f"elsewhere/{tag}", tag, "elsewhere") for tag in TAGS),
            ),
        ),
        Role(
            name="lister",
            statements=(
                to("ListBucket", "bucket:data"),
                to("GetObject", "bucket:data/logs/*"),
                to("ListBucket", "bucket:other", conditions=when("s3:prefix", "logs/*")),
            ),
        ),
        Role(
            name="writer",
            statements=(
                to("GetObject", "bucket:data/mine/*"),
                to("PutObject", "bucket:data/mine/*"),
                to("DeleteObject", "bucket:data/mine/*"),
            ),
        ),
        Role(
            name="guest",
            statements=(to("GetObject", "bucket:shared/open/*", "bucket:shared/closed/*"),),
        ),
        Role(name="tagged", statements=(to("GetObject", OWN_FOLDER),)),
    ),
    buckets=(
        Bucket(
            name="data",
            objects={"hello.txt": "hello", "logs/a.txt": "a", "logs/secret.txt": "secret"}
            | {"logs-of-others/a.txt": "not in logs/", "mine/a.txt": "a", "kept.txt": "kept"}
            | {f"tagged/{tag}": tag for tag in TAGS}
            | {f"elsewhere/{tag}": "for a tag of another value" for tag in TAGS},
        ),
        Bucket(
            name="other",
            objects={"hello.txt": "not for the reader", "logs/a.txt": "a", "private/a.txt": "a"},
        ),
        Bucket(
            name="shared",
            objects={"open/a.txt": "a", "closed/a.txt": "a", "invited/a.txt": "a", "rest.txt": "r"}
            | {"by-policy/a.txt": "for s3-blue"}
            | {f"{{namespace:shop}}/{name}/a.txt": name for name in FOLDERS},
            statements=(
                of_the_bucket("guest", "invited"),
                of_the_bucket("guest", "closed", effect="Deny"),
                of_the_bucket("tagged", "by-policy", conditions=when(SERVICE_ACCOUNT, "s3-blue")),
            ),
        ),
    ),
    associations=(
        Association(namespace="shop", service_account="reader", role="reader"),
        Association(namespace="shop", service_account="s3-lister", role="lister"),
        Association(namespace="shop", service_account="s3-writer", role="writer"),
        Association(namespace="shop", service_account="s3-guest", role="guest"),
        *(Association(namespace="shop", service_account=name, role="tagged") for name in FOLDERS),
    ),
)


def read(bucket: str, key: str) -> ServiceCall:
    return call("s3", "get_object", Bucket=bucket, Key=key)


def plans(world: World) -> dict[str, dict[str, Call]]:
    """What each service account tries."""
    data, other, shared = (world.bucket(name) for name in ("data", "other", "shared"))
    own_object = read(data, "hello.txt")
    reader: dict[str, Call] = {
        "who am I": WHO_AM_I,
        "own object": own_object,
        "other bucket": read(other, "hello.txt"),
        "below the prefix": read(data, "logs/a.txt"),
        "beside the prefix": read(data, "logs-of-others/a.txt"),
        "denied below the prefix": read(data, "logs/secret.txt"),
        "missing": read(data, "logs/missing.txt"),
        "head": call("s3", "head_object", Bucket=data, Key="hello.txt"),
        "head of another": call("s3", "head_object", Bucket=other, Key="hello.txt"),
        "list": call("s3", "list_objects_v2", Bucket=data),
        "own object by URL": by_url(own_object),
        "other bucket by URL": by_url(read(other, "hello.txt")),
        **{f"by tag {name}": read(data, f"tagged/{name}") for name in TAGS},
        **{f"by another {name}": read(data, f"elsewhere/{name}") for name in TAGS},
        # What would change the object comes last: where it is not refused, the rest still holds.
        "write": call("s3", "put_object", Bucket=data, Key="hello.txt", Body="written"),
        "delete": call("s3", "delete_object", Bucket=data, Key="hello.txt"),
    }
    lister: dict[str, Call] = {
        "list": call("s3", "list_objects_v2", Bucket=data),
        "read": read(data, "hello.txt"),
        "list prefix": call("s3", "list_objects_v2", Bucket=other, Prefix="logs/"),
        "list other prefix": call("s3", "list_objects_v2", Bucket=other, Prefix="private/"),
        "list whole": call("s3", "list_objects_v2", Bucket=other),
        "missing": read(data, "logs/missing.txt"),
    }
    both = {"Objects": [{"Key": "mine/copy.txt"}, {"Key": "kept.txt"}]}
    writer: dict[str, Call] = {
        "copy": copy(f"{data}/mine/a.txt", data, "mine/copy.txt"),
        "copy from another": copy(f"{other}/hello.txt", data, "mine/stolen.txt"),
        "copy to another": copy(f"{data}/mine/a.txt", other, "left.txt"),
        "what was copied": read(data, "mine/copy.txt"),
        "delete both": call("s3", "delete_objects", Bucket=data, Delete=both),
    }
    guest = {name: read(shared, f"{name}/a.txt") for name in ("open", "closed", "invited")}
    folders = {name: read(shared, f"{world.namespace('shop')}/{name}/a.txt") for name in FOLDERS}
    return {
        "reader": reader,
        "stranger": {"own object": own_object},
        "s3-lister": lister,
        "s3-writer": writer,
        "s3-guest": {**guest, "rest": read(shared, "rest.txt")},
        **{name: {**folders, "by policy": read(shared, "by-policy/a.txt")} for name in FOLDERS},
    }


def copy(source: str, bucket: str, key: str) -> ServiceCall:
    return call("s3", "copy_object", CopySource=source, Bucket=bucket, Key=key)


@pytest.fixture(scope="module")
def probes(world: World) -> dict[str, Probe]:
    """A pod of each service account, and a stranger that has no association."""
    return world.probe_all(
        {name: ProbeRequest("shop", name, plan, name=name) for name, plan in plans(world).items()}
    )


@pytest.fixture(scope="module")
def reader(probes: dict[str, Probe]) -> Probe:
    return probes["reader"]


@pytest.fixture(scope="module")
def stranger(probes: dict[str, Probe]) -> Probe:
    return probes["stranger"]


@pytest.fixture(scope="module")
def lister(probes: dict[str, Probe]) -> Probe:
    return probes["s3-lister"]


@pytest.fixture(scope="module")
def writer(probes: dict[str, Probe]) -> Probe:
    return probes["s3-writer"]


@pytest.fixture(scope="module")
def guest(probes: dict[str, Probe]) -> Probe:
    return probes["s3-guest"]


def keys_in(listed: Evidence) -> list[str]:
    return [entry["Key"] for entry in listed.answer.get("Contents", [])]


def is_denied_explicitly(evidence: Evidence, kind: str) -> None:
    """Refused by a Deny in that kind of policy, which is more than nothing having allowed it."""
    evidence.denied(Stage.IAM, "AccessDenied")
    with blaming(Stage.IAM):
        assert f"with an explicit deny in {kind} policy" in evidence.message


@proves(POD_READS_ITS_OBJECT)
def test_associated_pod_reads_its_object(reader: Probe) -> None:
    """
    The pod reads its object, and what it reads is what was put there.

    The pod has no configuration of its own: boto3's default chain must find the
    credentials, and say that it found them at the container credentials address.
    """
    evidence = reader["own object"].granted()

    with blaming(Stage.SERVICE):
        assert evidence.text == "hello"
    with blaming(Stage.INJECTION):
        assert evidence.provider == "container-role"


@proves(SESSION_IS_OF_THE_ASSOCIATED_ROLE)
def test_pod_acts_as_the_role_of_its_association(reader: Probe, world: World) -> None:
    """
    STS names the pod's caller as a session of the associated role.

    Reading the object does not prove it: another role may be allowed to, too.
    """
    identity = reader["who am I"].identified()

    with blaming(Stage.EKS_AUTH):
        assert identity.role_name == world.contract.roles["reader"].name
        assert identity.account == world.contract.account_id


@proves(SESSION_NAME_SAYS_WHICH_POD)
def test_session_is_named_after_cluster_and_pod(reader: Probe, world: World) -> None:
    """The session's name is eks-<cluster>-<pod>-<uuid>, cluster and pod cut to 10 characters."""
    cluster, pod = world.contract.cluster.name, reader.pod.name
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    identity = reader["who am I"].identified()

    with blaming(Stage.STS):
        beginning = re.escape(f"eks-{cluster[:10]}-{pod[:10]}-")
        assert re.fullmatch(beginning + uuid, identity.session_name)


@proves(SESSION_HAS_SIX_TAGS)
@pytest.mark.parametrize("tag", TAGS)
def test_policies_see_the_session_tag(tag: str, reader: Probe) -> None:
    """
    An object is readable only under a condition on this session tag, and the pod reads it.

    A service that ignored conditions would answer alike, so one more object asks
    for another value of the same tag, and must be refused.
    """
    reader[f"by tag {tag}"].granted()
    reader[f"by another {tag}"].denied(Stage.IAM, "AccessDenied")


@proves(SESSION_TAGS_ARE_EXACT, needs={Capability.RECORDS})
def test_session_tags_are_exact_ordered_and_transitive(reader: Probe, world: World) -> None:
    """STS was passed these six tags of this pod in this order, all transitive, and no other."""
    evidence = reader["who am I"].granted()
    cluster, pod = world.contract.cluster, reader.pod
    values = (cluster.arn, cluster.name, pod.namespace, pod.service_account, pod.name, pod.uid)

    sessions = [
        session
        for session in world.records().sessions
        if session.access_key_fingerprint == evidence.access_key
    ]

    with blaming(Stage.STS):
        assert len(sessions) == 1
        assert list(sessions[0].tags) == list(zip(TAGS, values, strict=True))
        assert list(sessions[0].transitive) == list(TAGS)


@proves(OTHER_BUCKET_IS_DENIED)
def test_another_bucket_is_denied(reader: Probe) -> None:
    """IAM refuses the bucket that the role does not name; the object is there."""
    reader["other bucket"].denied(Stage.IAM, "AccessDenied")


@proves(WRITE_IS_DENIED)
def test_reader_cannot_write_to_its_own_bucket(reader: Probe) -> None:
    """IAM refuses the write to the very object that the pod may read."""
    reader["write"].denied(Stage.IAM, "AccessDenied")


@proves(PREFIX_ENDS_WHERE_IT_ENDS)
def test_prefix_ends_where_it_ends(reader: Probe) -> None:
    """`logs/*` is readable, `logs-of-others/` is not: it only begins alike."""
    reader["below the prefix"].granted()
    reader["beside the prefix"].denied(Stage.IAM, "AccessDenied")


@proves(DENY_IN_THE_ROLE_WINS)
def test_deny_in_the_role_wins(reader: Probe) -> None:
    """The prefix is allowed and one object below it denied, in the same policy."""
    reader["below the prefix"].granted()
    is_denied_explicitly(reader["denied below the prefix"], "an identity-based")


@proves(DELETE_IS_DENIED)
def test_reader_cannot_delete(reader: Probe) -> None:
    """IAM refuses to delete the very object that the pod read, so it is there."""
    reader["own object"].granted()
    reader["delete"].denied(Stage.IAM, "AccessDenied")


@proves(HEAD_IS_DENIED_WITHOUT_WORDS)
def test_head_is_denied_without_words(reader: Probe) -> None:
    """All that there is to see is the status, which boto3 takes for a code."""
    reader["head"].granted()
    evidence = reader["head of another"].denied(Stage.IAM, "403")

    with blaming(Stage.IAM):
        assert evidence.message in ("", "Forbidden")


@proves(DENIAL_SAYS_WHO_AND_WHAT)
def test_denial_says_who_what_and_why(reader: Probe, world: World) -> None:
    """The session's ARN, the action, the object's ARN, and that no policy of the role allows."""
    who = reader["who am I"].identified().arn
    evidence = reader["write"].denied(Stage.IAM, "AccessDenied")
    resource = f"{world.contract.buckets['data'].arn}/hello.txt"

    with blaming(Stage.IAM):
        assert evidence.status == 403
        assert evidence.message == (
            f'User: {who} is not authorized to perform: s3:PutObject on resource: "{resource}" '
            "because no identity-based policy allows the s3:PutObject action"
        )


@proves(LIST_NEEDS_ITS_OWN_PERMISSION)
def test_listing_needs_its_own_permission(reader: Probe, lister: Probe) -> None:
    """Of two pods one reads and does not list, the other lists and does not read."""
    listed = lister["list"].granted()
    lister["read"].denied(Stage.IAM, "AccessDenied")
    reader["own object"].granted()
    reader["list"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.SERVICE):
        assert "mine/a.txt" in keys_in(listed)


@proves(LIST_IS_NARROWED_BY_PREFIX)
def test_listing_is_narrowed_by_prefix(lister: Probe) -> None:
    """The prefix of the condition is listed; another one is refused, and so is all of it."""
    listed = lister["list prefix"].granted()
    lister["list other prefix"].denied(Stage.IAM, "AccessDenied")
    lister["list whole"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.SERVICE):
        assert keys_in(listed) == ["logs/a.txt"]


@proves(MISSING_KEY_IS_HIDDEN)
def test_missing_key_is_hidden_from_who_may_not_list(reader: Probe) -> None:
    """A key below a prefix that the pod may read: it is not there, and S3 does not say so."""
    reader["below the prefix"].granted()
    reader["missing"].denied(Stage.IAM, "AccessDenied")


@proves(MISSING_KEY_IS_TOLD)
def test_missing_key_is_told_to_who_may_list(lister: Probe) -> None:
    """The same key, the same permission to read it, and the one to list the bucket."""
    lister["missing"].denied(Stage.SERVICE, "NoSuchKey")


@proves(COPY_NEEDS_BOTH_SIDES)
def test_copy_needs_both_sides(writer: Probe) -> None:
    """What is refused of each is named: reading the source, writing the target."""
    writer["copy"].granted()
    source = writer["copy from another"].denied(Stage.IAM, "AccessDenied")
    target = writer["copy to another"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.IAM):
        assert "perform: s3:GetObject on" in source.message
        assert "perform: s3:PutObject on" in target.message
    with blaming(Stage.SERVICE):
        assert writer["what was copied"].granted().text == "a"


@proves(DELETION_IS_DECIDED_BY_KEY)
def test_many_deletions_are_decided_one_by_one(writer: Probe) -> None:
    """Its own object is gone; for the other one the answer holds a refusal."""
    answer = writer["delete both"].granted().answer

    with blaming(Stage.IAM):
        assert [one["Key"] for one in answer.get("Deleted", [])] == ["mine/copy.txt"]
        refused = {one["Key"]: one["Code"] for one in answer.get("Errors", [])}
        assert refused == {"kept.txt": "AccessDenied"}


@proves(URL_IS_THE_SESSIONS)
def test_presigned_url_is_the_sessions(reader: Probe) -> None:
    """
    By nothing but a URL the pod reads its own object, and is refused another's.

    Both were signed alike, by the pod itself, which asks nobody: what the URL is
    good for is decided when somebody follows it.
    """
    evidence = reader["own object by URL"].granted()
    reader["other bucket by URL"].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.SERVICE):
        assert evidence.text == "hello"


@proves(BUCKET_POLICY_ALLOWS)
def test_bucket_policy_is_enough_in_its_own_account(guest: Probe) -> None:
    """The role says nothing of that folder, the bucket does; of the rest neither does."""
    guest["invited"].granted()
    guest["rest"].denied(Stage.IAM, "AccessDenied")


@proves(BUCKET_POLICY_DENIES)
def test_bucket_policys_deny_wins(guest: Probe) -> None:
    """The role allows both folders, and the bucket denies it one of them."""
    guest["open"].granted()
    is_denied_explicitly(guest["closed"], "a resource-based")


@proves(TAGS_IN_RESOURCES)
@pytest.mark.parametrize("name", FOLDERS)
def test_each_service_account_has_its_own_folder(name: str, probes: dict[str, Probe]) -> None:
    """Both have one role, whose policy names folders by the tags of the session."""
    other = next(each for each in FOLDERS if each != name)

    evidence = probes[name][name].granted()
    probes[name][other].denied(Stage.IAM, "AccessDenied")

    with blaming(Stage.SERVICE):
        assert evidence.text == name


@proves(TAGS_IN_A_BUCKET_POLICY)
def test_bucket_policy_tells_service_accounts_apart(probes: dict[str, Probe]) -> None:
    """The bucket lets the role in, under a condition on the session's tag."""
    probes["s3-blue"]["by policy"].granted()
    probes["s3-green"]["by policy"].denied(Stage.IAM, "AccessDenied")


@proves(ASSOCIATED_POD_IS_INJECTED)
def test_associated_pod_is_injected(reader: Probe) -> None:
    """
    The pod got the credentials address and a token that is its own.

    Looked at from both sides: what the API server has, and what is really inside
    the container. Where nodes share one network, loopback stands for the agent's address.
    """
    evidence, manifest = reader["own object"], reader.pod.manifest
    seen = evidence.injection.variables

    with blaming(Stage.INJECTION):
        assert [source["audience"] for source in token_sources(manifest)] == [AUDIENCE]
        assert variables(manifest).get(TOKEN_VARIABLE) == TOKEN_PATH
        assert seen.get(TOKEN_VARIABLE) == TOKEN_PATH
        assert AGENT_ADDRESS.fullmatch(seen.get(ADDRESS_VARIABLE, ""))
        assert evidence.injection.token_file
        assert evidence.token is not None
        assert evidence.token.audience == (AUDIENCE,)
        assert evidence.token.kubernetes["pod"]["uid"] == reader.pod.uid


@proves(NO_LONG_LIVED_KEYS)
def test_pod_holds_no_long_lived_keys(reader: Probe) -> None:
    """Neither the pod's specification nor the container has a key, and nothing names a role."""
    in_the_container = reader["own object"].injection
    in_the_specification = variables(reader.pod.manifest)

    with blaming(Stage.INJECTION):
        assert in_the_container.keys == ()
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(in_the_specification)
        assert not {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} & set(in_the_specification)
        assert annotations(reader.pod.manifest) == []


@proves(UNASSOCIATED_POD_IS_NOT_INJECTED)
def test_pod_without_association_is_not_injected(stranger: Probe) -> None:
    """The stranger has nothing of Pod Identity, in its specification and in its container."""
    with blaming(Stage.INJECTION):
        assert injected_parts(stranger.pod.manifest) == []
        assert ADDRESS_VARIABLE not in stranger["own object"].injection.variables


@proves(UNASSOCIATED_POD_HAS_NO_CREDENTIALS)
def test_pod_without_association_finds_no_credentials(stranger: Probe) -> None:
    """boto3 looked everywhere it looks by default and found no credentials to ask with."""
    evidence: Evidence = stranger["own object"]

    evidence.denied(Stage.INJECTION, "NoCredentials")


# Where pods share an address, the agent's log cannot tell who asked.
@proves(UNASSOCIATED_POD_NEVER_ASKS_THE_AGENT, needs={Capability.NODE_ISOLATION})
def test_pod_without_association_never_asks_the_agent(
    reader: Probe, stranger: Probe, world: World
) -> None:
    """No agent logged a request of the stranger; the reader's shows that they do log."""
    with blaming(Stage.INJECTION):
        assert world.agent_requests(reader.pod) != []
        assert world.agent_requests(stranger.pod) == []
