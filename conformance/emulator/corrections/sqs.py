"""
SQS's own look at queue policies, which is one too many.

The policy of a queue, in whatever account, is part of our decision. ministack asks
it a second time in the handler, with the batch action's name (gap 13), without
variables (gap 1) and without the caller's tags, and so denies what was allowed.
"""

from ministack.services import sqs

from conformance.emulator.aws import Aws


def install(_: Aws) -> None:
    """Leave queue policies to the decision made before."""
    sqs._enforce_queue_policy = lambda *_: None
