"""
What ministack 1.5.33 does otherwise than AWS, put right.

One module a service. Each correction says which rule of AWS it restores and names
the gap; the numbers are those of GAPS.md beside it. `install` is called once, after
`borrowed.check` has found every name that is replaced here.
"""

from conformance.emulator.aws import Aws
from conformance.emulator.corrections import dynamodb, enforcement, iam, resources, s3, sqs, sts
from conformance.emulator.policies import correct_arn_operators


def install(aws: Aws) -> None:
    """Make ministack ask `aws`, and answer as AWS does."""
    correct_arn_operators()
    for correction in (enforcement, resources, iam, sts, s3, dynamodb, sqs):
        correction.install(aws)
