"""The stations of a credential's way, and so the places where an answer is decided."""

from enum import StrEnum


class Stage(StrEnum):
    """
    Where an answer was decided.

    A denial is proved by its stage and code. "The call failed" proves nothing:
    a crash also fails a call.
    """

    INJECTION = "injection"
    """The webhook: were variables, token and volume put into the pod?"""
    AGENT = "agent"
    """The agent on the node refused, or could not be reached."""
    EKS_AUTH = "eks-auth"
    """AssumeRoleForPodIdentity refused the token or found no association."""
    STS = "sts"
    """The role's trust policy did not let EKS assume and tag it."""
    IAM = "iam"
    """Credentials are good; a policy does not allow the action."""
    SERVICE = "service"
    """The service itself answered with an error of its own."""
