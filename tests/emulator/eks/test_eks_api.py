import asyncio
import json

from conformance.emulator.eks.model import api
from conformance.emulator.eks.operations import OPERATIONS
from tests.emulator.conftest import REGION
from tests.emulator.eks.conftest import SUBNETS, Emulated, RunEks


def test_operation_that_is_not_emulated_is_named(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        refused = await eks.refused(eks.ask("ListFargateProfiles", clusterName="demo"))
        assert (refused.status, refused.code) == (501, "NotImplementedException")
        assert "ListFargateProfiles" in refused.message

    on_demo(scenario)


def test_every_operation_of_the_table_is_in_the_model() -> None:
    for name in OPERATIONS:
        assert api("eks").operation(name).http["requestUri"]


def test_every_route_finds_its_operation() -> None:
    eks = api("eks")
    for name in OPERATIONS:
        http = eks.operation(name).http
        path = http["requestUri"].replace("{", "").replace("}", "")
        assert eks.find(http["method"], path)[0].name == name


def test_path_that_no_operation_has_is_404(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        answer = await eks.send("eks", "GET", "/no/such/thing")
        assert answer.status == 404
        assert answer.headers["x-amzn-ErrorType"] == "UnknownOperationException"

    on_demo(scenario)


def test_errors_travel_in_header_and_body(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        answer = await eks.send("eks", "GET", "/clusters/demo")
        assert answer.status == 404
        assert answer.headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
        assert json.loads(answer.body) == {
            "clusterName": "demo",
            "message": "No cluster found for name: demo.",
        }

    run_eks(scenario)


def test_timestamps_are_numbers(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        answer = await eks.send("eks", "GET", "/clusters/demo")
        assert isinstance(json.loads(answer.body)["cluster"]["createdAt"], float)

    on_demo(scenario)


def test_bodies_that_are_not_what_the_model_says_are_refused(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        for body, code in (
            (b"{", "SerializationException"),
            (b"[]", "SerializationException"),
            (b"[" * 100_000, "SerializationException"),
            (b"\xff\xfe", "SerializationException"),
            (b'{"name": 1}', "SerializationException"),
            (b'{"name": "x", "roleArn": "r", "resourcesVpcConfig": []}', "SerializationException"),
            (b'{"name": "x", "deletionProtection": 1}', "SerializationException"),
            (b"{}", "InvalidParameterException"),
            (b"", "InvalidParameterException"),
        ):
            answer = await eks.send("eks", "POST", "/clusters", body)
            assert answer.status == 400
            assert answer.headers["x-amzn-ErrorType"] == code

    on_demo(scenario)


def test_nothing_is_done_for_callers_without_permission(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        nobody = eks.caller("nobody", {"Effect": "Deny", "Action": "*", "Resource": "*"})
        missing = {"clusterName": "demo", "name": "demo", "resourceArn": eks.record().arn}
        missing |= {"nodegroupName": "n", "addonName": "coredns", "updateId": "u"}
        missing |= {"associationId": "a-" + "0" * 17, "namespace": "n", "serviceAccount": "s"}
        missing |= {"roleArn": eks.role("app"), "nodeRole": eks.role("app")}
        full = missing | {"subnets": ["s"], "tags": {"a": "b"}, "tagKeys": ["a"]}
        full |= {"resourcesVpcConfig": SUBNETS, "version": "1.37", "addonVersion": "v1"}
        full |= {"principalArn": eks.role("app"), "policyArn": "arn:aws:eks::aws:x/y"}
        full |= {"accessScope": {"type": "cluster"}}
        for name in OPERATIONS:
            asked = api("eks").operation(name).input_shape
            needed = asked.required_members if asked else ()
            refused = await eks.refused(eks.ask(name, nobody, **{k: full[k] for k in needed}))
            assert (refused.status, refused.code) == (403, "AccessDeniedException"), name
            assert f"is not authorized to perform: eks:{name}" in refused.message

    on_demo(scenario)


def test_permission_is_asked_for_the_right_resource(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        association = await eks.associate()
        cluster = f"arn:aws:eks:{REGION}:{eks.account.id}:cluster/demo"
        lister = eks.caller("lister", {"Effect": "Allow", "Action": "eks:*", "Resource": cluster})
        await eks.ask("ListPodIdentityAssociations", lister, clusterName="demo")
        which = {"clusterName": "demo", "associationId": association["associationId"]}
        refused = await eks.refused(eks.ask("DescribePodIdentityAssociation", lister, **which))
        assert association["associationArn"] in refused.message
        owner = eks.caller(
            "owner",
            {"Effect": "Allow", "Action": "eks:*", "Resource": association["associationArn"]},
        )
        await eks.ask("DescribePodIdentityAssociation", owner, **which)
        await eks.ask("DeletePodIdentityAssociation", owner, **which)

    on_demo(scenario)


def test_tags_decide_where_a_policy_says_so(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster(tags={"team": "a"})
        for team, allowed in (("a", True), ("b", False)):
            caller = eks.caller(
                f"team-{team}",
                {
                    "Effect": "Allow",
                    "Action": "eks:*",
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:ResourceTag/team": team}},
                },
            )
            call = eks.ask("DescribeCluster", caller, name="demo")
            if allowed:
                await call
            else:
                assert (await eks.refused(call)).code == "AccessDeniedException"

    run_eks(scenario)


def test_tags_of_everything_by_arn(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        cluster = eks.record().arn
        association = await eks.associate(tags={"a": "1"})
        arn = association["associationArn"]
        await eks.ask("TagResource", resourceArn=arn, tags={"b": "2"})
        await eks.ask("UntagResource", resourceArn=arn, tagKeys=["a"])
        assert (await eks.ask("ListTagsForResource", resourceArn=arn))["tags"] == {"b": "2"}
        described = await eks.ask(
            "DescribePodIdentityAssociation",
            clusterName="demo",
            associationId=association["associationId"],
        )
        assert described["association"]["tags"] == {"b": "2"}
        many = {f"k{number}": "v" for number in range(50)}
        refused = await eks.refused(eks.ask("TagResource", resourceArn=arn, tags=many))
        assert refused.code == "BadRequestException"
        assert (await eks.ask("ListTagsForResource", resourceArn=cluster))["tags"] == {}
        refused = await eks.refused(eks.ask("ListTagsForResource", resourceArn=arn + "x"))
        assert (refused.status, refused.code) == (404, "NotFoundException")

    on_demo(scenario)


def test_versions_and_add_ons_are_listed(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        versions = (await eks.ask("DescribeClusterVersions"))["clusterVersions"]
        assert [v["clusterVersion"] for v in versions if v["defaultVersion"]] == ["1.37"]
        addons = (await eks.ask("DescribeAddonVersions", addonName="eks-pod-identity-agent"))[
            "addons"
        ]
        assert [addon["addonName"] for addon in addons] == ["eks-pod-identity-agent"]
        assert addons[0]["addonVersions"][0]["compatibilities"][0]["defaultVersion"] is True

    on_demo(scenario)


def test_accounts_do_not_see_each_other(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        stranger = eks.account.__class__("999999999999", eks.account.aws).root_caller()
        assert (await eks.ask("ListClusters", stranger))["clusters"] == []
        refused = await eks.refused(eks.ask("DescribeCluster", stranger, name="demo"))
        assert refused.code == "ResourceNotFoundException"

    on_demo(scenario)


def test_many_clusters_come_in_pages(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await asyncio.gather(*(eks.cluster(name) for name in ("c", "a", "b")))
        first = await eks.ask("ListClusters", maxResults=2)
        assert first["clusters"] == ["a", "b"]
        rest = await eks.ask("ListClusters", maxResults=2, nextToken=first["nextToken"])
        assert rest["clusters"] == ["c"]
        assert "nextToken" not in rest
        refused = await eks.refused(eks.ask("ListClusters", nextToken="?"))
        assert refused.code == "InvalidParameterException"
        answer = await eks.send("eks", "GET", "/clusters", query={"maxResults": ["many"]})
        assert answer.status == 400

    run_eks(scenario)
