"""The journey that every guide to Pod Identity tells, as a newcomer takes it."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_SETUP = "EKS user guide, pod-id-agent-setup (390223ef)"
_ASSOCIATION = "EKS user guide, pod-id-association (390223ef)"
_OVERVIEW = "EKS user guide, pod-identities (0be0c9b4)"
_ROLE = "EKS user guide, pod-id-role (2edffcb1)"
_AGENT = "aws/eks-pod-identity-agent 0.1.37"

_core = partial(
    Requirement,
    level=Level.CORE,
    source=_OVERVIEW,
    stage=Stage.IAM,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

ADDON_BRINGS_THE_AGENT = _extended(
    id="guide.add-on",
    title="One command brings the agent to every node",
    promise=(
        "After `aws eks create-addon --addon-name eks-pod-identity-agent` on a cluster without "
        "it, the add-on MUST become ACTIVE with an agent on every node, and a pod with an "
        "association get its credentials there."
    ),
    rationale="It is the first step of every guide; all later ones fail oddly without it.",
    source=_SETUP,
    stage=Stage.AGENT,
    targets=Targets.EMULATED,
)

ADDON_IS_THERE_ONCE = _extended(
    id="guide.add-on.again",
    title="Installing the agent twice is refused and harms nothing",
    promise=(
        "CreateAddon for an agent that is installed MUST be refused as ResourceInUseException."
    ),
    rationale="A newcomer follows the guide on a cluster where somebody has done so before.",
    source="EKS API 2017-11-01, CreateAddon: ResourceInUseException",
    stage=Stage.SERVICE,
    targets=Targets.EMULATED,
)

ROLE_COMES_FROM_ONE_COMMAND = _extended(
    id="guide.role",
    title="One command makes the role",
    promise=(
        "A role of `aws iam create-role` with the guide's trust policy, the service "
        "pods.eks.amazonaws.com with sts:AssumeRole and sts:TagSession, MUST be taken for an "
        "association, and be that of its pods."
    ),
    rationale="Trust policies are copied from the guide; one that is copied has to work as it is.",
    source=f"{_ROLE}; {_ASSOCIATION}: AWS CLI, create-role",
    stage=Stage.STS,
    targets=Targets.EMULATED,
)

ASSOCIATION_COMES_FROM_ONE_COMMAND = _extended(
    id="guide.association",
    title="One command makes the association",
    promise=(
        "`aws eks create-pod-identity-association` with cluster, namespace, service account and "
        "role MUST answer with the association and its id; neither namespace nor service account "
        "need be there."
    ),
    rationale="Platform teams associate first and deploy later (containers-roadmap#2245).",
    source=_ASSOCIATION,
    stage=Stage.SERVICE,
)

FIRST_COMMAND_LISTS = _extended(
    id="guide.first-command",
    title="`aws s3 ls` in a plain pod lists",
    promise=(
        'A pod of image amazon/aws-cli with command ["aws", "s3", "ls"], its service account and '
        "nothing else MUST list the buckets."
    ),
    rationale="This is what people try; if it takes anything more, the guide is wrong.",
    stage=Stage.INJECTION,
)

MANIFEST_OF_THE_GUIDE_LISTS = _extended(
    id="guide.kubectl",
    title="The guide's manifest lists",
    promise=(
        "The manifest that guides print, a service account and a pod that runs `aws s3 ls`, "
        "applied with `kubectl apply`, MUST end well, and `kubectl logs` tell the buckets."
    ),
    rationale="Nobody's first pod is made by a program: this is how they all begin.",
    source=f"{_ROLE}; {_OVERVIEW}; Kubernetes 1.32: kubectl apply, wait, logs",
    stage=Stage.INJECTION,
)

COMMANDS_ARE_DENIED_WITH_THEIR_REASON = _extended(
    id="guide.cli-denied",
    title="The CLI says what was not allowed",
    promise=(
        "What the role's policy leaves out MUST fail in the CLI as AccessDenied of the service, "
        "naming the action, and never as missing credentials."
    ),
    rationale="Newcomers read this sentence first; it sends them to the policy or to the webhook.",
    source="IAM user guide (API 2010-05-08), troubleshoot access denied error messages",
)

NOTHING_ELSE_IS_NEEDED = _core(
    id="guide.nothing-else",
    title="No annotation, no key, no file of credentials",
    promise=(
        "Neither pod nor service account needs an annotation, an access key or a file of "
        "credentials: what a pod with an association calls AWS with MUST come from the agent."
    ),
    rationale="It is what Pod Identity is chosen for; a leftover key would hide that it fails.",
    source=f"{_OVERVIEW}, benefits",
    stage=Stage.INJECTION,
)

CLI_NAMES_THE_AGENT = _extended(
    id="guide.nothing-else.cli",
    title="The CLI has its key from the agent, and its pod holds nothing else",
    promise=(
        "In a pod that says image, command and service account only, `aws configure list` MUST "
        "name container-role as where the access key is from; the pod has neither variables nor "
        "volumes about AWS but those of the webhook."
    ),
    rationale="It is the command that tells a newcomer which credentials won.",
    source=f"{_OVERVIEW}, benefits; aws/aws-cli 1.46: awscli/customizations/configure/list.py",
    stage=Stage.INJECTION,
)

BUCKET_IS_LISTED_AND_READ = _core(
    id="guide.s3",
    title="ListBucket and GetObject on one bucket",
    promise=(
        "With s3:ListBucket on a bucket and s3:GetObject on its objects, a pod MUST list and read "
        "that bucket."
    ),
    rationale="ARN of the bucket, ARN of its objects: the first policy that everybody gets wrong.",
    source=f"{_ROLE}; S3 user guide (API 2006-03-01), policy examples",
)

BUCKET_POLICY_LEAVES_OUT_THE_REST = _core(
    id="guide.s3.left-out",
    title="No write, no other bucket",
    promise=(
        "With that policy, PutObject and DeleteObject on the bucket, and anything on another, "
        "MUST be refused by IAM."
    ),
    rationale="A policy is worth what it does not allow.",
    source=f"{_OVERVIEW}, least privilege",
)

TABLE_IS_WRITTEN = _core(
    id="guide.dynamodb",
    title="PutItem, GetItem and UpdateItem on one table",
    promise=(
        "With dynamodb:PutItem, GetItem and UpdateItem on a table, a pod MUST put, read and change "
        "an item of it."
    ),
    rationale="The usual policy of an application that keeps its state in DynamoDB.",
    source=f"{_ROLE}; DynamoDB developer guide (API 2012-08-10), identity-based policies",
)

TABLE_POLICY_LEAVES_OUT_THE_REST = _core(
    id="guide.dynamodb.left-out",
    title="No delete, no scan, no other table",
    promise=(
        "With that policy, DeleteItem and Scan on the table, and PutItem on another, MUST be "
        "refused by IAM."
    ),
    rationale="Reading one item by its key is not reading the table.",
    source=f"{_OVERVIEW}, least privilege",
)

QUEUE_IS_CONSUMED = _core(
    id="guide.sqs",
    title="ReceiveMessage, DeleteMessage and GetQueueAttributes on one queue",
    promise=(
        "With sqs:ReceiveMessage, DeleteMessage and GetQueueAttributes on a queue, IAM MUST let a "
        "pod receive, delete and ask for its attributes."
    ),
    rationale="The policy of every consumer.",
    source=f"{_ROLE}; SQS developer guide (API 2012-11-05), identity-based policies",
)

QUEUE_POLICY_LEAVES_OUT_THE_REST = _core(
    id="guide.sqs.left-out",
    title="No send, no purge, no other queue",
    promise=(
        "With that policy, SendMessage and PurgeQueue on the queue, and ReceiveMessage on another, "
        "MUST be refused by IAM."
    ),
    rationale="A consumer that can send can feed itself.",
    source=f"{_OVERVIEW}, least privilege",
)

ROLE_IS_SWAPPED_IN_PLACE = _extended(
    id="guide.update",
    title="update-pod-identity-association swaps the role for new pods",
    promise=(
        "After `aws eks update-pod-identity-association --role-arn`, a new pod of the same, "
        "untouched manifest MUST act as the new role, and have lost what only the old one allowed."
    ),
    rationale="Roles are swapped in incidents; what happens then must be known before.",
    source="EKS API 2017-11-01, UpdatePodIdentityAssociation: roleArn",
    stage=Stage.EKS_AUTH,
)

RUNNING_PODS_SEE_IT_LATER = _extended(
    id="guide.update.running",
    title="A pod that runs keeps the old role until the agent renews",
    promise=(
        "After the swap, the agent MUST still answer a token that it has credentials for with "
        "those of the old role, although EKS Auth gives the new one for it: whoever asks the "
        "agent sees the swap at its next renewal, within 3 hours and a minute, and an SDK that "
        "has a copy when that is about to end."
    ),
    rationale=(
        "'The role was changed and nothing happened' and 'it was revoked, but not really' are "
        "this cache."
    ),
    source=f"{_AGENT}: configuration/config.go, max-credential-retention-before-renewal 3h",
    stage=Stage.AGENT,
)
