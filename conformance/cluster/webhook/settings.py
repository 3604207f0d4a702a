"""
What the webhook puts into pods, as data.

Two methods exist side by side, Pod Identity and IAM roles for service accounts.
They differ in names, paths and audience only, so each is a row, and the code that
patches a pod knows neither.

Sources: aws/amazon-eks-pod-identity-webhook main.go (flags and their defaults) and
pkg/handler/handler.go at 3bf80a34.
"""

from dataclasses import dataclass

ANNOTATION_PREFIX = "eks.amazonaws.com"
IPV6_URI = "http://[fd00:ec2::23]/v1/credentials"
"""What pods of an IPv6 cluster are told (aws/aws-for-fluent-bit#983)."""
DEFAULT_EXPIRATION = 86400
"""Seconds. Pod Identity never uses exactly this; see `mutation.expiration_of`."""


@dataclass(frozen=True)
class Method:
    """One way to give a pod credentials: a projected token and variables that point at it."""

    audience: str
    mount_path: str
    volume: str
    token_path: str
    variables: tuple[tuple[str, str], ...]
    """In order; `{token_file}` and `{role_arn}` are filled in."""
    label: str | None
    spreads_expiration: bool
    """A lifetime of exactly 86400 s becomes a random one, so that rotations do not pile up."""


@dataclass(frozen=True)
class WebhookSettings:
    """
    The webhook's flags; defaults are its own, but for names that EKS gives.

    `region` and `sts_regional_endpoints` are set on EKS and not on a bare webhook: real
    pods show five variables (aws-sdk-php#3188, external-dns#4382), recorded ones two.
    """

    audience: str = "pods.eks.amazonaws.com"
    mount_path: str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
    token_volume: str = "eks-pod-identity-token"  # noqa: S105 - a name
    token_path: str = "eks-pod-identity-token"  # noqa: S105 - a name
    full_uri: str = "http://169.254.170.23/v1/credentials"
    region: str | None = None
    """Given to containers that set none themselves."""
    sts_regional_endpoints: bool = False
    """What holds where the service account does not say."""
    token_expiration: int = DEFAULT_EXPIRATION

    def pod_identity(self) -> Method:
        return Method(
            audience=self.audience,
            mount_path=self.mount_path,
            volume=self.token_volume,
            token_path=self.token_path,
            variables=(
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", self.full_uri),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{token_file}"),
            ),
            label=f"{ANNOTATION_PREFIX}/pod-identity",
            spreads_expiration=True,
        )


IRSA = Method(
    audience="sts.amazonaws.com",
    mount_path="/var/run/secrets/eks.amazonaws.com/serviceaccount",
    volume="aws-iam-token",
    token_path="token",  # noqa: S106 - a file's name
    variables=(
        ("AWS_ROLE_ARN", "{role_arn}"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "{token_file}"),
    ),
    label=None,
    spreads_expiration=False,
)
"""IAM roles for service accounts."""
