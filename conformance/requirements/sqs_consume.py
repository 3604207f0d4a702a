"""Consuming a queue with a role: its messages, and nothing but what a consumer needs."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_GUIDE = "EKS user guide, pod-identities (0be0c9b4), least privilege"
_ACTIONS = "Service authorization reference, Amazon SQS (API 2012-11-05): actions and resources"
_VISIBILITY = "SQS developer guide (API 2012-11-05), sqs-visibility-timeout"
_QUEUE_POLICY = "SQS developer guide (API 2012-11-05), identity-based and resource-based policies"

_core = partial(
    Requirement,
    level=Level.CORE,
    stage=Stage.IAM,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

POD_RECEIVES_AND_DELETES = _core(
    id="sqs.consume",
    title="An associated pod receives a message and deletes it",
    promise=(
        "A pod whose role may receive from a queue and delete MUST receive what was sent, delete "
        "it, and not receive it again."
    ),
    rationale="What a worker does all day, with the SDK's default chain and no configuration.",
    source=_GUIDE,
)

MESSAGE_IS_GIVEN_BACK = _core(
    id="sqs.visibility",
    title="A received message is hidden until it is given back",
    promise=(
        "A received message MUST NOT be received again while it is hidden, and MUST be again once "
        "the pod sets its visibility to zero."
    ),
    rationale="A worker that gives up hands its work to another by sqs:ChangeMessageVisibility.",
    source=_VISIBILITY,
)

DELETING_IS_APART = _core(
    id="sqs.delete-denied",
    title="Who may only receive loses nothing",
    promise=(
        "A role with sqs:ReceiveMessage only MUST be refused to delete the message and to change "
        "its visibility, and the message is received again."
    ),
    rationale="A monitor that looks into a queue must not be able to empty it.",
    source=f"{_ACTIONS}; {_VISIBILITY}",
)

SENDING_IS_DENIED = _core(
    id="sqs.send-denied",
    title="A consumer does not send",
    promise="A role that may receive and delete MUST be refused to send into the same queue.",
    rationale="A worker that answers into its own queue never ends.",
    source=f"{_GUIDE}; {_ACTIONS}",
)

QUEUE_STAYS_AS_IT_IS = _core(
    id="sqs.attributes",
    title="A consumer reads the queue's attributes and changes none",
    promise=(
        "A role with sqs:GetQueueAttributes MUST read them, and be refused to set them and to "
        "purge the queue."
    ),
    rationale="Autoscalers read the length of a queue; only its owner changes it.",
    source=f"{_GUIDE}; {_ACTIONS}",
)

OTHER_QUEUE_IS_DENIED = _core(
    id="sqs.other-queue",
    title="Another queue is denied",
    promise="The same action on a queue that the role does not name MUST be refused.",
    rationale="A message that a stranger receives is hidden from its worker.",
    source=f"{_GUIDE}; {_ACTIONS}",
)

BATCHES_NEED_THE_SINGLE_PERMISSION = _extended(
    id="sqs.batch",
    title="Batches need the permission of single messages",
    promise=(
        "Sending and deleting in batches MUST be allowed and refused by sqs:SendMessage and "
        "sqs:DeleteMessage, which is unlike DynamoDB."
    ),
    rationale="There is no other permission that one could give.",
    source="SQS developer guide (API 2012-11-05), sqs-api-permissions-reference: batch actions",
)

DENIAL_NAMES_SESSION_AND_QUEUE = _core(
    id="sqs.denial",
    title="SQS's denial names session and queue",
    promise=(
        "The refusal MUST be AccessDenied with status 403 and name the pod's session, the action "
        "and the queue."
    ),
    rationale="From the text alone one must be able to tell which pod lacks which permission.",
    source=(
        "IAM user guide (API 2010-05-08), troubleshoot_access-denied; "
        "keystone.guru#3901 for its form"
    ),
)

QUEUE_POLICY_ALLOWS = _core(
    id="sqs.queue-policy.allow",
    title="A queue policy of the same account is enough",
    promise=(
        "A pod whose role has no permission for a queue of its account MUST receive what the "
        "queue's policy allows the role, and do nothing else with it."
    ),
    rationale="Owners of queues give access without touching anybody's role.",
    source=_QUEUE_POLICY,
)

QUEUE_POLICY_DENIES = _core(
    id="sqs.queue-policy.deny",
    title="A queue policy's deny wins",
    promise="What the pod's role allows and the queue's policy denies the role MUST be refused.",
    rationale="Owners of queues have the last word.",
    source=_QUEUE_POLICY,
)

QUEUE_POLICY_SEES_TAGS = _core(
    id="sqs.queue-policy.session-tag",
    title="A queue tells namespaces of one role apart",
    promise=(
        "A queue policy with a condition on aws:PrincipalTag/kubernetes-namespace MUST let pods "
        "of that namespace in and keep out those of another with the same role."
    ),
    rationale="The owner of a queue may know the tenant, and not the role.",
    source=f"EKS user guide, pod-id-abac (0fc2ccb3); {_QUEUE_POLICY}",
)

WORK_OUTLIVES_A_SESSION = _core(
    id="sqs.sessions",
    title="Work goes on under another session",
    promise=(
        "What a session of the role received, another session of the role MUST be able to give "
        "back, receive and delete; the message is neither lost nor received twice at a time."
    ),
    rationale=(
        "Credentials are replaced in the middle of the work, and each renewal is another session."
    ),
    source=(
        "SQS developer guide (API 2012-11-05), sqs-queue-message-identifiers: "
        f"receipt handles; {_VISIBILITY}"
    ),
)

WORK_OUTLIVES_ITS_SESSION = _extended(
    id="sqs.sessions.ended",
    title="Work outlives the session that took it",
    promise=(
        "A message that was received by a session which has ended since MUST be deleted by the "
        "next session of the role, and nobody receives it twice."
    ),
    rationale="A worker whose credentials end in the middle of its work must not do it again.",
    source=(
        "SQS developer guide (API 2012-11-05), sqs-queue-message-identifiers: "
        f"receipt handles; {_VISIBILITY}"
    ),
    stage=Stage.SERVICE,
    targets=Targets.EMULATED,
)
