"""Whatever is sent, its event is made: a malformed request must not be a way around the trail."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ministack.core.responses import request_scope

from conformance.emulator.authentication import Incoming, Verified
from conformance.emulator.cloudtrail.calls import Served, called
from conformance.emulator.cloudtrail.operations import understand
from conformance.emulator.cloudtrail.sources import SOURCES
from conformance.emulator.service import Caller, Response

ACCOUNT = "111111111111"
CALLER = Caller(
    ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", "AROAX:s", "AssumedRole", "ASIAX"
)
NAMES = (
    *("TableName", "Key", "Item", "RequestItems", "TransactItems", "Keys", "PutRequest"),
    *("QueueUrl", "QueueName", "MessageBody", "Entries", "token", "tags", "clusterName"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("arn:aws:x"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
ANSWERS = st.sampled_from(
    [
        Response(200, {}, b"{}"),
        Response(200, {}, b"<a/>"),
        Response(400, {}, b'{"__type": 5, "message": null}'),
        Response(400, {}, b"[]"),
        Response(403, {}, b"\xff"),
    ]
)


def _events(service: str, incoming: Incoming, answer: Response) -> list[dict[str, Any]]:
    with request_scope(ACCOUNT, "eu-west-1"):
        operation = understand(service, incoming, incoming.raw_path)
        assert operation is not None
        verified = Verified(CALLER, service, "eu-west-1")
        served = Served(verified, operation, incoming, incoming.raw_path, "127.0.0.1", answer)
        return [made.record for made in called(served)]


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("dynamodb", "PutItem"),
        ("dynamodb", "BatchWriteItem"),
        ("dynamodb", "TransactWriteItems"),
        ("dynamodb", "CreateTable"),
        ("sqs", "SendMessageBatch"),
        ("sqs", "CreateQueue"),
        ("cloudtrail", "LookupEvents"),
    ],
)
@settings(max_examples=25, deadline=None)
@given(body=BODIES, answer=ANSWERS)
def test_json_of_any_shape_is_recorded(
    service: str, operation: str, body: dict[str, Any], answer: Response
) -> None:
    headers = {"x-amz-target": f"X.{operation}"}
    incoming = Incoming("POST", "/", {}, headers, json.dumps(body).encode())
    (record,) = _events(service, incoming, answer)[:1]
    assert record["eventName"] == operation


@settings(max_examples=25, deadline=None)
@given(body=BODIES | st.lists(VALUES, max_size=2), answer=ANSWERS)
def test_any_body_for_eks_is_recorded(body: Any, answer: Response) -> None:
    path = "/clusters/demo/pod-identity-associations"
    incoming = Incoming("POST", path, {}, {}, json.dumps(body).encode())
    (record,) = _events("eks", incoming, answer)
    assert record["requestParameters"]["clusterName"] == "demo"


@settings(max_examples=25, deadline=None)
@given(
    form=st.dictionaries(
        st.sampled_from(["RoleArn", "Tags.member.1.Key", "Tags.member.1", "DurationSeconds"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
    ),
    answer=ANSWERS,
)
def test_any_form_for_sts_is_recorded(form: dict[str, str], answer: Response) -> None:
    body = urlencode({"Action": "AssumeRole", **form}).encode()
    (record,) = _events("sts", Incoming("POST", "/", {}, {}, body), answer)[:1]
    assert record["eventName"] == "AssumeRole"


def test_every_recorded_service_is_read() -> None:
    asked = {
        "eks": ("GET", "/clusters", {}, b""),
        "eks-auth": ("POST", "/clusters/d/assume-role-for-pod-identity", {}, b"{}"),
        "sts": ("POST", "/", {}, b"Action=GetCallerIdentity"),
        "iam": ("POST", "/", {}, b"Action=ListRoles"),
        "s3": ("GET", "/", {}, b""),
        "dynamodb": ("POST", "/", {"x-amz-target": "D.ListTables"}, b"{}"),
        "sqs": ("POST", "/", {}, b"Action=ListQueues"),
        "cloudtrail": ("POST", "/", {"x-amz-target": "C.LookupEvents"}, b"{}"),
    }
    assert asked.keys() == SOURCES.keys()
    for service, (method, path, headers, body) in asked.items():
        assert understand(service, Incoming(method, path, {}, headers, body), path), service
