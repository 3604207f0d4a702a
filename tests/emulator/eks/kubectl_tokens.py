"""kubectl tokens made at once; `conformance.targets.eks_token` and the AWS CLI need a process."""

import base64

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conformance.emulator.service import Session
from tests.emulator.conftest import REGION

STS = f"https://sts.{REGION}.amazonaws.com/"
ASKED = "Action=GetCallerIdentity&Version=2011-06-15"


def presigned(
    credentials: Credentials,
    *,
    cluster: str = "demo",
    url: str = STS,
    asked: str = ASKED,
    expires: int = 60,
) -> str:
    request = AWSRequest("GET", f"{url}?{asked}", headers={"x-k8s-aws-id": cluster})
    SigV4QueryAuth(credentials, "sts", REGION, expires=expires).add_auth(request)
    return str(request.url)


def in_token(url: str) -> str:
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def of(session: Session) -> Credentials:
    return Credentials(session.access_key_id, session.secret_access_key, session.session_token)
