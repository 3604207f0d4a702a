"""
Which stage decided, read from what a call was told.

"The call failed" proves nothing: a crash also fails a call. So every refusal is
looked up in one table. The trap is that four parts speak through one HTTP answer:
the agent passes on what EKS Auth said, and EKS Auth passes on what STS said about
the role's trust policy. Only the shape of the text tells them apart.

Sources: aws/eks-pod-identity-agent 0.1.37, internal/validation/request.go,
internal/middleware and pkg/errors/errors.go; the EKS workshop's output of agent 0.0.25
(2023-12); EKS Auth's API model 2023-11-26; AWS IAM user guide, "Troubleshoot access
denied error messages".
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from conformance.stages import Stage


class Outcome(StrEnum):
    """What became of a call."""

    GRANTED = "granted"
    DENIED = "denied"
    """Somebody refused, and said so."""
    FAILED = "failed"
    """Nobody decided: a part is away, busy or broken. Says nothing about a promise."""


@dataclass(frozen=True)
class Refusal:
    """What a call was told instead of an answer; the fields are the runner's."""

    source: str
    status: int
    code: str
    text: str


class Decision(NamedTuple):
    """Who decided what, and by which code."""

    outcome: Outcome
    stage: Stage
    code: str


@dataclass(frozen=True)
class Rule:
    """
    One row: what a refusal looks like, and what it therefore is.

    `status` and `code` match whole, `text` anywhere; empty matches all. A group
    `code` in `text` becomes the code; `says` may use `{code}` and `{status}`.
    """

    source: str
    outcome: Outcome
    stage: Stage
    says: str
    text: str = ""
    status: str = ""
    code: str = ""

    def matches(self, refusal: Refusal) -> Decision | None:
        found = re.search(self.text, refusal.text, re.DOTALL)
        if (
            found is None
            or self.source != refusal.source
            or (self.status and not re.fullmatch(self.status, str(refusal.status)))
            or (self.code and not re.fullmatch(self.code, refusal.code))
        ):
            return None
        code = found.groupdict().get("code") or refusal.code
        says = self.says.format(code=code, status=refusal.status)
        return Decision(self.outcome, self.stage, says)


_DENIED, _FAILED = Outcome.DENIED, Outcome.FAILED
_RELAYED = r"^\[[^\]]*\]: \((?P<code>\w+)\): "
"""How the agent passes on an error of EKS Auth: `[request id]: (Code): message, fault: client`."""
_HIDDEN = (
    r"AssumeRoleForPodIdentity, https response error StatusCode: 4(?!29)\d\d, RequestID: [^,]*, "
    r"(?P<code>\w+): "
)
"""How agents before 0.1 did: 500 to everything, with a Go error that still says who refused."""
_TRUST = ".*EKS does not have permissions to assume the associated role"
_BUSY = r"SlowDown|Throttl\w+|TooManyRequests\w*|RequestLimitExceeded"
_NOT_ALLOWED = r"AccessDenied(Exception)?|UnauthorizedOperation|AuthorizationError\w*|403"

RULES = (
    # boto3 itself: no credentials, or variables that cannot be used.
    Rule("chain", _DENIED, Stage.INJECTION, "{code}"),
    # Speaking through the agent: STS about the role's trust policy, then EKS Auth itself.
    Rule("agent", _DENIED, Stage.STS, "{code}", _RELAYED + _TRUST, status="400"),
    Rule("agent", _DENIED, Stage.STS, "{code}", _HIDDEN + _TRUST, status="500"),
    Rule("agent", _DENIED, Stage.EKS_AUTH, "{code}", _HIDDEN, status="500"),
    Rule("agent", _FAILED, Stage.EKS_AUTH, "{code}", _RELAYED, status="429|5.."),
    Rule("agent", _DENIED, Stage.EKS_AUTH, "{code}", _RELAYED),
    Rule("agent", _FAILED, Stage.EKS_AUTH, "Unreachable", r"^\[\]$", status="500"),
    # The agent itself.
    Rule("agent", _FAILED, Stage.AGENT, "Unreachable", status="0"),
    Rule("agent", _FAILED, Stage.AGENT, "TooManyRequests", status="429"),
    Rule("agent", _DENIED, Stage.AGENT, "InvalidAddress", "invalid address", status="403"),
    Rule("agent", _DENIED, Stage.AGENT, "TokenEmpty", "token cannot be empty", status="400"),
    Rule("agent", _DENIED, Stage.AGENT, "TokenMalformed", "cannot be parsed", status="400"),
    Rule("agent", _DENIED, Stage.AGENT, "TokenExpired", "token is expired", status="400"),
    Rule("agent", _DENIED, Stage.AGENT, "TokenNotYetValid", "not valid yet", status="400"),
    Rule("agent", _DENIED, Stage.AGENT, "TokenUnbound", "token missing", status="400"),
    Rule("agent", _DENIED, Stage.AGENT, "NotFound", status="404"),
    Rule("agent", _DENIED, Stage.AGENT, "CredentialsExpire", "will expire within", status="500"),
    Rule("agent", _DENIED, Stage.AGENT, "MalformedAnswer", status="200"),
    Rule("agent", _FAILED, Stage.AGENT, "InternalError", status="5.."),
    Rule("agent", _DENIED, Stage.AGENT, "HTTP{status}"),
    # EKS Auth, asked without the agent: may the caller ask, does the role's trust let EKS in?
    Rule("eks-auth", _DENIED, Stage.IAM, "{code}", "not authorized to perform", code=_NOT_ALLOWED),
    Rule("eks-auth", _DENIED, Stage.STS, "{code}", "EKS does not have permissions to assume"),
    Rule("eks-auth", _FAILED, Stage.EKS_AUTH, "{code}", status="0|429|5.."),
    Rule("eks-auth", _DENIED, Stage.EKS_AUTH, "{code}"),
    # The service: IAM's refusals have codes of their own. A HEAD has no body, so only 403.
    Rule("service", _FAILED, Stage.SERVICE, "Unreachable", status="0"),
    Rule("service", _DENIED, Stage.IAM, "{code}", code=_NOT_ALLOWED),
    Rule("service", _FAILED, Stage.SERVICE, "{code}", code=_BUSY),
    Rule("service", _FAILED, Stage.SERVICE, "{code}", status="5.."),
    Rule("service", _DENIED, Stage.SERVICE, "{code}"),
    # Ours: a call that no service has.
    Rule("plan", _FAILED, Stage.SERVICE, "PlanInvalid"),
)
"""First match wins."""


def judge(refusal: Refusal) -> Decision:
    """Who refused; raises `LookupError` for a source that no rule has."""
    for rule in RULES:
        if decision := rule.matches(refusal):
            return decision
    raise LookupError(f"no rule for a refusal from {refusal.source!r}")
