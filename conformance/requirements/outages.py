"""Parts that are away, slow, throttled or wrong about the time: who notices, and who does not."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_CACHE = "aws/eks-pod-identity-agent 0.1.37: internal/credsretriever/refreshing_cache.go"
_UPSTREAM = "aws/eks-pod-identity-agent 0.1.37: internal/cloud/eksauth/service.go"
_DATES = "aws/eks-pod-identity-agent 0.1.37: internal/validation/request.go, golang-jwt v5.2.2"
_WEBHOOK = "aws/amazon-eks-pod-identity-webhook 3bf80a34: deploy/mutatingwebhook.yaml"

_extended = partial(
    Requirement,
    level=Level.EXTENDED,
    stage=Stage.AGENT,
    since="agent 0.1.0",
    targets=Targets.EMULATED,
    aws_validated="never",
)

RUNNING_PODS_NOTICE_NO_OUTAGE = _extended(
    id="outage.running",
    title="Who has credentials notices no outage of EKS Auth",
    promise="While EKS Auth is away, programs that have credentials MUST go on calling AWS.",
    rationale="An outage of the control plane must not become one of the applications.",
    source="EKS user guide, pod-id-how-it-works (390223ef)",
    stage=Stage.SERVICE,
)

OUTAGE_IS_BRIDGED = _extended(
    id="outage.shorter",
    title="An outage shorter than what the credentials have left is bridged",
    promise=(
        "While EKS Auth is away, the agent MUST go on handing out the credentials that it keeps, "
        "as long as they have more than 15 s to live."
    ),
    rationale="Programs that start anew in a pod that was there before need them most.",
    source=_CACHE,
)

OUTAGE_IS_SAID = _extended(
    id="outage.longer",
    title="An outage that outlasts the credentials is said",
    promise=(
        "When EKS Auth is away and what the agent keeps has 15 s or less to live, it MUST answer "
        "500 '[]' and hand out nothing old."
    ),
    rationale="Credentials that end in mid-use are harder to find than an error that says so.",
    source=f"{_CACHE}; pkg/errors/errors.go",
)

NEWCOMERS_GET_NOTHING = _extended(
    id="outage.new-token",
    title="A token that is new in an outage gets nothing",
    promise=(
        "While EKS Auth is away, a token of a pod that the agent keeps nothing for MUST be "
        "answered 500 '[]', and never with credentials of another."
    ),
    rationale="An agent that helped out would hand a stranger's role to a pod.",
    source=f"{_CACHE}; pkg/errors/errors.go",
)

ROTATED_TOKEN_GETS_NOTHING = _extended(
    id="outage.rotated-token",
    title="A token that is rotated in an outage is as good as new",
    promise=(
        "While EKS Auth is away, a second token of a pod MUST be answered 500 '[]', and the first "
        "one with what is kept for it; by an agent that checks rotated tokens itself, both with "
        "what is kept."
    ),
    rationale="What nobody has checked must not be believed, not even for a pod that is known.",
    source=f"{_CACHE}; aws/eks-pod-identity-agent 0.2.1: internal/validation/token_validator.go",
)

OUTAGES_ARE_TOLD_IN_PLAIN_TEXT = _extended(
    id="outage.plain-text",
    title="What EKS Auth does not answer is told in plain text",
    promise=(
        "When EKS Auth is away, too slow or throttles, the agent's answer MUST be "
        "text/plain; charset=utf-8 with X-Content-Type-Options nosniff, end with a newline and "
        "not be JSON."
    ),
    rationale="An SDK that is answered JSON looks for credentials in it, and hides the reason.",
    source="aws/eks-pod-identity-agent 0.1.37: pkg/errors/errors.go",
)

OUTAGE_LEAVES_NOTHING = _extended(
    id="outage.over",
    title="After an outage everybody is served again",
    promise=(
        "As soon as EKS Auth answers again, pods that were refused MUST get credentials by asking "
        "once more."
    ),
    rationale="A refusal that is remembered is an outage that goes on.",
    source=f"{_CACHE}, since pull request 73",
    since="agent 0.1.29",
)

THROTTLING_IS_PASSED_ON = _extended(
    id="outage.throttled",
    title="Throttling is passed on, and hurts newcomers only",
    promise=(
        "When EKS Auth throttles the account, a new token MUST be answered 429 "
        "ThrottlingException, and one whose credentials are kept MUST be served."
    ),
    rationale="The limit is the account's: another cluster's storm must not stop this one.",
    source=f"{_UPSTREAM}; aws/eks-pod-identity-agent#34 and #97",
    stage=Stage.EKS_AUTH,
)

THREE_ATTEMPTS = _extended(
    id="outage.attempts",
    title="Three attempts, and no more",
    promise="For one request of a pod the agent MUST ask EKS Auth three times at most.",
    rationale="Retries of everybody's are what keeps a service down that is back.",
    source=f"{_UPSTREAM}; aws-sdk-go-v2 aws/retry/standard.go",
)

FLAPPING_IS_HIDDEN = _extended(
    id="outage.flapping",
    title="A single failure of EKS Auth is hidden",
    promise="When EKS Auth fails once, the agent MUST ask again, and the pod be answered 200.",
    rationale="Services fail now and then; pods that start must not depend on luck.",
    source=f"{_UPSTREAM}; aws-sdk-go-v2 aws/retry/standard.go",
)

SLOW_IS_WAITED_FOR = _extended(
    id="outage.slow",
    title="A slow EKS Auth is waited for",
    promise="An answer of EKS Auth that takes most of a second MUST reach the pod.",
    rationale="Clients that give up earlier cancel the call and start it again, for ever.",
    source=f"{_UPSTREAM}: 1 s for a request; aws/eks-pod-identity-agent#50",
    since="agent 0.1.34, before which 0.6 s was all",
)

TOO_SLOW_IS_GIVEN_UP = _extended(
    id="outage.too-slow",
    title="An EKS Auth that is too slow is given up",
    promise=(
        "When EKS Auth takes more than a second each time, the agent MUST answer 500 '[]' after "
        "its attempts, within 10 s."
    ),
    rationale="A pod that waits for ever looks like one that works; one that is told asks again.",
    source=f"{_UPSTREAM}: 1 s for a request; aws-sdk-go-v2 aws/retry/standard.go",
    since="agent 0.1.34",  # 600 ms before, by pull request 101
)

RESTARTED_AGENT_STARTS_ANEW = _extended(
    id="outage.agent-restart",
    title="An agent that was killed starts anew by itself",
    promise=(
        "After its agent was killed, a pod MUST be given credentials again, of a new session, "
        "without being restarted."
    ),
    rationale="What the agent keeps is in memory only, and nothing else may depend on it.",
    source="EKS user guide, pod-id-agent-setup (390223ef): a DaemonSet",
)

RESTART_IS_NOT_NOTICED = _extended(
    id="outage.agent-restart.running",
    title="Who has credentials does not notice that the agent was killed",
    promise="While the agent of its node is killed and started, a program MUST lose no call.",
    rationale="Agents are killed by updates, by the kernel and by people.",
    source="EKS user guide, pod-id-how-it-works (390223ef)",
    stage=Stage.SERVICE,
)

POD_BEFORE_ITS_AGENT = _extended(
    id="outage.new-node",
    title="A pod that is on a new node before its agent recovers",
    promise=(
        "A pod that runs on a new node before the agent MUST find nobody at its address until "
        "the agent is ready, and be served from then on, without being restarted."
    ),
    rationale="Autoscaled nodes get their first pod and their agent at the same moment.",
    source="aws/eks-pod-identity-agent#159; terraform-aws-modules/terraform-aws-eks#3621",
)

WEBHOOK_DOWN_LETS_PODS_PASS = _extended(
    id="outage.webhook",
    title="While the webhook is down pods are admitted, without credentials",
    promise=(
        "While the webhook cannot be called, pods of associated service accounts MUST be admitted, "
        "are not injected and find no credentials."
    ),
    rationale="A cluster that admits no pods is worse; but nobody is told that access is missing.",
    source=f"{_WEBHOOK}: failurePolicy Ignore; aws/eks-pod-identity-agent#153",
    stage=Stage.INJECTION,
    since="EKS Auth API 2023-11-26",
)

MISSED_PODS_NEVER_HEAL = _extended(
    id="outage.webhook.missed",
    title="A pod that was missed stays without, its successor does not",
    promise=(
        "When the webhook is back, new pods MUST be injected, and pods that were created meanwhile "
        "stay as they are."
    ),
    rationale="Waiting does not help: such pods have to be found and replaced.",
    source="aws/eks-pod-identity-agent#52 and #153",
    stage=Stage.INJECTION,
    since="EKS Auth API 2023-11-26",
)

CLOCK_BEHIND_IS_WAITED_OUT = _extended(
    id="outage.clock.behind",
    title="On a node whose clock is behind, new tokens are refused until it is their time",
    promise=(
        "An agent whose clock is behind MUST answer a new token 400 'token is not valid yet' until "
        "its clock reaches the token's nbf, and with credentials from then on."
    ),
    rationale="No leeway at all: a node that is seconds off refuses every pod that just started.",
    source=_DATES,
)

CLOCK_AHEAD_REFUSES = _extended(
    id="outage.clock.ahead",
    title="On a node whose clock is ahead, good tokens are refused",
    promise=(
        "An agent whose clock is ahead of a token's exp MUST answer 400 'token is expired', and "
        "with the same credentials as before once its clock is right."
    ),
    rationale="The message is about the token; the clock is what has to be looked at.",
    source=_DATES,
)
