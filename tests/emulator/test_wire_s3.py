import json
from typing import Any

import pytest
import urllib3

READ = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET/in/*"}]


@pytest.fixture
def bucket(wire: Any, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own, with the object in/a."""
    name = f"wire-{abs(hash(request.node.nodeid))}"
    root = wire.client("s3")
    root.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": wire.launched.aws.region}
    )
    root.put_object(Bucket=name, Key="in/a", Body=b"hello")
    return name


@pytest.fixture
def reader(wire: Any, bucket: str) -> dict[str, str]:
    """Credentials of a node whose role may read below in/."""
    statements = json.loads(json.dumps(READ).replace("BUCKET", bucket))
    credentials: dict[str, str] = wire.node_session(bucket, statements)
    return credentials


def test_what_is_allowed_is_done(wire: Any, bucket: str, reader: dict[str, str]) -> None:
    s3 = wire.client("s3", reader)
    assert s3.get_object(Bucket=bucket, Key="in/a")["Body"].read() == b"hello"
    assert s3.head_object(Bucket=bucket, Key="in/a")["ContentLength"] == 5


def test_denial_is_403_with_the_resource_in_quotes(
    wire: Any, bucket: str, reader: dict[str, str]
) -> None:
    code, status, text = wire.refused(
        wire.client("s3", reader).put_object, Bucket=bucket, Key="in/a", Body=b"x"
    )
    assert (code, status) == ("AccessDenied", 403)
    assert f's3:PutObject on resource: "arn:aws:s3:::{bucket}/in/a" because no identity' in text


def test_head_is_refused_without_body(wire: Any, bucket: str, reader: dict[str, str]) -> None:
    code, status, _ = wire.refused(
        wire.client("s3", reader).head_object, Bucket=bucket, Key="out/a"
    )
    assert (code, status) == ("403", 403)


def test_missing_key_is_403_to_those_who_may_not_list(
    wire: Any, bucket: str, reader: dict[str, str]
) -> None:
    asked = {"Bucket": bucket, "Key": "in/nothing"}
    code, status, text = wire.refused(wire.client("s3", reader).get_object, **asked)
    assert (code, status) == ("AccessDenied", 403)
    assert "s3:ListBucket" in text
    assert wire.refused(wire.client("s3").get_object, **asked)[:2] == ("NoSuchKey", 404)


def test_bucket_policy_counts(wire: Any, bucket: str, reader: dict[str, str]) -> None:
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
                "Condition": {"StringNotEquals": {"aws:PrincipalType": "Account"}},
            }
        ],
    }
    wire.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(deny))
    text = wire.refused(wire.client("s3", reader).get_object, Bucket=bucket, Key="in/a")[2]
    assert text.endswith("with an explicit deny in a resource-based policy")


def test_copy_needs_its_source_as_well(wire: Any, bucket: str) -> None:
    statements = [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    ]
    writer = wire.client("s3", wire.node_session(f"writer-{bucket}"[:60], statements))
    asked = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "in/a"}}
    assert "s3:GetObject" in wire.refused(writer.copy_object, **asked)[2]


def test_expected_owner_must_be_the_owner(wire: Any, bucket: str) -> None:
    s3, asked = wire.client("s3"), {"Bucket": bucket, "Key": "in/a"}
    assert s3.get_object(**asked, ExpectedBucketOwner=wire.launched.aws.account_id)
    assert wire.refused(s3.get_object, **asked, ExpectedBucketOwner="1" * 12)[:2] == (
        "AccessDenied",
        403,
    )


def test_presigned_url_is_the_signers(wire: Any, bucket: str, reader: dict[str, str]) -> None:
    s3 = wire.client("s3", reader, signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "in/a"})
    answer = urllib3.request("GET", url, retries=False)
    assert (answer.status, answer.data) == (200, b"hello")


def test_large_object_survives_the_way(wire: Any, bucket: str) -> None:
    s3, content = wire.client("s3"), bytes(range(256)) * 40_000
    s3.put_object(Bucket=bucket, Key="large", Body=content)
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == content


def test_fault_opens_s3_to_every_signed_request(
    wire: Any, bucket: str, reader: dict[str, str]
) -> None:
    s3, admin = wire.client("s3", reader), wire.launched.admin
    admin.set_faults(["s3-ignores-policies"])
    try:
        assert s3.put_object(Bucket=bucket, Key="out/x", Body=b"x")
        assert admin.records().decisions[-1].decided_by == "none"
    finally:
        admin.set_faults([])
    assert wire.refused(s3.put_object, Bucket=bucket, Key="out/x", Body=b"x")[0] == "AccessDenied"


def test_pod_identity_tags_separate_namespaces(wire: Any, bucket: str) -> None:
    variable = "${aws:PrincipalTag/kubernetes-namespace}"
    trust_all = wire.role(
        f"abac-{bucket}"[:60],
        [
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/{variable}/*",
            },
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"},
        ],
        "ec2.amazonaws.com",
    )
    root = wire.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": wire.launched.aws.account_id},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            },
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
        ],
    }
    name = trust_all.rpartition("/")[2]
    root.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    node = wire.launched.admin.instance_credentials(trust_all, "i-abac")
    tagged = wire.client("sts", node).assume_role(
        RoleArn=trust_all,
        RoleSessionName="pod",
        Tags=[{"Key": "kubernetes-namespace", "Value": "in"}],
    )["Credentials"]
    assert wire.client("s3", tagged).get_object(Bucket=bucket, Key="in/a")
    assert wire.refused(wire.client("s3", node).get_object, Bucket=bucket, Key="in/a")[1] == 403


def test_empty_segments_of_a_key_count(wire: Any, bucket: str) -> None:
    statements = [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/dev/*"}
    ]
    writer = wire.client("s3", wire.node_session(f"folder-{bucket}"[:60], statements))
    assert writer.put_object(Bucket=bucket, Key="dev/", Body=b"")
    assert wire.refused(writer.put_object, Bucket=bucket, Key="/dev/x", Body=b"")[1] == 403


def _deleter(wire: Any, bucket: str) -> Any:
    statements = [
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"}
    ]
    return wire.client("s3", wire.node_session(f"deleter-{bucket}"[:60], statements))


def test_many_keys_are_deleted_one_by_one(wire: Any, bucket: str) -> None:
    root = wire.client("s3")
    for key in ("in/b", "out/a", "in/<&>"):
        root.put_object(Bucket=bucket, Key=key, Body=b"")
    keys = [{"Key": key} for key in ("in/a", "out/a", "in/<&>", "in/not-there")]
    answer = _deleter(wire, bucket).delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert [done["Key"] for done in answer["Deleted"]] == ["in/a", "in/<&>", "in/not-there"]
    (error,) = answer["Errors"]
    assert (error["Key"], error["Code"]) == ("out/a", "AccessDenied")
    assert f's3:DeleteObject on resource: "arn:aws:s3:::{bucket}/out/a"' in error["Message"]
    left = [found["Key"] for found in root.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == ["in/b", "out/a"]


def test_nothing_allowed_deletes_nothing_and_is_no_failure(wire: Any, bucket: str) -> None:
    keys = [{"Key": "out/a"}, {"Key": "in/a", "VersionId": "1"}]
    answer = _deleter(wire, bucket).delete_objects(
        Bucket=bucket, Delete={"Objects": keys, "Quiet": True}
    )
    assert [error["Key"] for error in answer["Errors"]] == ["out/a", "in/a"]
    assert answer["Errors"][1]["VersionId"] == "1"
    assert wire.client("s3").head_object(Bucket=bucket, Key="in/a")


@pytest.mark.parametrize(
    "objects",
    [
        "<Object><Key>out/a</Key><Key>in/a</Key></Object>",
        "<!-- <Object> --><Object><Key>out/a</Key></Object><Object><Key>in/a</Key></Object>",
        "<Object></Object>",
        "",
    ],
)
def test_list_that_reads_two_ways_deletes_nothing(wire: Any, bucket: str, objects: str) -> None:
    s3 = _deleter(wire, bucket)

    def send(request: Any, **_: Any) -> None:
        request.data = f"<Delete>{objects}</Delete>".encode()
        for name in ("x-amz-checksum-crc32", "Content-Length"):
            del request.headers[name]

    s3.meta.events.register_first("before-sign.s3.DeleteObjects", send)
    delete = {"Objects": [{"Key": "x"}]}
    assert wire.refused(s3.delete_objects, Bucket=bucket, Delete=delete)[0] == "MalformedXML"
    wire.client("s3").head_object(Bucket=bucket, Key="in/a")


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("no json", "Policies must be valid JSON"),
        ('{"Version": "2012-10-17"}', "Missing required field Statement"),
        ('{"Statement": {"Effect": "Allow"}}', "Missing required field Principal"),
        (
            (
                '{"Statement": {"Effect": "Deny", "Principal": {"AWS": '
                '"arn:aws:iam::000000000000:role/nobody"}, "Action": "s3:*", "Resource": "*"}}'
            ),
            "Invalid principal in policy",
        ),
    ],
)
def test_bucket_policy_that_is_none_is_refused(
    wire: Any, bucket: str, policy: str, text: str
) -> None:
    told = wire.refused(wire.client("s3").put_bucket_policy, Bucket=bucket, Policy=policy)
    assert told[:2] == ("MalformedPolicy", 400)
    assert text in told[2]


def test_client_is_known_by_its_user_agent(wire: Any, bucket: str) -> None:
    statements = [
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "*",
            "Condition": {"StringLike": {"aws:UserAgent": "probe/*"}},
        }
    ]
    session = wire.node_session(f"agent-{bucket}"[:60], statements)
    asked = {"Bucket": bucket, "Key": "in/a"}
    assert wire.client("s3", session, user_agent="probe/1").get_object(**asked)
    assert wire.refused(wire.client("s3", session).get_object, **asked)[1] == 403


def test_bucket_that_insists_on_encryption_in_transit_is_open(wire: Any, bucket: str) -> None:
    deny = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    }
    s3 = wire.client("s3")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(deny))
    assert s3.get_object(Bucket=bucket, Key="in/a")
