"""
What comes back from EKS Auth: credentials, or a reason in two wordings.

The pod is told one thing and the log another. The pod's wording carries EKS Auth's
request id, code and message, and nothing else; the log has the whole chain of Go
errors. Both are kept here side by side so that neither is derived from the other.

Source: eks-pod-identity-agent pkg/errors/errors.go and pkg/credentials/model.go.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from conformance.cluster.agent.logs import go_json

IRRECOVERABLE = frozenset(
    {
        "ResourceNotFoundException",
        "ExpiredTokenException",
        "InvalidTokenException",
        "AccessDeniedException",
    }
)
"""Codes that drop a cached entry at its renewal; with any other it is kept."""

_THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_RETRIED_CODES = _THROTTLING | {"RequestTimeout", "RequestTimeoutException"}
"""aws-sdk-go-v2 aws/retry/standard.go."""
_RETRIED_STATUSES = frozenset({500, 502, 503, 504})

_FAULTS = {
    "InternalServerException": "server",
    "ServiceUnavailableException": "server",
    "AccessDeniedException": "client",
    "ExpiredTokenException": "client",
    "InvalidParameterException": "client",
    "InvalidRequestException": "client",
    "InvalidTokenException": "client",
    "ResourceNotFoundException": "client",
    "ThrottlingException": "client",
}
"""The errors that EKS Auth's model declares; of any other the SDK knows no fault."""


class FetchError(Exception):
    """There are no credentials; `status` and `text` are what the pod is answered."""

    code = ""

    def __init__(self, status: int, text: str, *, cause: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.cause = cause or text
        """The chain of Go errors, for the log."""

    @property
    def log_fields(self) -> dict[str, str]:
        return {}


class EksAuthError(FetchError):
    """EKS Auth refused, broke off or was not reached (`http_status` 0)."""

    def __init__(
        self, http_status: int, request_id: str, code: str, message: str, *, timed_out: bool = False
    ) -> None:
        self.http_status = http_status
        self.request_id = request_id
        self.code = code
        self.timed_out = timed_out
        fault = _FAULTS.get(code, "unknown")
        text = f"[{request_id}]" + (f": ({code}): {message}, fault: {fault}" if code else "")
        shown = f"api error {code}: {message}" if fault == "unknown" and code else message
        shown = f"{code}: {message}" if fault != "unknown" else shown
        super().__init__(
            http_status or 500,
            text,
            cause="unable to fetch credentials from EKS Auth: operation error EKS Auth: "
            f"AssumeRoleForPodIdentity, https response error StatusCode: {http_status}, "
            f"RequestID: {request_id}, {shown}",
        )

    @property
    def retried(self) -> bool:
        """Whether the SDK tries again."""
        known = self.code in _RETRIED_CODES or self.http_status in _RETRIED_STATUSES
        return known or self.http_status == 0

    @property
    def log_fields(self) -> dict[str, str]:
        fields = {"service": "EKS Auth", "operation": "AssumeRoleForPodIdentity"}
        return fields | {"request-id": self.request_id}


@dataclass(frozen=True, repr=False)
class Fetched:
    """One set of credentials for a pod. Has no repr: it is secret."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    account_id: str
    expires_at: float
    """Seconds since the epoch, to the millisecond."""
    association_id: str
    body: bytes = field(init=False)
    """The answer's JSON, made once."""

    def __post_init__(self) -> None:
        fields = {
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
            "Token": self.session_token,
            "AccountId": self.account_id,
            "Expiration": rfc3339(self.expires_at),
        }
        body = go_json({name: value for name, value in fields.items() if value})
        object.__setattr__(self, "body", body.encode())


def rfc3339(seconds: float) -> str:
    """Go's RFC3339Nano in UTC: no fraction that is not there, no zeros at its end."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    fraction = f".{milliseconds:03d}".rstrip("0") if milliseconds else ""
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
