import pytest

from conformance.emulator.decisions import Verdict, refusal
from conformance.emulator.records import DecidedBy

ME = "arn:aws:sts::1:assumed-role/r/s"
ME_NOT = f"User: {ME} is not authorized to perform: "


@pytest.mark.parametrize(
    ("verdict", "action", "resource", "text"),
    [
        (
            Verdict(False, DecidedBy.IDENTITY),
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            (
                's3:GetObject on resource: "arn:aws:s3:::b/k" because no identity-based policy '
                "allows the s3:GetObject action"
            ),
        ),
        (
            Verdict(False, DecidedBy.IDENTITY, explicit=True),
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            (
                's3:GetObject on resource: "arn:aws:s3:::b/k" with an explicit deny in an '
                "identity-based policy"
            ),
        ),
        (
            Verdict(False, DecidedBy.RESOURCE, explicit=True),
            "dynamodb:GetItem",
            "arn:aws:dynamodb:eu-west-1:1:table/t",
            (
                "dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:1:table/t with an "
                "explicit deny in a resource-based policy"
            ),
        ),
        (
            Verdict(False, DecidedBy.BOUNDARY),
            "iam:CreateUser",
            "arn:aws:iam::1:user/x",
            (
                "iam:CreateUser on resource: arn:aws:iam::1:user/x because no permissions boundary "
                "allows the iam:CreateUser action"
            ),
        ),
        (
            Verdict(False, DecidedBy.SESSION),
            "sqs:ReceiveMessage",
            "arn:aws:sqs:eu-west-1:1:q",
            (
                "sqs:receivemessage on resource: arn:aws:sqs:eu-west-1:1:q because no session "
                "policy allows the sqs:receivemessage action"
            ),
        ),
        (
            Verdict(False, DecidedBy.SCP, explicit=True),
            "eks:ListClusters",
            "*",
            "eks:ListClusters with an explicit deny in a service control policy",
        ),
        (
            Verdict(False, DecidedBy.TRUST),
            "sts:AssumeRole",
            "arn:aws:iam::1:role/r",
            "sts:AssumeRole on resource: arn:aws:iam::1:role/r",
        ),
    ],
)
def test_text_of_a_denial(verdict: Verdict, action: str, resource: str, text: str) -> None:
    assert refusal(verdict, ME, action, resource) == ME_NOT + text
