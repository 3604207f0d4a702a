"""What a signature must be; each request is built by hand and signed by botocore."""

import base64
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"
FORM = "application/x-www-form-urlencoded"


def _send(wire: Any, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Any:
    endpoint = urlsplit(wire.launched.aws.endpoint)
    connection = http.client.HTTPConnection(endpoint.netloc, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _signed(
    wire: Any,
    service: str,
    *,
    method: str = "POST",
    path: str = "/",
    body: bytes = b"",
    **more: str,
) -> dict[str, str]:
    aws = wire.launched.aws
    request = AWSRequest(
        method, aws.endpoint + path, data=body, headers={"Content-Type": FORM, **more}
    )
    credentials = Credentials(aws.access_key_id, aws.secret_access_key)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(credentials, service, aws.region).add_auth(request)
    return dict(request.headers.items())


def test_signed_request_is_answered(wire: Any) -> None:
    headers = _signed(wire, "sts", body=IDENTITY)
    assert _send(wire, "POST", "/", headers, IDENTITY)[0] == 200


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("sts", "InvalidClientTokenId"),
        ("iam", "InvalidClientTokenId"),
        ("sqs", "InvalidClientTokenId"),
        ("s3", "InvalidAccessKeyId"),
        ("dynamodb", "UnrecognizedClientException"),
    ],
)
@pytest.mark.parametrize("key", ["000000000001", "test", "AKIAIOSFODNN7EXAMPLE"])
def test_key_that_we_did_not_mint_is_unknown(wire: Any, service: str, code: str, key: str) -> None:
    client = wire.client(service, {"AccessKeyId": key, "SecretAccessKey": "test"})
    call = {
        "sts": "get_caller_identity",
        "iam": "list_roles",
        "sqs": "list_queues",
        "s3": "list_buckets",
        "dynamodb": "list_tables",
    }[service]
    with pytest.raises(ClientError) as error:
        getattr(client, call)()
    assert error.value.response["Error"]["Code"] == code


def test_account_id_of_the_environment_is_no_root_key(wire: Any) -> None:
    given = {"AccessKeyId": wire.launched.aws.account_id, "SecretAccessKey": "test"}
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        wire.client("sts", given).get_caller_identity()


def test_roots_secret_is_checked(wire: Any) -> None:
    given = {"AccessKeyId": wire.launched.aws.access_key_id, "SecretAccessKey": "wrong"}
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        wire.client("sts", given).get_caller_identity()


def test_tampered_body_is_refused(wire: Any) -> None:
    headers = _signed(wire, "sts", body=IDENTITY)
    other = IDENTITY.replace(b"GetCallerIdentity", b"GetSessionToken00")
    assert _send(wire, "POST", "/", headers, other)[0] == 403


def test_tampered_body_of_s3_is_refused(wire: Any) -> None:
    headers = _signed(wire, "s3", method="PUT", path="/some-bucket/k", body=b"good")
    status, body = _send(wire, "PUT", "/some-bucket/k", headers, b"evil")
    assert (status, "SignatureDoesNotMatch" in body) == (403, True)


def test_tampered_path_is_refused(wire: Any) -> None:
    headers = _signed(wire, "s3", method="GET", path="/one/k")
    assert _send(wire, "GET", "/two/k", headers)[0] == 403


def test_tampered_query_is_refused(wire: Any) -> None:
    headers = _signed(wire, "s3", method="GET", path="/one?prefix=a")
    assert _send(wire, "GET", "/one?prefix=b", headers)[0] == 403


def test_session_key_without_its_token_is_unknown(wire: Any) -> None:
    session = wire.node_session("auth-token", [])
    given = {name: session[name] for name in ("AccessKeyId", "SecretAccessKey")}
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        wire.client("sts", given).get_caller_identity()
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        wire.client("sts", {**given, "SessionToken": "other"}).get_caller_identity()


def test_signature_is_good_for_one_service(wire: Any) -> None:
    target = {"X-Amz-Target": "DynamoDB_20120810.ListTables"}
    headers = _signed(wire, "sqs", body=b"{}", **target)
    status, body = _send(wire, "POST", "/", headers, b"{}")
    assert (status, "InvalidSignatureException" in body) == (400, True)


@pytest.mark.parametrize("path", ["/", "/some-bucket/key", "/clusters"])
def test_unsigned_request_is_refused(wire: Any, path: str) -> None:
    status, body = _send(wire, "GET", path, {})
    assert status == 403
    assert "MissingAuthenticationToken" in body or "Authentication Token" in body


@pytest.mark.parametrize(
    "path",
    [
        "/_ministack/health",
        "/_ministack/reset",
        "/_ministack/config",
        "/_localstack/health",
        "/%5Fministack/reset",
        "/health",
        "/_aws/execute-api/x/y",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_ministack_are_not_there(wire: Any, method: str, path: str) -> None:
    headers = _signed(wire, "s3", method=method, path=path)
    assert _send(wire, method, path, headers)[0] == 404


@pytest.mark.parametrize(
    "host", ["abcdef01.execute-api.localhost", "x.lambda-url.eu-west-1.on.aws", "evil.example"]
)
def test_host_names_of_other_services_are_not_there(wire: Any, host: str) -> None:
    headers = _signed(wire, "s3", method="GET", path="/") | {"Host": host}
    assert _send(wire, "GET", "/", headers)[0] == 404


@pytest.mark.parametrize("service", ["lambda", "sns", "ec2", "cloudformation", ""])
def test_services_that_are_not_served_say_so(wire: Any, service: str) -> None:
    headers = _signed(wire, service, body=b"{}")
    status, body = _send(wire, "POST", "/", headers, b"{}")
    assert status in {403, 404}
    assert "not emulated" in body or not service


def test_action_in_the_query_does_not_rename_an_s3_request(wire: Any) -> None:
    """ministack decides by `?Action=` or X-Amz-Target, and then does what the path says."""
    root = wire.client("s3")
    root.create_bucket(
        Bucket="renamed", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    root.put_object(Bucket="renamed", Key="k", Body=b"x")
    statements = [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]
    session = wire.node_session("renamer", statements)
    aws = wire.launched.aws
    for path, header in (
        ("/renamed/k?Action=ListBucket", {}),
        ("/renamed/k", {"X-Amz-Target": "S3.ListBucket"}),
    ):
        request = AWSRequest("GET", aws.endpoint + path, headers=header)
        credentials = Credentials(
            session["AccessKeyId"], session["SecretAccessKey"], session["Token"]
        )
        S3SigV4Auth(credentials, "s3", aws.region).add_auth(request)
        status, body = _send(wire, "GET", path, dict(request.headers.items()))
        assert (status, "s3:GetObject" in body) == (403, True)


def test_action_in_the_query_does_not_hide_one_in_the_form(wire: Any) -> None:
    statements = [{"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}]
    session = wire.node_session("hider", statements)
    aws, path = wire.launched.aws, "/?Action=GetUser"
    body = b"Action=CreateUser&UserName=mallory&Version=2010-05-08"
    request = AWSRequest("POST", aws.endpoint + path, data=body, headers={"Content-Type": FORM})
    credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["Token"])
    SigV4Auth(credentials, "iam", aws.region).add_auth(request)
    status, told = _send(wire, "POST", path, dict(request.headers.items()), body)
    assert (status, "iam:CreateUser" in told) == (403, True)


@pytest.mark.parametrize(("action", "status"), [("s3:ListTagsForResource", 200), ("s3:Get*", 403)])
def test_tags_through_s3_control_need_a_policy(wire: Any, action: str, status: int) -> None:
    bucket = f"control-{status}"
    wire.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    statements = [{"Effect": "Allow", "Action": action, "Resource": "*"}]
    session = wire.node_session(bucket, statements)
    credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["Token"])
    aws = wire.launched.aws
    for path, expected in (
        (f"/v20180820/tags/arn%3Aaws%3As3%3A%3A%3A{bucket}", status),
        ("/v20180820/configuration/publicAccessBlock", 403),
    ):
        request = AWSRequest("GET", aws.endpoint + path)
        request.headers["x-amz-account-id"] = aws.account_id
        S3SigV4Auth(credentials, "s3", aws.region).add_auth(request)
        assert _send(wire, "GET", path, dict(request.headers.items()))[0] == expected


def test_web_identity_is_asked_for_without_a_signature(wire: Any) -> None:
    claims = base64.urlsafe_b64encode(b'{"iss": "https://oidc.example.com/id/A"}').decode()
    for token, text in (
        (f"e30.{claims}.c2ln", "provider found in your account for https://oidc.example.com/id/A<"),
        ("none", "is not a valid JWT"),
    ):
        body = f"Action=AssumeRoleWithWebIdentity&WebIdentityToken={token}".encode()
        status, told = _send(wire, "POST", "/", {"Content-Type": FORM}, body)

        assert status == 400
        assert "<Code>InvalidIdentityToken</Code>" in told
        assert text in told


def test_naming_a_web_identity_is_no_way_in(wire: Any) -> None:
    body = IDENTITY + b"&X=Action=AssumeRoleWithWebIdentity"
    status, told = _send(wire, "POST", "/", {"Content-Type": FORM}, body)

    assert status == 403
    assert "is missing Authentication Token" in told
