"""The two events of one AssumeRoleForPodIdentity, beside those of real clusters."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conformance.emulator.router import Router, Wire
from conformance.emulator.service import Session
from conformance.emulator.session_rules import Wanted, packed_percent
from tests.emulator.conftest import REGION, document
from tests.emulator.eks.conftest import SERVICES, Emulated, RunEks

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "cloudtrail-pod-identity.json").read_text()
)
AGENT = "aws-sdk-go-v2/1.21.2 os/linux"


def _node(eks: Emulated, name: str = "node", *, service: str = "ec2.amazonaws.com") -> Session:
    allow = {"Effect": "Allow", "Action": "eks-auth:AssumeRoleForPodIdentity", "Resource": "*"}
    role = eks.account.role(name, document([allow]))
    return eks.aws.assume_role_for_service(
        role, service=service, session_name="i-0123456789abcdef0", duration_seconds=21600
    )


async def _assume(eks: Emulated, token: str, node: Session) -> tuple[int, str, dict[str, Any]]:
    """Status, request id and body, through the router as an agent goes."""
    path, body = "/clusters/demo/assume-role-for-pod-identity", json.dumps({"token": token})
    asked = AWSRequest(
        "POST", f"http://127.0.0.1{path}", data=body.encode(), headers={"User-Agent": AGENT}
    )
    keys = Credentials(node.access_key_id, node.secret_access_key, node.session_token)
    SigV4Auth(keys, "eks-auth", REGION).add_auth(asked)
    headers = {"Host": "127.0.0.1", **dict(asked.headers.items())}
    answer = await Router(eks.aws, SERVICES).answer(
        Wire(
            "POST",
            path,
            tuple((name.encode(), value.encode()) for name, value in headers.items()),
            body.encode(),
            "10.0.0.7",
        )
    )
    return answer.status, answer.headers["x-amzn-requestid"], json.loads(answer.body)


def _shape(value: Any) -> Any:
    """Keys in their order, and types."""
    if isinstance(value, dict):
        return [(key, _shape(inner)) for key, inner in value.items() if key != "sessionToken"]
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return type(value).__name__


def _constants(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What is the same in every such event."""
    for name, inner in value.items():
        where = f"{path}.{name}".lstrip(".")
        if isinstance(inner, dict):
            yield from _constants(inner, where)
        elif where in SAME:
            yield where, inner


SAME = [
    "eventVersion",
    "userIdentity.type",
    "userIdentity.invokedBy",
    "eventSource",
    "eventName",
    "userIdentity.sessionContext.sessionIssuer.type",
    "userIdentity.sessionContext.ec2RoleDelivery",
    "userIdentity.sessionContext.attributes.mfaAuthenticated",
    "errorCode",
    "errorMessage",
    "requestParameters.token",
    "requestParameters.durationSeconds",
    "requestParameters.transitiveTagKeys",
    "responseElements",
    "readOnly",
    "eventType",
    "managementEvent",
    "eventCategory",
    "tlsDetails.tlsVersion",
    "tlsDetails.cipherSuite",
]


def test_denied_call_is_recorded_as_on_a_real_cluster(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        distrusting = eks.role("distrusting", "lambda.amazonaws.com")
        await eks.associate("refused", roleArn=distrusting)
        node = _node(eks, "node-denied")
        status, request_id, body = await _assume(eks, eks.token("refused"), node)
        (record,) = eks.aws.trail.since()[-1:]
        assert (status, body["message"]) == (400, record["errorMessage"])
        assert _shape(record) == _shape(GOLDEN["eks_auth"])
        assert dict(_constants(record)) == dict(_constants(GOLDEN["eks_auth"]))
        assert record["requestID"] == request_id
        assert record["userAgent"] == AGENT
        assert record["sourceIPAddress"] == "10.0.0.7"
        assert record["tlsDetails"]["clientProvidedHostHeader"] == f"eks-auth.{REGION}.api.aws"
        assert record["userIdentity"]["accessKeyId"] == node.access_key_id
        # STS's refusal is in nobody's trail.
        events = [made["eventName"] for made in eks.aws.trail.since()]
        assert events[-2:] == ["AssumeRole", "AssumeRoleForPodIdentity"]
        assert eks.aws.trail.since()[-2]["userIdentity"]["invokedBy"] == "ec2.amazonaws.com"

    on_demo(scenario)


def test_sts_tells_the_tags_and_the_name_of_the_same_session(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        status, _, answer = await _assume(eks, eks.token(), _node(eks, "node-allowed"))
        sts, auth = eks.aws.trail.since()[-2:]
        assert status == 200
        assert _shape(sts) == _shape(GOLDEN["sts"])
        assert dict(_constants(sts)) == dict(_constants(GOLDEN["sts"]))
        told = sts["responseElements"]
        assert told["assumedRoleUser"]["arn"] == answer["assumedRoleUser"]["arn"]
        assert told["credentials"]["accessKeyId"] == answer["credentials"]["accessKeyId"]
        assert re.fullmatch(
            r"\w{3} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M", told["credentials"]["expiration"]
        )
        assert sts["requestParameters"]["tags"][2] == {
            "key": "kubernetes-namespace",
            "value": "dev",
        }
        assert "errorCode" not in auth
        assert auth["responseElements"] is None

    on_demo(scenario)


def test_neither_event_holds_a_secret(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        token, node = eks.token(), _node(eks, "node-secret")
        _, _, answer = await _assume(eks, token, node)
        await _assume(eks, token + "x", node)
        text = json.dumps(eks.aws.trail.since())
        assert answer["credentials"]["accessKeyId"] in text
        for secret in (
            token,
            token.rpartition(".")[2],
            answer["credentials"]["secretAccessKey"],
            answer["credentials"]["sessionToken"],
            node.secret_access_key,
            node.session_token,
        ):
            assert secret not in text

    on_demo(scenario)


def test_target_role_leaves_the_event_of_the_chain(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        everything = document([{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}])
        first, target = eks.account.role("first", everything), eks.account.role("target")
        await eks.associate(roleArn=first, targetRoleArn=target)
        await _assume(eks, eks.token(), _node(eks, "node-chain"))
        own, chained, _ = eks.aws.trail.since()[-3:]
        assert own["requestParameters"]["roleArn"] == first
        assert chained["requestParameters"]["roleArn"] == target
        who = chained["userIdentity"]
        assert (who["type"], who["invokedBy"]) == ("AssumedRole", "pods.eks.amazonaws.com")
        assert who["arn"] == own["responseElements"]["assumedRoleUser"]["arn"]
        # Transitive tags come along, so the second session is as full as the first.
        sizes = [made["responseElements"]["packedPolicySize"] for made in (own, chained)]
        assert sizes[0] == sizes[1] > 50

    on_demo(scenario)


def test_events_are_looked_up_by_what_real_ones_are(on_demo: RunEks) -> None:
    async def scenario(eks: Emulated) -> None:
        await eks.associate()
        await _assume(eks, eks.token(), _node(eks, "node-lookup"))
        auth, sts = list(eks.aws.trail.management(eks.account.id, REGION))[:2]
        for made, golden in ((auth, "eks_auth_looked_up"), (sts, "sts_looked_up")):
            kinds = [found["ResourceType"] for found in GOLDEN[golden]["Resources"]]
            assert [kind for kind, _ in made.resources] == kinds
            assert bool(made.username) is ("Username" in GOLDEN[golden])
            assert bool(made.access_key_id) is ("AccessKeyId" in GOLDEN[golden])
        assert auth.username == "i-0123456789abcdef0"
        assert auth.resources == (("AWS::EKS::Cluster", "demo"),)

    on_demo(scenario)


def test_packed_size_is_near_the_recorded_one() -> None:
    asked = GOLDEN["sts"]["requestParameters"]
    tags = {tag["key"]: tag["value"] for tag in asked["tags"]}
    wanted = Wanted(asked["roleArn"], asked["roleSessionName"], 21600, tags)
    assert packed_percent(wanted, tags) == GOLDEN["sts"]["responseElements"]["packedPolicySize"]
