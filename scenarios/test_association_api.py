"""
The API of associations, as a platform team and its tools meet it.

The calls are the harness's own: no Terraform in between that would retry or reword.
Two pods try what their roles do not allow.
"""

import re
from typing import Any

import pytest

from conformance.probes import Evidence, ServiceCall, answer_of, blaming, call
from conformance.requirements.association_api import (
    ASSOCIATION_IDS_HAVE_19_CHARACTERS,
    ASSOCIATIONS_ARE_TAGGED,
    CREATED_ASSOCIATION_IS_DESCRIBED,
    CREATION_IS_IDEMPOTENT,
    CREATION_NEEDS_PASS_ROLE,
    DELETED_ASSOCIATION_IS_GONE,
    EXTERNAL_ID_NAMES_THE_WORKLOAD,
    FIFTY_TAGS_ARE_THE_MOST,
    LIST_COMES_IN_PAGES,
    LIST_IS_A_SUMMARY,
    LIST_IS_FILTERED,
    NAMES_ARE_CHECKED,
    NAMES_NEED_NOT_EXIST,
    ONE_ASSOCIATION_PER_SERVICE_ACCOUNT,
    PASSING_IS_FOR_A_ROLE_AND_A_SERVICE,
    PATH_IS_PART_OF_THE_ROLE,
    PERMISSIONS_NAME_THE_ASSOCIATION,
    POLICY_NEEDS_TAGS_OFF,
    ROLE_IS_OF_THE_CLUSTERS_ACCOUNT,
    ROLE_MUST_EXIST,
    SESSION_TAGS_ARE_SWITCHED,
    UNKNOWN_ASSOCIATION_IS_NOT_FOUND,
    UNKNOWN_CLUSTER_IS_NOT_FOUND,
    UPDATE_CHANGES_THE_ROLE_ONLY,
    UPDATE_MUST_CHANGE_SOMETHING,
    UPDATING_NEEDS_PASS_ROLE,
)
from conformance.requirements.marks import proves
from conformance.spec import Association, Condition, Role, Spec, Statement
from conformance.stages import Stage
from conformance.world import Probe, World

OPERATOR = "api-operator"


def passing(name: str, service: str) -> Statement:
    """That role may be given to that service, and to no other."""
    to = Condition(test="StringEquals", variable="iam:PassedToService", values=(service,))
    return Statement(actions=("iam:PassRole",), resources=(f"role:{name}",), conditions=(to,))


SPEC = Spec(
    roles=(
        Role(name="first"),
        Role(name="second"),
        Role(name="apart", path="/conformance/"),
        Role(
            name="operator",
            statements=(
                Statement(
                    actions=tuple(
                        f"eks:{verb}PodIdentityAssociation"
                        for verb in ("Create", "Update", "Delete")
                    ),
                    resources=("*",),
                ),
                Statement(actions=("eks:ListPodIdentityAssociations",), resources=("*",)),
                passing("second", "pods.eks.amazonaws.com"),
                passing("apart", "ec2.amazonaws.com"),
                # Where a service looks at a role as its caller does, that is not what is missing.
                Statement(actions=("iam:GetRole",), resources=("*",)),
            ),
        ),
    ),
    associations=(Association(namespace="shop", service_account=OPERATOR, role="operator"),),
)

CREATE = "create_pod_identity_association"
DESCRIBE = "describe_pod_identity_association"
UPDATE = "update_pod_identity_association"
DELETE = "delete_pod_identity_association"
LIST = "list_pod_identity_associations"

NOBODY = "a-00000000000000000"
"""An id that could be one."""
SUMMARY = {"clusterName", "namespace", "serviceAccount", "associationArn", "associationId"}
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


def role(world: World, name: str = "first") -> str:
    return world.contract.roles[name].arn


def create(world: World, service_account: str, **parameters: Any) -> Evidence:
    """Ask for an association in the namespace `api`, with the first role unless said otherwise."""
    wanted = {"namespace": world.namespace("api"), "serviceAccount": service_account}
    return world.eks(CREATE, **(wanted | {"roleArn": role(world)} | parameters))


def created(world: World, service_account: str, **parameters: Any) -> dict[str, Any]:
    """An association that was made."""
    answer = create(world, service_account, **parameters).granted().answer
    association: dict[str, Any] = answer["association"]
    return association


def described(world: World, association: dict[str, Any]) -> dict[str, Any]:
    evidence = world.eks(DESCRIBE, associationId=association["associationId"]).granted()
    found: dict[str, Any] = evidence.answer["association"]
    return found


def give(operation: str, world: World, name: str, role_arn: str) -> Evidence:
    """Give a role to an association that is made, or to one that has the first role."""
    service_account = f"{name}-{verb(operation)}"
    if operation == CREATE:
        return create(world, service_account, roleArn=role_arn)
    made = created(world, service_account)
    return world.eks(UPDATE, associationId=made["associationId"], roleArn=role_arn)


def verb(operation: str) -> str:
    return operation.partition("_")[0]


def refused(evidence: Evidence, status: int, code: str, text: str = "") -> None:
    """The API refused with this status, code and, where it is known, this text."""
    evidence.denied(Stage.SERVICE, code)
    with blaming(Stage.SERVICE):
        assert evidence.status == status
        assert re.fullmatch(text or ".+", evidence.message)


@pytest.fixture(scope="module")
def operator(world: World) -> Probe:
    """A pod that may not describe associations, and give but one role to Pod Identity."""
    cluster, namespace = world.contract.cluster.name, world.namespace("shop")
    own = world.contract.associations[f"shop/{OPERATOR}"].id

    def ask(operation: str, **parameters: Any) -> ServiceCall:
        return call("eks", operation, clusterName=cluster, **parameters)

    def make(service_account: str, name: str) -> ServiceCall:
        names = {"namespace": namespace, "serviceAccount": service_account}
        return ask(CREATE, **names, roleArn=role(world, name))

    made = answer_of("create with the second", "association", "associationId")
    plan = {
        "list": ask(LIST, namespace=namespace),
        "describe": ask(DESCRIBE, associationId=own),
        "create": make("api-taken-over", "first"),
        "create with the second": make("api-passed", "second"),
        "create with EC2's": make("api-passed-to-ec2", "apart"),
        "update": ask(UPDATE, associationId=made, roleArn=role(world)),
        "update to the second": ask(UPDATE, associationId=made, roleArn=role(world, "second")),
        # What no Terraform and no harness made, nobody else would take away.
        "delete": ask(DELETE, associationId=made),
    }
    return world.probe("shop", OPERATOR, plan, name="operator")


# --- create


@proves(CREATED_ASSOCIATION_IS_DESCRIBED)
def test_created_association_is_described(world: World) -> None:
    """What was asked for is told at once, and told again when it is asked about."""
    made = created(world, "api-described")
    cluster = world.contract.cluster

    with blaming(Stage.SERVICE):
        assert made["clusterName"] == cluster.name
        assert made["namespace"] == world.namespace("api")
        assert made["serviceAccount"] == "api-described"
        assert made["roleArn"] == role(world)
        assert re.fullmatch(r"a-[a-z0-9]{17}", made["associationId"])
        arn = re.escape(f"podidentityassociation/{cluster.name}/{made['associationId']}")
        assert re.fullmatch(rf"arn:[^:]+:eks:[^:]+:{world.contract.account_id}:{arn}",
                            made["associationArn"])  # fmt: skip
        assert made["createdAt"] == made["modifiedAt"]
        assert described(world, made) == made


@proves(NAMES_NEED_NOT_EXIST)
def test_namespace_and_service_account_need_not_exist(world: World) -> None:
    """The cluster has neither; the association is there all the same."""
    nowhere = f"{world.namespace('api')}-not"
    made = created(world, "api-nobody", namespace=nowhere)

    with blaming(Stage.SERVICE):
        assert described(world, made)["namespace"] == nowhere


@proves(ONE_ASSOCIATION_PER_SERVICE_ACCOUNT)
def test_second_association_is_refused(world: World) -> None:
    """Another role for the same names is refused, naming the association that there is."""
    first = created(world, "api-unique")
    second = create(world, "api-unique", roleArn=role(world, "second"))

    refused(
        second,
        409,
        "ResourceInUseException",
        f"Association already exists: {first['associationId']}",
    )
    with blaming(Stage.SERVICE):
        assert described(world, first)["roleArn"] == role(world)


@proves(ROLE_MUST_EXIST)
@pytest.mark.parametrize("operation", [CREATE, UPDATE])
def test_role_must_exist(operation: str, world: World) -> None:
    """Of two roles of this account one is given, and the other one nobody made."""
    give(operation, world, "api-with-role", role(world, "second")).granted()

    refused(
        give(operation, world, "api-roleless", f"{role(world)}-not"),
        400,
        "InvalidParameterException",
        r"Role provided in the request does not exist\.?",
    )


@proves(PATH_IS_PART_OF_THE_ROLE)
def test_role_with_a_path_is_named_with_it(world: World) -> None:
    """The same role twice: with its path it is taken as it is, without it there is none."""
    whole = role(world, "apart")
    made = created(world, "api-path", roleArn=whole)
    cut = create(world, "api-no-path", roleArn=whole.replace("/conformance/", "/"))

    with blaming(Stage.SERVICE):
        assert described(world, made)["roleArn"] == whole
    refused(
        cut, 400, "InvalidParameterException", r"Role provided in the request does not exist\.?"
    )


@proves(ROLE_IS_OF_THE_CLUSTERS_ACCOUNT)
@pytest.mark.parametrize("operation", [CREATE, UPDATE])
def test_role_of_another_account_is_refused(operation: str, world: World) -> None:
    """The same role's name under this account's number, and under another's."""
    own = role(world, "second")
    foreign = own.replace(world.contract.account_id, "999999999999")

    give(operation, world, "api-own", own).granted()
    evidence = give(operation, world, "api-foreign", foreign)
    evidence.denied(Stage.IAM, "AccessDeniedException")


@pytest.fixture(scope="module")
def longest(world: World) -> Evidence:
    """The names are as long as they may be in Kubernetes."""
    return create(world, "a" * 253, namespace=world.namespace("n" * 63))


WRONG: dict[str, dict[str, Any]] = {
    "namespace": {"namespace": "Not_A_Namespace"},
    "service account": {"serviceAccount": "-no-"},
    "any namespace": {"namespace": "*"},
    "any service account": {"serviceAccount": "*"},
    "long namespace": {"namespace": "n" * 64},
    "long service account": {"serviceAccount": "a" * 254},
    "no namespace": {"namespace": None},
    "no service account": {"serviceAccount": None},
    "no role": {"roleArn": None},
}


@proves(NAMES_ARE_CHECKED)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_cannot_be_a_name_is_refused(
    wrong: dict[str, Any], longest: Evidence, world: World
) -> None:
    """
    One parameter is wrong or missing, the others are good.

    Names that are just short enough are taken.
    """
    longest.granted()
    wanted = {"namespace": world.namespace("api"), "serviceAccount": "api-wrong"}
    wanted |= {"roleArn": role(world)} | wrong
    asked = {name: value for name, value in wanted.items() if value is not None}

    refused(world.eks(CREATE, **asked), 400, "InvalidParameterException")


@proves(CREATION_IS_IDEMPOTENT)
def test_creation_is_idempotent(world: World) -> None:
    """Asked twice with one token there is one association; for another role it is refused."""
    token = f"{world.namespace('api')}-token"
    first = created(world, "api-twice", clientRequestToken=token)
    again = created(world, "api-twice", clientRequestToken=token)
    other = create(world, "api-twice", clientRequestToken=token, roleArn=role(world, "second"))

    with blaming(Stage.SERVICE):
        assert again == first
        assert other.code in ("InvalidParameterException", "ResourceInUseException")
        assert described(world, first)["roleArn"] == role(world)


# --- describe, list


@proves(UNKNOWN_CLUSTER_IS_NOT_FOUND)
@pytest.mark.parametrize("operation", [CREATE, LIST, DESCRIBE, UPDATE, DELETE])
def test_unknown_cluster_is_not_found(operation: str, world: World) -> None:
    """The same call is refused for a cluster that is not there, and then answered for our own."""
    made = created(world, f"api-of-{verb(operation)}")
    names = {"namespace": made["namespace"], "serviceAccount": f"api-new-of-{verb(operation)}"}
    id_, other = {"associationId": made["associationId"]}, {"roleArn": role(world, "second")}
    parameters = {CREATE: names | other, LIST: {}, UPDATE: id_ | other}.get(operation, id_)

    refused(
        world.eks(operation, clusterName="no-such-cluster", **parameters),
        404,
        "ResourceNotFoundException",
        r"No cluster found for name: no-such-cluster\.",
    )
    world.eks(operation, **parameters).granted()


@proves(ASSOCIATION_IDS_HAVE_19_CHARACTERS)
@pytest.mark.parametrize("operation", [DESCRIBE, UPDATE, DELETE])
def test_id_of_another_length_is_refused(operation: str, world: World) -> None:
    """It is not looked for at all: the text speaks of its length."""
    parameters = {"roleArn": role(world)} if operation == UPDATE else {}

    refused(
        world.eks(operation, associationId="a-short", **parameters),
        400,
        "InvalidParameterException",
        r"The parameter associationId should be 19 characters long\.",
    )


@proves(UNKNOWN_ASSOCIATION_IS_NOT_FOUND)
@pytest.mark.parametrize("operation", [DESCRIBE, UPDATE, DELETE])
def test_unknown_association_is_not_found(operation: str, world: World) -> None:
    """An id as good as any, that was never given."""
    parameters = {"roleArn": role(world)} if operation == UPDATE else {}

    refused(
        world.eks(operation, associationId=NOBODY, **parameters), 404, "ResourceNotFoundException"
    )


@proves(LIST_IS_A_SUMMARY)
def test_list_is_a_summary(world: World) -> None:
    """It has tags and a role, which the list does not tell."""
    made = created(world, "api-listed", tags={"team": "shop"})
    evidence = world.eks(LIST, namespace=made["namespace"], serviceAccount="api-listed")
    [listed] = evidence.granted().answer["associations"]

    with blaming(Stage.SERVICE):
        assert {name for name, value in listed.items() if value is not None} == SUMMARY
        assert all(listed[name] == made[name] for name in SUMMARY)


@proves(LIST_IS_FILTERED)
def test_list_is_filtered(world: World) -> None:
    """Two namespaces with one service account of the same name, and one of another."""
    here, there = world.namespace("api-here"), world.namespace("api-there")
    for namespace, name in ((here, "api-a"), (here, "api-b"), (there, "api-a")):
        created(world, name, namespace=namespace)

    def found(**filters: str) -> set[tuple[str, str]]:
        answer = world.eks(LIST, **filters).granted().answer
        return {(one["namespace"], one["serviceAccount"]) for one in answer["associations"]}

    with blaming(Stage.SERVICE):
        assert found(namespace=here) == {(here, "api-a"), (here, "api-b")}
        assert found(serviceAccount="api-a") == {(here, "api-a"), (there, "api-a")}
        assert found(namespace=there, serviceAccount="api-a") == {(there, "api-a")}
        assert found(namespace=there, serviceAccount="api-b") == set()


@proves(LIST_COMES_IN_PAGES)
def test_list_comes_in_pages(world: World) -> None:
    """Five associations two by two: three pages, none missing, none twice."""
    namespace = world.namespace("api-pages")
    wanted = [created(world, f"api-page-{n}", namespace=namespace) for n in range(5)]
    pages: list[list[str]] = []
    following: dict[str, str] = {}
    while not pages or following:
        answer = world.eks(LIST, namespace=namespace, maxResults=2, **following).granted().answer
        pages.append([one["associationId"] for one in answer["associations"]])
        following = {"nextToken": answer["nextToken"]} if answer.get("nextToken") else {}

    with blaming(Stage.SERVICE):
        assert [len(page) for page in pages] == [2, 2, 1]
        found = [id_ for page in pages for id_ in page]
        assert sorted(found) == sorted(one["associationId"] for one in wanted)
    for number in (0, 101):
        refused(world.eks(LIST, maxResults=number), 400, "InvalidParameterException")


# --- update, delete


@proves(UPDATE_CHANGES_THE_ROLE_ONLY)
def test_update_changes_the_role_only(world: World) -> None:
    """Role and date of change are others afterwards; everything else is what it was."""
    before = created(world, "api-updated", tags={"team": "shop"})
    world.eks(
        UPDATE, associationId=before["associationId"], roleArn=role(world, "second")
    ).granted()
    after = described(world, before)

    with blaming(Stage.SERVICE):
        assert after["roleArn"] == role(world, "second")
        assert after["modifiedAt"] > before["modifiedAt"]
        changed = {name for name in before if before[name] != after.get(name)}
        assert changed == {"roleArn", "modifiedAt"}


@proves(UPDATE_MUST_CHANGE_SOMETHING)
def test_update_must_change_something(world: World) -> None:
    """It names an association and no change."""
    made = created(world, "api-unchanged")

    refused(
        world.eks(UPDATE, associationId=made["associationId"]), 400, "InvalidParameterException"
    )


@proves(SESSION_TAGS_ARE_SWITCHED)
def test_session_tags_are_switched_by_updates(world: World) -> None:
    """On by default, off when asked for, and on again."""
    made = created(world, "api-tagless")
    seen = [made["disableSessionTags"]]
    for off in (True, False):
        update = {"associationId": made["associationId"], "disableSessionTags": off}
        world.eks(UPDATE, **update).granted()
        seen.append(described(world, made)["disableSessionTags"])

    with blaming(Stage.SERVICE):
        assert seen == [False, True, False]


@proves(POLICY_NEEDS_TAGS_OFF)
def test_policy_needs_session_tags_off(world: World) -> None:
    """Refused with tags; without them it is taken, and told back letter by letter."""
    refused(create(world, "api-policy", policy=POLICY), 400, "InvalidParameterException")
    made = created(world, "api-policy", policy=POLICY, disableSessionTags=True)

    with blaming(Stage.SERVICE):
        assert described(world, made)["policy"] == POLICY


@proves(EXTERNAL_ID_NAMES_THE_WORKLOAD)
def test_external_id_names_the_workload(world: World) -> None:
    """It is told with a target role only."""
    contract, namespace = world.contract, world.namespace("api")
    made = created(world, "api-target", targetRoleArn=role(world, "second"))
    plain = created(world, "api-no-target")

    with blaming(Stage.SERVICE):
        assert made["targetRoleArn"] == role(world, "second")
        assert made["externalId"] == "/".join(
            (contract.region, contract.account_id, contract.cluster.name, namespace, "api-target")
        )
        assert plain.get("externalId") is None


@proves(DELETED_ASSOCIATION_IS_GONE)
def test_deleted_association_is_gone(world: World) -> None:
    """The answer tells what was deleted; then nobody finds it, and the names are free."""
    made = created(world, "api-deleted")
    id_ = made["associationId"]
    deleted = world.eks(DELETE, associationId=id_).granted().answer["association"]
    listed = world.eks(LIST, namespace=made["namespace"], serviceAccount="api-deleted")

    with blaming(Stage.SERVICE):
        assert deleted == made
        assert listed.granted().answer["associations"] == []
    refused(world.eks(DESCRIBE, associationId=id_), 404, "ResourceNotFoundException")
    with blaming(Stage.SERVICE):
        assert created(world, "api-deleted")["associationId"] != id_


# --- tags


@proves(ASSOCIATIONS_ARE_TAGGED)
def test_associations_are_tagged(world: World) -> None:
    """One given at creation is changed, one is added, one is taken away."""
    made = created(world, "api-tagged", tags={"team": "shop", "old": "1"})
    arn = made["associationArn"]
    world.eks("tag_resource", resourceArn=arn, tags={"team": "store", "new": "2"}).granted()
    world.eks("untag_resource", resourceArn=arn, tagKeys=["old"]).granted()
    told = world.eks("list_tags_for_resource", resourceArn=arn).granted().answer["tags"]

    with blaming(Stage.SERVICE):
        assert {"team": "store", "new": "2"}.items() <= told.items()
        assert "old" not in told
        assert described(world, made)["tags"] == told


@proves(FIFTY_TAGS_ARE_THE_MOST)
def test_fifty_tags_are_the_most(world: World) -> None:
    """Fifty-one at creation make no association; one too many later adds none."""
    many = {f"tag-{n}": "x" for n in range(51)}
    refused(create(world, "api-overtagged", tags=many), 400, "InvalidParameterException")
    made = created(world, "api-overtagged", tags={"tag-0": "x"})
    more = world.eks("tag_resource", resourceArn=made["associationArn"], tags=many)

    with blaming(Stage.SERVICE):
        assert more.status == 400
        assert described(world, made)["tags"] == made["tags"]


# --- who may


def may_not_pass(operator: Probe, name: str, role_arn: str) -> None:
    """It was the role that the pod may not give away, not the call that it may not make."""
    evidence = operator[name].denied(Stage.IAM, "AccessDeniedException")
    with blaming(Stage.IAM):
        assert f"iam:PassRole on resource: {role_arn}" in evidence.message


@proves(CREATION_NEEDS_PASS_ROLE)
def test_creation_needs_pass_role(operator: Probe, world: World) -> None:
    """The pod makes an association with one role; another it may not pass, and made nothing."""
    operator["create with the second"].granted()
    may_not_pass(operator, "create", role(world))
    listed = world.eks(LIST, serviceAccount="api-taken-over").granted()

    with blaming(Stage.IAM):
        assert listed.answer["associations"] == []


@proves(UPDATING_NEEDS_PASS_ROLE)
def test_updating_needs_pass_role(operator: Probe, world: World) -> None:
    """The pod updates its association to the role that it may pass, and to no other."""
    operator["create with the second"].granted()
    updated = operator["update to the second"].granted().answer["association"]
    may_not_pass(operator, "update", role(world))

    with blaming(Stage.IAM):
        assert updated["roleArn"] == role(world, "second")


@proves(PASSING_IS_FOR_A_ROLE_AND_A_SERVICE)
def test_passing_is_narrowed_by_service(operator: Probe, world: World) -> None:
    """The pod may pass one role to Pod Identity, and another one to EC2: only the first will do."""
    operator["create with the second"].granted()
    may_not_pass(operator, "create with EC2's", role(world, "apart"))


@proves(PERMISSIONS_NAME_THE_ASSOCIATION)
def test_permissions_are_for_the_arn(operator: Probe, world: World) -> None:
    """It may list, and not describe; the denial names what it would have looked at."""
    operator["list"].granted()
    evidence = operator["describe"].denied(Stage.IAM, "AccessDeniedException")

    with blaming(Stage.IAM):
        assert evidence.status == 403
        assert "eks:DescribePodIdentityAssociation" in evidence.message
        assert world.contract.associations[f"shop/{OPERATOR}"].arn in evidence.message
