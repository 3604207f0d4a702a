import asyncio
import json
import os
import re
import socket
import stat
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import pytest

from conformance.emulator import hearers
from conformance.emulator.eks.store import Store
from conformance.faults import EKS_AUTH_DOWN
from tests.emulator.conftest import REGION
from tests.emulator.eks.conftest import SUBNETS, Emulated, RunEks

IPV6 = {"ipFamily": "ipv6"}


def _child(eks: Emulated) -> psutil.Process:
    process = eks.record().process
    assert process is not None
    return psutil.Process(process.pid)


def test_cluster_is_creating_until_its_process_answers(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        role = eks.role("cluster", "eks.amazonaws.com")
        made = await eks.ask(
            "CreateCluster", name="demo", roleArn=role, resourcesVpcConfig=SUBNETS, tags={"a": "b"}
        )
        assert made["cluster"]["status"] == "CREATING"
        assert "endpoint" not in made["cluster"]
        cluster = await eks.settled("DescribeCluster", "cluster", name="demo")
        assert cluster["status"] == "ACTIVE"
        assert cluster["endpoint"].startswith("https://127.0.0.1:")
        assert cluster["arn"] == f"arn:aws:eks:{REGION}:{eks.account.id}:cluster/demo"
        assert cluster["tags"] == {"a": "b"}
        assert cluster["health"] == {"issues": []}
        assert cluster["version"] == "1.37"
        assert cluster["certificateAuthority"]["data"]
        issuer = cluster["identity"]["oidc"]["issuer"]
        assert re.fullmatch(
            rf"https://oidc\.eks\.{REGION}\.amazonaws\.com/id/[0-9A-F]{{32}}", issuer
        )

    run_eks(scenario)


def test_cluster_process_is_told_what_it_is(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        eks.aws.faults.set([EKS_AUTH_DOWN.name])
        cluster = await eks.cluster()
        config = json.loads((eks.folder() / "config.json").read_text())
        assert config == {
            "name": "demo",
            "arn": cluster["arn"],
            "region": REGION,
            "account_id": eks.account.id,
            "version": "1.37",
            "ip_family": "ipv4",
            "issuer": cluster["identity"]["oidc"]["issuer"],
            "network": "auto",
            "aws_port": 4566,
            "aws_socket": str(eks.aws.settings.folder / "aws.sock"),
            "faults": ["eks-auth-down"],
            "agent_version": "0.1.37",
            "max_token_seconds": 86400,
        }

    run_eks(scenario)


def test_admin_token_lies_in_files_for_the_owner_only(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        assert stat.S_IMODE(eks.folder().stat().st_mode) == 0o700
        told = eks.folder() / "cluster.json"
        assert stat.S_IMODE(told.stat().st_mode) == 0o600
        assert json.loads(told.read_text())["admin_token"] == "stand-in-admin"

    run_eks(scenario)


def test_cluster_process_inherits_nothing(run_eks: RunEks, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")

    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        environ = _child(eks).environ()
        believed = {environ.pop(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
        assert set(environ) <= {"PATH", "LANG", "PYTHONPATH", "LC_CTYPE"}
        assert believed == {os.devnull}, "no public authority"

    run_eks(scenario)


def test_cluster_that_cannot_start_is_failed_with_its_last_words(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        cluster = await eks.cluster("stillborn")
        assert cluster["status"] == "FAILED"
        [issue] = cluster["health"]["issues"]
        assert issue["code"] == "InternalFailure"
        assert "no network today" in issue["message"]
        assert "no network today" in (await eks.aws.health())["cluster/stillborn"]
        await eks.ask("DeleteCluster", name="stillborn")
        assert await eks.settled("DescribeCluster", "cluster", name="stillborn") is None
        assert "cluster/stillborn" not in await eks.aws.health()

    run_eks(scenario)


def test_cluster_whose_process_dies_says_so(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        assert (await eks.aws.health())["cluster/demo"] == "ok"
        child = _child(eks)
        child.kill()
        process = eks.record().process
        assert process is not None
        await process.wait()
        await asyncio.sleep(0)
        assert "ended with -9" in (await eks.aws.health())["cluster/demo"]
        # Faults can still be set: nobody is there any more to be told.
        await eks.aws.set_faults([])
        await eks.ask("DeleteCluster", name="demo")
        assert await eks.settled("DescribeCluster", "cluster", name="demo") is None

    run_eks(scenario)


def test_deleted_cluster_takes_process_folder_and_associations_along(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        await eks.associate()
        child = _child(eks)
        deleted = await eks.ask("DeleteCluster", name="demo")
        assert deleted["cluster"]["status"] == "DELETING"
        assert await eks.settled("DescribeCluster", "cluster", name="demo") is None
        assert not child.is_running()
        assert not eks.folder().exists()
        await eks.cluster()
        assert (await eks.ask("ListPodIdentityAssociations", clusterName="demo"))[
            "associations"
        ] == []

    run_eks(scenario)


def test_hub_is_served_while_there_is_a_cluster(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        served: list[socket.socket] = []

        async def serve(listening: socket.socket) -> Callable[[], Awaitable[None]]:
            served.append(listening)

            async def close() -> None:
                served.remove(listening)
                listening.close()

            return close

        eks.aws.serve = serve
        await eks.cluster("hubbed")
        [hub] = served
        assert hub.getsockname()[0] == "127.0.0.1"
        await eks.ask("DeleteCluster", name="hubbed")
        assert await eks.settled("DescribeCluster", "cluster", name="hubbed") is None
        await asyncio.gather(*eks.aws.state(Store).tasks)
        assert served == []

    run_eks(scenario)


def test_faults_reach_running_clusters(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        await eks.aws.set_faults(["webhook-misses"])
        assert eks.asked("/faults") == [{"active": ["webhook-misses"]}]

    run_eks(scenario)


def test_cluster_that_does_not_answer_is_named_and_the_others_hear(
    run_eks: RunEks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(eks: Emulated) -> None:
        await asyncio.gather(eks.cluster("demo"), eks.cluster("deaf"))
        process = eks.record("deaf").process
        assert process is not None
        deaf = psutil.Process(process.pid)
        deaf.suspend()
        monkeypatch.setattr(hearers, "WITHIN", 0.1)
        try:
            unreached = await eks.aws.set_faults(["webhook-misses"])
            assert unreached == {"cluster/deaf": "no answer within 0.1 s"}
            unreached = await eks.aws.set_behaviour({"token_seconds": 60})
            assert unreached == {"cluster/deaf": "no answer within 0.1 s"}
        finally:
            deaf.resume()
        assert eks.asked("/faults") == [{"active": ["webhook-misses"]}]
        assert eks.asked("/settings") == [
            {"max_token_seconds": 60, "agent_clock_seconds": 0.0, "agent_elapsed_seconds": 0.0}
        ]
        assert eks.aws.faults.names == ["webhook-misses"]

    run_eks(scenario)


def test_end_of_the_world_ends_clusters_that_run_and_those_that_start(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        await eks.ask(
            "CreateCluster",
            name="late",
            roleArn=eks.role("cluster"),
            resourcesVpcConfig=SUBNETS,
        )
        before = _child(eks)
        config = eks.folder("late") / "config.json"
        while not config.exists():  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0)
        await eks.aws.stop()
        assert not before.is_running()
        assert str(eks.folder("late")) not in str(
            [c.cmdline() for c in psutil.Process().children()]
        )
        assert not eks.aws.state(Store).tasks

    run_eks(scenario)


def test_names_are_taken_once(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        refused = await eks.refused(eks.cluster())
        assert (refused.status, refused.code) == (409, "ResourceInUseException")
        assert refused.message == "Cluster already exists with name: demo"

    run_eks(scenario)


def test_same_request_token_makes_one_cluster(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        first = await eks.cluster(clientRequestToken="t")
        again = await eks.cluster(clientRequestToken="t")
        assert again["createdAt"] == first["createdAt"]
        refused = await eks.refused(eks.cluster(clientRequestToken="t", tags={"other": "x"}))
        assert refused.code == "InvalidParameterException"

    run_eks(scenario)


def test_what_a_cluster_cannot_be_is_refused(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        good: dict[str, Any] = {
            "name": "demo",
            "roleArn": eks.role("cluster", "eks.amazonaws.com"),
            "resourcesVpcConfig": SUBNETS,
        }
        changes: list[tuple[dict[str, Any], str]] = [
            ({"version": "1.10"}, "unsupported Kubernetes version 1.10"),
            ({"roleArn": eks.role("pods")}, "could not be assumed"),
            ({"roleArn": f"arn:aws:iam::{eks.account.id}:role/none"}, "could not be assumed"),
            ({"resourcesVpcConfig": {"subnetIds": ["subnet-1"]}}, "two different AZs"),
            ({"name": "-demo"}, "The parameter name should match"),
            ({"name": "a" * 101}, "The parameter name should be at most 100 characters long."),
            ({"accessConfig": {"authenticationMode": "MAGIC"}}, "accessConfig.authenticationMode"),
            (
                {"kubernetesNetworkConfig": IPV6 | {"serviceIpv4Cidr": "10.0.0.0/16"}},
                "ipFamily ipv6",
            ),
        ]
        for change, text in changes:
            refused = await eks.refused(eks.ask("CreateCluster", **{**good, **change}))
            assert (refused.status, refused.code) == (400, "InvalidParameterException")
            assert text in refused.message
        assert (await eks.ask("ListClusters"))["clusters"] == []

    run_eks(scenario)


def test_long_names_still_fit_a_socket_path(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        cluster = await eks.cluster("n" * 100)
        assert cluster["status"] == "ACTIVE"
        [folder] = (eks.aws.settings.folder / "clusters").iterdir()
        assert len(folder.name) == 12

    run_eks(scenario)


def test_settings_can_be_updated_one_at_a_time(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster()
        made = await eks.ask("UpdateClusterConfig", name="demo", deletionProtection=True)
        update = made["update"]
        told = await eks.ask("DescribeUpdate", name="demo", updateId=update["id"])
        assert told["update"]["status"] == "Successful"
        assert (await eks.ask("ListUpdates", name="demo"))["updateIds"] == [update["id"]]
        refused = await eks.refused(eks.ask("DeleteCluster", name="demo"))
        assert refused.code == "InvalidRequestException"
        vpc = {"endpointPrivateAccess": True}
        await eks.ask("UpdateClusterConfig", name="demo", resourcesVpcConfig=vpc)
        seen = (await eks.ask("DescribeCluster", name="demo"))["cluster"]["resourcesVpcConfig"]
        assert seen["endpointPrivateAccess"] is True
        assert seen["subnetIds"] == ["subnet-1", "subnet-2"]

    run_eks(scenario)


def test_cluster_of_ipv6_has_services_of_ipv6(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        told = (await eks.cluster(kubernetesNetworkConfig=IPV6))["kubernetesNetworkConfig"]
        assert re.fullmatch("fd[0-9a-f]{2}(:[0-9a-f]{4}){2}::/108", told.pop("serviceIpv6Cidr"))
        assert told == IPV6
        assert json.loads((eks.folder() / "config.json").read_text())["ip_family"] == "ipv6"

    run_eks(scenario)


def test_same_request_token_is_one_update(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster(version="1.35")
        for operation, change, other in (
            ("UpdateClusterVersion", {"version": "1.36"}, {"version": "1.37"}),
            ("UpdateClusterConfig", {"deletionProtection": False}, {"deletionProtection": True}),
        ):
            asked = {"name": "demo", "clientRequestToken": "t"}
            first = (await eks.ask(operation, **asked, **change))["update"]
            again = (await eks.ask(operation, **asked, **change))["update"]
            assert again["id"] == first["id"]
            refused = await eks.refused(eks.ask(operation, **asked, **other))
            assert "clientRequestToken" in refused.message
            await eks.settled("DescribeCluster", "cluster", name="demo")
        assert len((await eks.ask("ListUpdates", name="demo"))["updateIds"]) == 2

    run_eks(scenario)


def test_version_goes_up_by_one(run_eks: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.cluster(version="1.35")
        for version in ("1.37", "1.35", "1.34"):
            refused = await eks.refused(
                eks.ask("UpdateClusterVersion", name="demo", version=version)
            )
            assert refused.message == (
                f"Unsupported Kubernetes minor version update from 1.35 to {version}"
            )
        made = await eks.ask("UpdateClusterVersion", name="demo", version="1.36")
        assert (made["update"]["type"], made["update"]["status"]) == ("VersionUpdate", "InProgress")
        cluster = await eks.settled("DescribeCluster", "cluster", name="demo")
        assert (cluster["version"], cluster["platformVersion"]) == ("1.36", "eks.5")
        told = await eks.ask("DescribeUpdate", name="demo", updateId=made["update"]["id"])
        assert told["update"]["status"] == "Successful"

    run_eks(scenario)
