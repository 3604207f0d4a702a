"""
What one call saw, stage by stage, and the assertions that scenarios make about it.

The trap is an assertion that holds for the wrong reason. So a denial is asserted
with its stage and code, a broken promise names the stage to blame, and where
nobody decided (a part was away) the run is in trouble and no promise is broken.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, field_validator

from conformance.errors import HarnessError
from conformance.probes.blame import Outcome, Refusal, judge
from conformance.probes.runner import AGENT_SECONDS
from conformance.stages import Stage

FORMAT = 2
"""Of the runner's lines; an image that is older or newer is refused."""

SDK_SECONDS = 30.0
"""Two attempts of the runner's SDK, each with 5 s to connect and 10 s to be answered."""

HARNESS = "harness"
"""`Evidence.provider` of a call that no pod made."""


class PromiseBroken(AssertionError):  # noqa: N818 - says what happened; errors are ours
    """A promise does not hold; `stage` is the first one that did not do as promised."""

    def __init__(self, message: str, stage: Stage) -> None:
        super().__init__(message, stage)
        self.message = message
        self.stage = stage

    def __str__(self) -> str:
        return f"{self.message}\n  blamed: {self.stage}"


@contextmanager
def blaming(stage: Stage) -> Iterator[None]:
    """Give plain assertions in the block the stage that is to blame when they do not hold."""
    try:
        yield
    except PromiseBroken:
        raise
    except AssertionError as error:
        # With the assertion's own traceback, so that a report points at its line.
        raise PromiseBroken(str(error), stage).with_traceback(error.__traceback__) from None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Injection(_Part):
    """What decided, inside the container, which credentials the SDK would find."""

    variables: dict[str, str] = Field(default_factory=dict)
    """The AWS variables that hold no secret, with their values."""
    keys: tuple[str, ...] = ()
    """Names of variables and files that hold long-lived keys; none belong in a pod."""
    token_file: bool = False
    """The file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names is there."""
    not_written: str = ""
    """How the system refuses to write beside it, such as EROFS; empty where it does not."""


class TokenClaims(_Part):
    """What the presented token says about itself; nobody has verified it here."""

    fingerprint: str
    audience: tuple[str, ...] = Field((), alias="aud")
    issuer: str = Field("", alias="iss")
    subject: str = Field("", alias="sub")
    expires: int = Field(0, alias="exp")
    """Seconds since 1970, as is `issued`."""
    issued: int = Field(0, alias="iat")
    kubernetes: dict[str, Any] = Field(default_factory=dict, alias="kubernetes.io")

    @field_validator("audience", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class AgentAnswer(_Part):
    """The agent's status and text; no text when it gave credentials."""

    status: int
    text: str
    headers: dict[str, str] = Field(default_factory=dict)
    """Empty when an SDK asked; so are the next two."""
    members: tuple[str, ...] = ()
    """Of the JSON object that the credentials came in, in its order."""
    newline: bool = False
    """The body ended with one."""


class Identity(_Part):
    """What sts:GetCallerIdentity answered."""

    account: str
    arn: str
    user_id: str

    @property
    def role_name(self) -> str:
        """Empty when the caller is no session of a role."""
        kind, _, rest = self.arn.rpartition(":")[2].partition("/")
        return rest.rpartition("/")[0] if kind == "assumed-role" else ""

    @property
    def session_name(self) -> str:
        return self.arn.rpartition("/")[2]


class Evidence(_Part):
    """One call of one pod. Holds fingerprints only, never a token or a key."""

    call: str
    """Its name in the plan."""
    operation: str
    """`service:operation`, or `agent` when only the agent was asked."""
    outcome: Outcome
    stage: Stage
    """Where the answer was decided."""
    code: str = ""
    status: int = 0
    """HTTP status of whoever answered last; 0 when nobody did."""
    message: str = ""
    latency_ms: float
    bound_ms: float = 0
    """After so long whoever asked would have given up; 0 where nobody has measured."""
    answer: dict[str, Any] = Field(default_factory=dict)
    identity: Identity | None = None
    injection: Injection
    token: TokenClaims | None = None
    agent: AgentAnswer | None = None
    provider: str = ""
    """boto3's name for where the credentials came from, `by-hand`, or `HARNESS`."""
    access_key: str = ""
    """Fingerprint of the access key id: equal for equal credentials."""
    expires_at: datetime | None = None

    @property
    def subject(self) -> str:
        """Whom the presented token names; for messages."""
        if self.provider == HARNESS:
            return "the harness"
        return self.token.subject if self.token and self.token.subject else "a pod without token"

    @property
    def text(self) -> str:
        """The body of the answer, or its first 4096 bytes."""
        return str(self.answer.get("Body", {}).get("text", ""))

    def granted(self) -> "Evidence":
        """Holds when the call was answered; raises `PromiseBroken` or `HarnessError`."""
        self._decided()
        if self.outcome is not Outcome.GRANTED:
            self._broken("granted", self.stage)
        return self

    def denied(self, stage: Stage, code: str) -> "Evidence":
        """
        Holds when exactly this stage refused with this code.

        Blames the first stage that did not do as promised: `stage` itself when it
        let the call pass, an earlier one when the call never came so far.
        """
        self._decided()
        if self.outcome is Outcome.GRANTED:
            self._broken(f"denied at {stage}: {code}", stage)
        if (self.stage, self.code) != (stage, code):
            self._broken(f"denied at {stage}: {code}", min(stage, self.stage, key=_ORDER.index))
        return self

    def unanswered(self, stage: Stage, code: str) -> "Evidence":
        """
        Holds when nobody decided, because this stage was away or busy and said so by this code.

        For what a scenario itself has broken: anywhere else that is trouble of ours.
        """
        if (self.outcome, self.stage, self.code) != (Outcome.FAILED, stage, code):
            self._broken(f"{stage} away: {code}", self.stage)
        return self

    def identified(self) -> Identity:
        """Who the caller is; raises as `granted` does."""
        self.granted()
        if self.identity is None:
            raise HarnessError(
                f"call {self.call!r} cannot say who made it",
                saw=self.operation,
                try_='call("sts", "get_caller_identity")',
            )
        return self.identity

    def _decided(self) -> None:
        if self.outcome is Outcome.FAILED:
            raise HarnessError(
                f"call {self.call!r} ({self.operation}) of {self.subject}: nobody decided it",
                saw=f"{self.stage}: {self.code} {self.message}".rstrip(),
                try_=_TRY[self.stage],
            )

    def _broken(self, promised: str, stage: Stage) -> NoReturn:
        seen = str(self.outcome)
        if self.outcome is not Outcome.GRANTED:
            seen += f" at {self.stage}: {self.code} (HTTP {self.status}): {self.message}"
        raise PromiseBroken(
            f"call {self.call!r} ({self.operation}) of {self.subject}\n"
            f"  promised: {promised}\n"
            f"  saw: {seen}",
            stage,
        )


_ORDER = list(Stage)
_TRY = {
    Stage.INJECTION: "conformance doctor",
    Stage.AGENT: "kubectl -n kube-system logs -l app.kubernetes.io/name=eks-pod-identity-agent",
    Stage.EKS_AUTH: "kubectl -n kube-system logs -l app.kubernetes.io/name=eks-pod-identity-agent",
    Stage.STS: "conformance doctor",
    Stage.IAM: "conformance doctor",
    Stage.SERVICE: "the call's parameters, and whether pods reach the service",
}


def read_evidence(log: str) -> dict[str, Evidence]:
    """
    Evidence of each call in a probe pod's log, by call name; other lines are passed over.

    Raises `HarnessError` for a line of another format or one that cannot be read.
    """
    found = {}
    for line in log.splitlines():
        if not line.startswith('{"evidence":'):
            continue
        try:
            evidence = as_evidence(json.loads(line))
        except (ValueError, TypeError, LookupError) as error:
            raise HarnessError(
                "a line of evidence in a probe pod's log cannot be read",
                saw=f"{type(error).__name__}: {str(error)[:300]}",
                try_="a probe image that is made of this version of the suite",
            ) from error
        found[evidence.call] = evidence
    return found


def as_evidence(line: dict[str, Any]) -> Evidence:
    """One line of the runner, judged; raises `LookupError` when it is of another format."""
    told = {name: value for name, value in line.items() if name not in ("evidence", "refusal")}
    if line["evidence"] != FORMAT:
        raise LookupError(f"format {line['evidence']}, not {FORMAT}")
    told["expires_at"] = told.get("expires_at") or None
    alone = told["operation"] == "agent"
    told.setdefault("bound_ms", 1000 * (AGENT_SECONDS if alone else AGENT_SECONDS + SDK_SECONDS))
    if "refusal" in line:
        refusal = Refusal(**line["refusal"])
        if refusal.source == "service" and told["operation"].startswith("eks-auth:"):
            # It is a stage of its own, whoever asks it.
            refusal = replace(refusal, source="eks-auth")
        decision = judge(refusal)
        told |= decision._asdict() | {"status": refusal.status, "message": refusal.text}
    else:
        stage = Stage.AGENT if told["operation"] == "agent" else Stage.SERVICE
        told |= {"outcome": Outcome.GRANTED, "stage": stage}
    if "refusal" not in line and told["operation"] == "sts:get_caller_identity":
        answer = told["answer"]
        told["identity"] = {
            "account": answer["Account"],
            "arn": answer["Arn"],
            "user_id": answer["UserId"],
        }
    return Evidence.model_validate(told)
