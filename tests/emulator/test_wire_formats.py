"""Clients of every protocol read why they were refused."""

from typing import Any

import pytest

from conformance.emulator.wire_formats import failure, protocol_of
from tests.emulator.conftest import Wire

CALLS = [
    ("ec2", "describe_instances", "ec2"),
    ("sns", "list_topics", "query"),
    ("autoscaling", "describe_auto_scaling_groups", "query"),
    ("cloudformation", "list_stacks", "query"),
    ("route53", "list_hosted_zones", "rest-xml"),
    ("cloudfront", "list_distributions", "rest-xml"),
    ("logs", "describe_log_groups", "json"),
    ("lambda", "list_functions", "json"),
]
every_protocol = pytest.mark.parametrize(
    ("service", "operation", "protocol"), CALLS, ids=[service for service, *_ in CALLS]
)


@every_protocol
def test_service_that_is_not_emulated_says_so_to_its_client(
    wire: Wire, service: str, operation: str, protocol: str
) -> None:
    code, status, message = wire.refused(getattr(wire.client(service), operation))
    assert (code, status) == ("UnknownServiceException", 404)
    assert message.endswith("is not emulated")


@every_protocol
def test_stranger_is_told_so_by_any_service(
    wire: Wire, service: str, operation: str, protocol: str
) -> None:
    nobody = {"AccessKeyId": "AKIANOBODY", "SecretAccessKey": "x"}
    code, status, _ = wire.refused(getattr(wire.client(service, nobody), operation))
    known = "UnrecognizedClientException" if protocol == "json" else "InvalidClientTokenId"
    assert (code, status) == (known, 403)


@every_protocol
def test_protocol_is_known_by_the_request(
    wire: Wire, service: str, operation: str, protocol: str
) -> None:
    seen: dict[str, str] = {}
    client: Any = wire.client(service)

    def look(request: Any, **_: object) -> None:
        # botocore has bytes there, or text.
        seen.update({k.lower(): str(v).strip("b'") for k, v in request.headers.items()})

    client.meta.events.register("before-send", look)
    wire.refused(getattr(client, operation))
    assert protocol_of(client.meta.service_model.signing_name, seen) == protocol


def test_what_is_said_cannot_break_the_xml() -> None:
    answer = failure("query", 404, "Code", "<a> & b", "id")
    assert b"&lt;a&gt; &amp; b" in answer.body
