"""
`python -m conformance.targets.eks_token --cluster NAME --region REGION`

Prints the ExecCredential that kubectl and the kubernetes client ask for: a token
that is a presigned sts:GetCallerIdentity with the cluster's name signed in. It is
what `aws eks get-token` prints; we make it ourselves so that a run on a real
account needs no AWS CLI.

Source: kubernetes-sigs/aws-iam-authenticator, README "API Authorization from
Outside a Cluster" (header x-k8s-aws-id, prefix k8s-aws-v1., 60 s).
"""

import argparse
import base64
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
from botocore.signers import RequestSigner

PRESIGN_SECONDS = 60
# EKS accepts a token for 15 minutes; one minute is kept back for clocks that differ.
LIFE = timedelta(minutes=14)


def eks_token(cluster: str, region: str, session: Any = None) -> str:
    """A bearer token for `cluster`, made from a botocore session's credentials, or ambient ones."""
    session = session or botocore.session.get_session()
    client = session.create_client("sts", region_name=region)
    credentials = session.get_credentials()
    if credentials is None:
        raise SystemExit("eks_token: no AWS credentials found; try: aws sts get-caller-identity")
    signer = RequestSigner(
        client.meta.service_model.service_id,
        region,
        "sts",
        "v4",
        credentials,
        session.get_component("event_emitter"),
    )
    url: str = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        region_name=region,
        expires_in=PRESIGN_SECONDS,
        operation_name="",
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def main() -> None:
    parser = argparse.ArgumentParser(description="A kubectl credential for an EKS cluster.")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--region", required=True)
    arguments = parser.parse_args()
    expires = datetime.now(UTC) + LIFE
    json.dump(
        {
            "kind": "ExecCredential",
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "spec": {},
            "status": {
                "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "token": eks_token(arguments.cluster, arguments.region),
            },
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
