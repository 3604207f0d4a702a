"""The instance metadata service, asked by pods with and without a network of their own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from conformance.cluster.nodes.metadata_options import MetadataOptions
from conformance.cluster.nodes.metadata_service import zone_id
from conformance.errors import UsageError

ROLE = "arn:aws:iam::111122223333:role/node"
ASK = """
import http.client, json, sys
TOKEN, TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
def ask(method, path, headers={}):
    made = http.client.HTTPConnection("169.254.169.254", timeout=1)
    try:
        made.request(method, "/latest/" + path, headers=headers)
        answer = made.getresponse()
        return answer.status, answer.read().decode()
    except OSError as error:
        return type(error).__name__, ""
    finally:
        made.close()
status, token = ask("PUT", "api/token", {TTL: "60"})
said = {"token": status, "without": ask("GET", "meta-data/instance-id")[0]}
if status == 200:
    said |= {path: ask("GET", path, {TOKEN: token}) for path in sys.argv[1:]}
    said["forged"] = ask("GET", "meta-data/instance-id", {TOKEN: token[:-1]})[0]
    said["forwarded"] = ask("PUT", "api/token", {TTL: "60", "X-Forwarded-For": "1.2.3.4"})[0]
    said["bad life"] = [ask("PUT", "api/token", {TTL: s})[0] for s in ("0", "21601", "x", "")]
    said["elsewhere"] = ask("PUT", "meta-data", {TTL: "60"})[0]
print(json.dumps(said))
"""
CREDENTIALS = "meta-data/iam/security-credentials/"


@pytest.fixture(scope="module")
def places(cluster: Any, own_networks: Any) -> Iterator[Any]:
    """The group `main` as EKS makes one, and `open` with a hop limit of 2."""
    labels = {"imds.conformance/hop-limit": "2", "role": "open"}
    cluster.control("PUT", "/nodegroups/open", {"desired": 1, "role_arn": ROLE, "labels": labels})
    yield cluster
    cluster.control("DELETE", "/nodegroups/open")


def ask(cluster: Any, name: str, *paths: str, group: str, **spec: Any) -> Any:
    container = {"image": "python", "command": ["python", "-c", ASK, *paths]}
    chosen = {"eks.amazonaws.com/nodegroup": group}
    return json.loads(cluster.run(name, "", container=container, nodeSelector=chosen, **spec))


def test_a_hop_limit_of_one_keeps_tokens_from_pods(places: Any) -> None:
    seen = ask(places, "near", group="main")
    assert seen == {"token": "TimeoutError", "without": 401}


def test_a_pod_in_the_nodes_network_gets_the_node_role(places: Any) -> None:
    seen = ask(places, "host", CREDENTIALS, CREDENTIALS + "node", group="main", hostNetwork=True)
    assert seen["token"] == 200
    assert seen["without"] == 401
    assert seen[CREDENTIALS] == [200, "node"]
    given = json.loads(seen[CREDENTIALS + "node"][1])
    assert given["Code"] == "Success"
    assert (given["AccessKeyId"], given["Token"]) == ("ASIANODE", "node-session")
    assert datetime.fromisoformat(given["Expiration"]) > datetime.now(UTC)


def test_a_hop_limit_of_two_gives_any_pod_the_node_role(places: Any) -> None:
    seen = ask(places, "far", CREDENTIALS + "node", group="open")
    assert json.loads(seen[CREDENTIALS + "node"][1])["AccessKeyId"] == "ASIANODE"


def test_metadata_is_that_of_the_pods_own_node(places: Any) -> None:
    paths = (
        "meta-data/instance-id",
        "meta-data/local-ipv4",
        "meta-data/placement/region",
        "meta-data/placement/availability-zone",
        "meta-data/placement/availability-zone-id",
        "dynamic/instance-identity/document",
        "meta-data/iam",
        "meta-data/nothing",
    )
    seen = ask(places, "which", *paths, group="open")
    node = places.api("GET", f"/api/v1/nodes/{places.pod('which')['spec']['nodeName']}")
    instance = node["spec"]["providerID"].rpartition("/")[2]
    address = node["status"]["addresses"][0]["address"]
    assert [seen[path] for path in paths[:5]] == [
        [200, text] for text in (instance, address, "us-west-2", "us-west-2a", "usw2-az1")
    ]
    document = json.loads(seen["dynamic/instance-identity/document"][1])
    assert document["instanceId"] == instance
    assert document["accountId"] == "111122223333"
    assert seen["meta-data/iam"] == [200, "info\nsecurity-credentials/"]
    assert seen["meta-data/nothing"][0] == 404


def test_bad_tokens_and_proxies_are_refused(places: Any) -> None:
    seen = ask(places, "proxy", group="open")
    assert seen["forged"] == 401
    assert (seen["forwarded"], seen["elsewhere"]) == (403, 403)
    assert seen["bad life"] == [400, 400, 400, 400]


def test_labels_of_a_running_group_change_its_options(places: Any) -> None:
    wanted = {
        "desired": 1,
        "role_arn": ROLE,
        "labels": {"imds.conformance/http-tokens": "optional"},
    }
    assert places.control("PUT", "/nodegroups/changes", wanted)[0] == 200
    assert ask(places, "v1", group="changes") == {"token": "TimeoutError", "without": 200}
    wanted["labels"] = {"now": "closed"}
    assert places.control("PUT", "/nodegroups/changes", wanted)[0] == 200
    assert ask(places, "v2", group="changes")["without"] == 401
    node = places.api("GET", f"/api/v1/nodes/{places.pod('v2')['spec']['nodeName']}")
    assert node["metadata"]["labels"]["now"] == "closed"
    assert "imds.conformance/http-tokens" not in node["metadata"]["labels"]
    assert places.control("DELETE", "/nodegroups/changes")[0] == 200


def test_a_group_with_impossible_options_is_refused(cluster: Any) -> None:
    wanted = {"desired": 1, "role_arn": ROLE, "labels": {"imds.conformance/hop-limit": "65"}}
    status, answer = cluster.control("PUT", "/nodegroups/wrong", wanted)
    assert status == 400
    assert "hop-limit" in answer["error"]


def test_a_role_that_ec2_may_not_assume_is_told_in_the_document(
    places: Any, shared_aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_aws, "answer", lambda *_: {"error": "AccessDenied"})
    labels = {"imds.conformance/hop-limit": "2"}
    places.control(
        "PUT", "/nodegroups/barred", {"desired": 1, "role_arn": f"{ROLE}2", "labels": labels}
    )
    seen = ask(places, "barred", CREDENTIALS + "node2", group="barred")
    told = json.loads(seen[CREDENTIALS + "node2"][1])
    assert told["Code"] == "AssumeRoleUnauthorizedAccess"
    assert "SecretAccessKey" not in told
    places.control("DELETE", "/nodegroups/barred")


def test_options_default_to_those_of_amazon_linux_2023() -> None:
    assert MetadataOptions.of({}) == MetadataOptions(hop_limit=1, tokens_required=True)
    with pytest.raises(UsageError, match="http-tokens"):
        MetadataOptions.of({"imds.conformance/http-tokens": "maybe"})


@pytest.mark.parametrize(
    ("zone", "number"),
    [
        ("us-west-2a", "usw2-az1"),
        ("eu-central-1b", "euc1-az2"),
        ("ap-southeast-2c", "apse2-az3"),
        ("us-gov-west-1a", "usgw1-az1"),
    ],
)
def test_zones_have_ids(zone: str, number: str) -> None:
    assert zone_id(zone) == number
