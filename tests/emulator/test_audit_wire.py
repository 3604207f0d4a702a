"""What each service's calls leave behind, read by the admin API and by LookupEvents."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
ALL = [{"Effect": "Allow", "Action": ["s3:*", "dynamodb:*", "sqs:*", "sts:*"], "Resource": "*"}]


@pytest.fixture
def node(wire: Any) -> dict[str, str]:
    credentials: dict[str, str] = wire.node_session(f"audit-{uuid.uuid4().hex[:8]}", ALL)
    return credentials


def _since(wire: Any, began: datetime) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = wire.launched.admin.trail(began)
    return records


def _bucket(wire: Any, node: dict[str, str]) -> str:
    name = f"audit-{uuid.uuid4().hex[:8]}"
    where = {"LocationConstraint": wire.launched.aws.region}
    wire.client("s3", node).create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return name


def test_s3_data_event_names_object_and_bucket(wire: Any, node: dict[str, str]) -> None:
    bucket, began = _bucket(wire, node), datetime.now(UTC)
    wire.client("s3", node).put_object(Bucket=bucket, Key="in/a", Body=b"private")
    (record,) = _since(wire, began)
    account, host = wire.launched.aws.account_id, f"{bucket}.s3.eu-west-1.amazonaws.com"
    assert (record["eventSource"], record["eventName"]) == ("s3.amazonaws.com", "PutObject")
    assert record["requestParameters"] == {"bucketName": bucket, "Host": host, "key": "in/a"}
    assert record["resources"] == [
        {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/in/a"},
        {"accountId": account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
    ]
    assert (record["managementEvent"], record["eventCategory"]) == (False, "Data")
    assert record["readOnly"] is False
    assert record["additionalEventData"]["bytesTransferredIn"] >= len("private")
    assert record["additionalEventData"]["AuthenticationMethod"] == "AuthHeader"
    assert record["userIdentity"]["sessionContext"]["ec2RoleDelivery"] == "2.0"


OF_KEYS = {"Bucket": "no-such-bucket", "Key": "k"}
OF_BUCKETS = {"Bucket": "no-such-bucket"}


@pytest.mark.parametrize(
    ("call", "more", "recorded"),
    [
        ("list_objects_v2", OF_BUCKETS, "Data ListObjects"),
        ("head_bucket", OF_BUCKETS, "Data HeadBucket"),
        ("get_bucket_policy", OF_BUCKETS, "Management GetBucketPolicy"),
        ("get_bucket_lifecycle_configuration", OF_BUCKETS, "Management GetBucketLifecycle"),
        ("get_public_access_block", OF_BUCKETS, "Management GetBucketPublicAccessBlock"),
        ("head_object", OF_KEYS, "Data HeadObject"),
        ("get_object_tagging", OF_KEYS, "Data GetObjectTagging"),
        ("copy_object", OF_KEYS | {"CopySource": "b/k"}, "Data CopyObject"),
        ("create_multipart_upload", OF_KEYS, "Data CreateMultipartUpload"),
        ("list_parts", OF_KEYS | {"UploadId": "u"}, "Data ListParts"),
    ],
)
def test_s3_calls_have_cloudtrails_names(
    wire: Any, node: dict[str, str], call: str, more: dict[str, str], recorded: str
) -> None:
    began = datetime.now(UTC)
    wire.refused(getattr(wire.client("s3", node), call), **more)
    (record,) = _since(wire, began)
    assert f"{record['eventCategory']} {record['eventName']}" == recorded
    assert record["errorCode"]


def test_denial_has_code_and_text(wire: Any) -> None:
    began = datetime.now(UTC)
    nobody = wire.node_session(f"audit-{uuid.uuid4().hex[:8]}", [])
    for service, call, more in (
        ("s3", "list_buckets", {}),
        ("dynamodb", "get_item", {"TableName": "orders", "Key": {"owner": {"S": "a"}}}),
        ("sqs", "receive_message", {"QueueUrl": "http://x/1/q"}),
        ("iam", "get_role", {"RoleName": "x"}),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::1:role/x", "RoleSessionName": "xx"}),
        ("eks", "describe_cluster", {"name": "x"}),
        ("cloudtrail", "lookup_events", {}),
    ):
        _, _, text = wire.refused(getattr(wire.client(service, nobody), call), **more)
        record = _since(wire, began)[-1]
        assert record["eventSource"] == f"{service}.amazonaws.com"
        assert (record["errorCode"], record["errorMessage"]) == ("AccessDenied", text)
        assert record["requestID"]
        assert record["responseElements"] is None


def test_presigned_url_leaves_no_signature_and_no_token(wire: Any, node: dict[str, str]) -> None:
    bucket = _bucket(wire, node)
    s3, began = wire.client("s3", node, signature_version="s3v4"), datetime.now(UTC)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    urllib3.request("GET", url, retries=False)
    (record,) = _since(wire, began)
    assert record["additionalEventData"]["AuthenticationMethod"] == "QueryString"
    assert record["requestParameters"]["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    text = json.dumps(record)
    assert "X-Amz-Signature" not in text
    assert node["Token"] not in text


def test_dynamodb_tells_keys_and_no_other_value(wire: Any, node: dict[str, str]) -> None:
    table, client = f"t{uuid.uuid4().hex[:8]}", wire.client("dynamodb", node)
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "owner", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    began = datetime.now(UTC)
    item = {"owner": {"S": "a"}, "card": {"S": "private"}}
    client.put_item(TableName=table, Item=item)
    client.update_item(
        TableName=table,
        Key={"owner": {"S": "a"}},
        UpdateExpression="SET card = :c",
        ExpressionAttributeValues={":c": {"S": "private"}},
    )
    client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]})
    put, update, batch = _since(wire, began)
    arn = f"arn:aws:dynamodb:eu-west-1:{wire.launched.aws.account_id}:table/{table}"
    assert put["requestParameters"] == {
        "tableName": table,
        "items": ["owner", "card"],
        "key": {"owner": "a"},
    }
    assert update["requestParameters"]["updateExpression"] == "SET card = :c"
    assert batch["requestParameters"]["requestItems"][0]["operation"] == "Put"
    for record in (put, update, batch):
        assert record["resources"][0]["ARN"] == arn
        assert (record["apiVersion"], record["eventCategory"]) == ("2012-08-10", "Data")
        assert "private" not in json.dumps(record)


def test_sqs_hides_messages(wire: Any, node: dict[str, str]) -> None:
    client, name = wire.client("sqs", node), f"q-{uuid.uuid4().hex[:8]}"
    url = client.create_queue(QueueName=name)["QueueUrl"]
    began = datetime.now(UTC)
    client.send_message(QueueUrl=url, MessageBody="private")
    entries = [{"Id": "1", "MessageBody": "private"}]
    client.send_message_batch(QueueUrl=url, Entries=entries)
    assert client.receive_message(QueueUrl=url)["Messages"]
    records = _since(wire, began)
    assert [made["eventName"] for made in records] == [
        "SendMessage",
        "SendMessageBatch",
        "ReceiveMessage",
    ]
    assert records[0]["requestParameters"]["messageBody"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert records[0]["responseElements"]["messageId"]
    assert records[0]["resources"][0]["ARN"].endswith(f":{name}")
    assert "private" not in json.dumps(records)


def test_keys_and_passwords_made_in_iam_are_not_told(wire: Any) -> None:
    iam, name, began = wire.client("iam"), f"u-{uuid.uuid4().hex[:8]}", datetime.now(UTC)
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.create_login_profile(UserName=name, Password="not-to-be-told-1")
    user, made, profile = _since(wire, began)
    assert (user["awsRegion"], user["userIdentity"]["type"]) == ("us-east-1", "Root")
    assert made["responseElements"]["accessKey"]["accessKeyId"] == key["AccessKeyId"]
    text = json.dumps([made, profile])
    assert key["SecretAccessKey"] not in text
    assert "not-to-be-told-1" not in text


def test_assumed_role_is_recorded_without_its_secrets(wire: Any, node: dict[str, str]) -> None:
    name = f"target-{uuid.uuid4().hex[:8]}"
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": wire.launched.aws.account_id},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        },
    }
    iam = wire.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    began = datetime.now(UTC)
    made = wire.client("sts", node).assume_role(
        RoleArn=arn,
        RoleSessionName="next",
        Tags=[{"Key": "team", "Value": "x"}],
        TransitiveTagKeys=["team"],
    )["Credentials"]
    (record,) = _since(wire, began)
    assert record["requestParameters"] == {
        "roleArn": arn,
        "roleSessionName": "next",
        "tags": [{"key": "team", "value": "x"}],
        "transitiveTagKeys": ["team"],
    }
    told = record["responseElements"]
    assert told["credentials"].keys() == {"accessKeyId", "expiration"}
    assert told["credentials"]["accessKeyId"] == made["AccessKeyId"]
    assert told["assumedRoleUser"]["arn"].endswith(f"assumed-role/{name}/next")
    assert (record["eventVersion"], record["readOnly"]) == ("1.08", True)


def test_health_and_bad_signatures_are_not_in_the_trail(wire: Any, node: dict[str, str]) -> None:
    began = datetime.now(UTC)
    wire.refused(wire.client("s3", node | {"SecretAccessKey": "wrong"}).list_buckets)
    assert _since(wire, began) == []


# --- LookupEvents


def _looked_up(wire: Any, key: str, value: str, **more: Any) -> list[dict[str, Any]]:
    attribute = [{"AttributeKey": key, "AttributeValue": value}]
    answer = wire.client("cloudtrail").lookup_events(LookupAttributes=attribute, **more)
    events: list[dict[str, Any]] = answer["Events"]
    return events


@pytest.fixture(scope="module")
def marked(launched: Any) -> dict[str, str]:
    """A session that has made one call of every kind, and what the events can be found by."""
    from tests.emulator.conftest import Wire  # noqa: PLC0415 -- after prepare

    wire, name = Wire(launched), f"marked-{uuid.uuid4().hex[:8]}"
    session = wire.node_session(name, ALL)
    sqs = wire.client("sqs", session)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    wire.client("sts", session).get_caller_identity()
    return {"name": name, "user": f"i-{name}", "key": session["AccessKeyId"]}


def test_events_are_found_by_every_attribute(wire: Any, marked: dict[str, str]) -> None:
    by_user = _looked_up(wire, "Username", marked["user"])
    assert [found["EventName"] for found in by_user] == ["GetCallerIdentity", "CreateQueue"]
    newest = by_user[0]
    assert _looked_up(wire, "EventId", newest["EventId"]) == [newest]
    assert _looked_up(wire, "AccessKeyId", marked["key"]) == by_user
    assert _looked_up(wire, "ResourceName", marked["name"]) == by_user[1:]
    for key, value in (
        ("EventName", "GetCallerIdentity"),
        ("EventSource", "sts.amazonaws.com"),
        ("ReadOnly", "true"),
    ):
        assert newest in _looked_up(wire, key, value)
    assert by_user[1] in _looked_up(wire, "ResourceType", "AWS::SQS::Queue")
    record = json.loads(newest["CloudTrailEvent"])
    assert record["eventID"] == newest["EventId"]


def test_data_events_are_not_in_the_history(wire: Any, marked: dict[str, str]) -> None:
    assert _looked_up(wire, "EventName", "SendMessage") == []


def test_history_is_paged_by_fifty_and_less(wire: Any, marked: dict[str, str]) -> None:
    sts = wire.client("sts")
    for _ in range(52):
        sts.get_caller_identity()
    client = wire.client("cloudtrail")
    attribute = [{"AttributeKey": "EventName", "AttributeValue": "GetCallerIdentity"}]
    first = client.lookup_events(LookupAttributes=attribute)
    assert len(first["Events"]) == 50
    pages = client.get_paginator("lookup_events").paginate(
        LookupAttributes=attribute, PaginationConfig={"PageSize": 20}
    )
    found = [found["EventId"] for page in pages for found in page["Events"]]
    assert len(found) == len(set(found)) >= 53
    assert found[:50] == [found["EventId"] for found in first["Events"]]


def test_history_has_a_time_range(wire: Any, marked: dict[str, str]) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    assert _looked_up(wire, "Username", marked["user"], StartTime=now - hour, EndTime=now + hour)
    assert not _looked_up(wire, "Username", marked["user"], EndTime=now - hour)
    assert not _looked_up(wire, "Username", marked["user"], StartTime=now + hour)


def test_iam_is_in_the_history_of_its_own_region_only(wire: Any, marked: dict[str, str]) -> None:
    attribute = [{"AttributeKey": "ResourceName", "AttributeValue": marked["name"]}]
    asked = {"LookupAttributes": [*attribute]}
    here = wire.client("cloudtrail").lookup_events(**asked)["Events"]
    there = wire.client("cloudtrail", region="us-east-1").lookup_events(**asked)["Events"]
    assert {found["EventSource"] for found in here} == {"sqs.amazonaws.com"}
    assert {found["EventSource"] for found in there} == {"iam.amazonaws.com"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2},
            "InvalidLookupAttributesException",
        ),
        (
            {"StartTime": JANUARY, "EndTime": JANUARY - timedelta(days=1)},
            "InvalidTimeRangeException",
        ),
        ({"NextToken": "nonsense"}, "InvalidNextTokenException"),
    ],
)
def test_questions_that_cannot_be_are_refused(wire: Any, asked: dict[str, Any], code: str) -> None:
    assert wire.refused(wire.client("cloudtrail").lookup_events, **asked)[:2] == (code, 400)


def test_token_goes_with_its_question_only(wire: Any, marked: dict[str, str]) -> None:
    client = wire.client("cloudtrail")
    token = client.lookup_events(MaxResults=1)["NextToken"]
    code, _, _ = wire.refused(client.lookup_events, MaxResults=2, NextToken=token)
    assert code == "InvalidNextTokenException"


def test_history_is_for_those_who_may(wire: Any) -> None:
    allow = [{"Effect": "Allow", "Action": "cloudtrail:LookupEvents", "Resource": "*"}]
    reader = wire.node_session(f"reader-{uuid.uuid4().hex[:8]}", allow)
    assert wire.client("cloudtrail", reader).lookup_events(MaxResults=1)["Events"]
    nobody = wire.node_session(f"nobody-{uuid.uuid4().hex[:8]}", [])
    code, status, text = wire.refused(wire.client("cloudtrail", nobody).lookup_events)
    assert (code, status) == ("AccessDeniedException", 400)
    assert "cloudtrail:LookupEvents because no identity-based policy" in text


def test_other_operations_are_said_not_to_be_there(wire: Any) -> None:
    code, status, text = wire.refused(wire.client("cloudtrail").describe_trails)
    assert (code, status) == ("NotImplementedException", 501)
    assert "DescribeTrails" in text
