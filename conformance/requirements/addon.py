"""The agent as an add-on: installed, configured, updated and removed; and what add-ons own."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_AGENT = "EKS user guide, pod-id-agent-setup (390223ef)"
_IPV6 = "EKS user guide, pod-id-agent-config-ipv6 (390223ef)"
_OWNED = "EKS user guide, add-ons-iam (1fe584bb)"
_MODEL = "EKS API 2017-11-01 (botocore 1.43.106)"

_extended = partial(
    Requirement,
    level=Level.EXTENDED,
    since="EKS API 2017-11-01 with pod identity associations, 2023-11-26",
    targets=Targets.EMULATED,
    aws_validated="never",
)
_api = partial(_extended, stage=Stage.SERVICE, source=_OWNED)

UPDATE_LOSES_NO_CALL = _extended(
    id="addon.update",
    title="An update of the agent loses no call",
    promise=(
        "While the agent is replaced by an update of its add-on, to another version and another "
        "configuration, no call of a program with an SDK MUST fail, whether it has credentials or "
        "has to ask for them."
    ),
    rationale="An update that costs requests is put off until it is urgent.",
    source=f"{_AGENT}; boto3 asks three times, a second apart",
    stage=Stage.AGENT,
)

IPV4_ONLY = _extended(
    id="addon.ipv4-only",
    title="The agent listens on IPv4 only, when configured so",
    promise=(
        'With {"agent": {"additionalArgs": {"-b": "169.254.170.23"}}} the agent MUST answer on '
        "IPv4 and not listen on IPv6; without it, on both."
    ),
    rationale="Where nodes have no IPv6 the agent cannot start without this.",
    source=f"{_IPV6}; aws/eks-pod-identity-agent#16",
    stage=Stage.AGENT,
)

AGENT_IGNORES_A_ROLE = _extended(
    id="addon.role-ignored",
    title="The agent ignores a role for its service account",
    promise=(
        "With serviceAccountRoleArn on its add-on the agent MUST go on to ask EKS Auth as its node."
    ),
    rationale="Who narrows that role believes the agent is narrowed, and the node's role decides.",
    source=f"{_AGENT}; EKS user guide, add-ons-iam (1fe584bb): serviceAccountRoleArn",
    stage=Stage.AGENT,
)

UNKNOWN_CONFIGURATION_IS_REFUSED = _extended(
    id="addon.configuration",
    title="A configuration that the add-on does not know is refused",
    promise=(
        "UpdateAddon MUST refuse configuration values that are not in the add-on's schema, "
        "InvalidParameterException, and change nothing."
    ),
    rationale="A flag with a typing error would otherwise be found on the next outage.",
    source="EKS API 2017-11-01, DescribeAddonConfiguration: configurationSchema",
    stage=Stage.SERVICE,
)

WITHOUT_AGENT_NO_CREDENTIALS = _extended(
    id="addon.removed",
    title="Without the agent there are no credentials",
    promise=(
        "Once the add-on is removed, nobody MUST answer at the agent's address, and who has no "
        "credentials gets none."
    ),
    rationale="Something else that answers there would be handed every pod's token.",
    source=_AGENT,
    stage=Stage.AGENT,
)

RUNNING_PODS_DO_NOT_MISS_IT = _extended(
    id="addon.removed.running",
    title="Who has credentials does not miss the agent",
    promise="Programs that have credentials MUST go on while the agent is removed.",
    rationale="It hands credentials out; it is not between a pod and AWS.",
    source="EKS user guide, pod-id-how-it-works (390223ef)",
    stage=Stage.SERVICE,
)

INJECTION_DOES_NOT_NEED_THE_AGENT = _extended(
    id="addon.removed.injection",
    title="Pods are injected with or without an agent",
    promise="New pods of associated service accounts MUST be injected also where no agent runs.",
    rationale="The webhook is in the control plane; looking for the fault there costs an hour.",
    source="aws/eks-pod-identity-agent#52; aws/amazon-eks-pod-identity-webhook 3bf80a34",
    stage=Stage.INJECTION,
)

PODS_RECOVER_BY_THEMSELVES = _extended(
    id="addon.installed-again",
    title="Pods recover when the agent comes back",
    promise=(
        "When the add-on is installed again, pods that were without an agent MUST get credentials "
        "without being restarted."
    ),
    rationale="Restarting everything is what an outage must not end with.",
    source=_AGENT,
    stage=Stage.AGENT,
)

EARLY_POD_STAYS_WITHOUT = _extended(
    id="association.early-pod",
    title="A pod that comes before its association is effective never gets credentials",
    promise=(
        "A pod that is created after CreatePodIdentityAssociation was answered and before the "
        "association is effective MUST be left alone for good, and MUST NOT keep later pods of "
        "its service account from being injected."
    ),
    rationale="Pipelines that associate and deploy in one go have to wait or restart the pod.",
    source=(
        "EKS user guide, pod-id-association (390223ef): eventually consistent; "
        "aws/eks-pod-identity-agent#52; aws/amazon-eks-pod-identity-webhook#264"
    ),
    stage=Stage.INJECTION,
)

ONE_ADDON_OF_A_NAME = _api(
    id="addon.twice",
    title="An add-on is installed once",
    promise="CreateAddon MUST refuse an add-on that is there: ResourceInUseException.",
    rationale="A second run of a tool must not replace what somebody configured.",
    source=_MODEL,
)

ADDON_OWNS_ITS_ASSOCIATIONS = _api(
    id="addon.associations.owned",
    title="An add-on owns the associations that it was given",
    promise=(
        "CreateAddon with podIdentityAssociations MUST make an association in the add-on's "
        "namespace, whose ownerArn is the add-on and which DescribeAddon names."
    ),
    rationale="Who cleans up has to know what belongs to whom.",
)

ADDON_ADOPTS_NOTHING = _api(
    id="addon.associations.adopt",
    title="An add-on adopts no association",
    promise=(
        "CreateAddon MUST refuse to take over an association that is there already, "
        "ResourceInUseException, and leave it as it is."
    ),
    rationale="What it adopted would be deleted with it.",
)

ONLY_ITS_OWN_SERVICE_ACCOUNTS = _api(
    id="addon.associations.service-account",
    title="An add-on has associations of its own service accounts only",
    promise=(
        "CreateAddon MUST refuse associations of service accounts that are not the add-on's, "
        "InvalidParameterException, and name service account and add-on."
    ),
    rationale="Who may install add-ons must not be able to give roles to anything else.",
    source=f"{_OWNED}; terraform-aws-modules/terraform-aws-eks#3520",
)

UNSUPPORTED_ADDON_IS_REFUSED = _api(
    id="addon.associations.unsupported",
    title="An add-on that knows no Pod Identity gets no associations",
    promise=(
        "CreateAddon MUST refuse associations for an add-on that has no service account for them, "
        "InvalidParameterException, name the version, and make nothing."
    ),
    rationale="An older version of an add-on ends so; the text tells what to update.",
    source=f"{_OWNED}; terraform-aws-modules/terraform-aws-eks#3520",
)

EMPTY_LIST_TAKES_THEM_AWAY = _api(
    id="addon.associations.emptied",
    title="An empty list takes an add-on's associations away",
    promise=(
        "UpdateAddon with an empty list of podIdentityAssociations MUST delete those that the "
        "add-on owns; without a list it MUST leave them."
    ),
    rationale="Tools that leave the field out must not take access away.",
)

ASSOCIATIONS_GO_WITH_THEIR_ADDON = _api(
    id="addon.associations.removed",
    title="Associations go with the add-on that owns them",
    promise="DeleteAddon MUST delete the associations that the add-on owns, and no others.",
    rationale="An association left behind waits for whoever uses that service account next.",
)

PRESERVED_ASSOCIATIONS_STAY = _api(
    id="addon.associations.preserved",
    title="Preserved, an add-on leaves its associations behind",
    promise="DeleteAddon with preserve MUST leave the add-on's associations, owned by nobody.",
    rationale="What goes on running goes on needing its role.",
)
