"""Writing to DynamoDB with a role: tables, indexes, single items, single attributes."""

from functools import partial

from conformance.requirements.model import Level, Requirement, Targets
from conformance.stages import Stage

_GUIDE = "EKS user guide, pod-identities (0be0c9b4), least privilege"
_ACTIONS = (
    "Service authorization reference, Amazon DynamoDB (API 2012-08-10): actions, "
    "resources, condition keys"
)
_FINE = (
    "DynamoDB developer guide (API 2012-08-10), specifying-conditions: fine-grained access control"
)
_TRANSACTIONS = "DynamoDB developer guide (API 2012-08-10), transaction-apis-iam"

_core = partial(
    Requirement,
    level=Level.CORE,
    stage=Stage.IAM,
    since="EKS Auth API 2023-11-26",
    targets=Targets.ALL,
    aws_validated="never",
)
_extended = partial(_core, level=Level.EXTENDED)

POD_PUTS_ITS_ITEM = _core(
    id="dynamodb.put",
    title="An associated pod puts its item",
    promise=(
        "A pod whose role may put items into a table MUST put one, with the SDK's default chain "
        "and no configuration."
    ),
    rationale="The whole chain again, with a service that signs and answers differently from S3.",
    source=_GUIDE,
)

OTHER_ACTIONS_ARE_DENIED = _core(
    id="dynamodb.other-actions",
    title="Who may put may not read, change or delete",
    promise="A role with dynamodb:PutItem only MUST be refused every other action on the table.",
    rationale="A recorder of orders has no business reading them.",
    source=f"{_GUIDE}; {_ACTIONS}",
)

OTHER_TABLE_IS_DENIED = _core(
    id="dynamodb.other-table",
    title="Another table is denied",
    promise="The same action on a table that the role does not name MUST be refused.",
    rationale="Tables of one account belong to many applications.",
    source=f"{_GUIDE}; {_ACTIONS}",
)

DENIAL_IS_A_400 = _core(
    id="dynamodb.denial",
    title="DynamoDB denies with 400 and names the session",
    promise=(
        "The refusal MUST be AccessDeniedException with status 400 and name the pod's session, "
        "the action, the table and the kind of policy that did not allow it."
    ),
    rationale="Who watches for 403 alone never sees DynamoDB's denials.",
    source=(
        "IAM user guide (API 2010-05-08), troubleshoot_access-denied; aws-sdk-php#1292 for its form"
    ),
)

CONDITION_IS_THE_SERVICES = _core(
    id="dynamodb.condition",
    title="A condition that fails is no denial",
    promise=(
        "A put whose condition the item does not meet MUST be refused by DynamoDB itself, as "
        "ConditionalCheckFailedException, and one whose condition holds is made."
    ),
    rationale="Permission and state are two questions, and have two answers.",
    source="DynamoDB API 2012-08-10, PutItem: ConditionExpression",
    stage=Stage.SERVICE,
)

INDEX_IS_NAMED_BY_ITSELF = _core(
    id="dynamodb.index",
    title="An index is a resource of its own",
    promise=(
        "A role that names a table MUST NOT query its index, and one that names an index MUST NOT "
        "query its table."
    ),
    rationale="An index may hold less than its table, and is often all that may be seen.",
    source=_ACTIONS,
)

BATCH_HAS_ITS_OWN_NAME = _core(
    id="dynamodb.batch",
    title="A batch needs a permission of its own",
    promise=(
        "A role with dynamodb:PutItem only MUST be refused a batch, and one with "
        "dynamodb:BatchWriteItem only MUST write a batch and be refused a single put."
    ),
    rationale="SDK helpers use batches by themselves; the denial surprises whoever allowed puts.",
    source=_ACTIONS,
)

BATCH_IS_REFUSED_AS_A_WHOLE = _core(
    id="dynamodb.batch.whole",
    title="A batch is refused as a whole",
    promise=(
        "A batch for two tables, of which the role may write one, MUST be refused, and nothing of "
        "it is written."
    ),
    rationale="Half a batch that was refused would be written by nobody's decision.",
    source=f"{_ACTIONS}; DynamoDB API 2012-08-10, BatchWriteItem",
)

TRANSACTION_NEEDS_EACH_ACTION = _core(
    id="dynamodb.transaction",
    title="A transaction needs the permission of each of its actions",
    promise=(
        "A transaction of puts MUST be made by a role that may put, and needs no permission of "
        "its own; one that also deletes is refused."
    ),
    rationale="A transaction is no way around what single actions are refused for.",
    source=_TRANSACTIONS,
)

TRANSACTION_IS_REFUSED_AS_A_WHOLE = _core(
    id="dynamodb.transaction.whole",
    title="A transaction is refused as a whole",
    promise=(
        "A transaction on two tables, of which the role may write one, MUST be refused, and "
        "nothing of it is written."
    ),
    rationale="All or nothing holds for permissions, too.",
    source=_TRANSACTIONS,
)

OWN_ITEMS_BY_NAMESPACE = _core(
    id="dynamodb.leading-keys",
    title="Session tags keep namespaces to their own items",
    promise=(
        "With dynamodb:LeadingKeys compared to the session's tag of the namespace, pods of one "
        "role MUST write and read the items of their own namespace, and no others."
    ),
    rationale="One table and one role for all tenants, and no code that keeps them apart.",
    source=f"{_FINE}; EKS user guide, pod-id-abac (0fc2ccb3)",
)

QUERY_BY_NAMESPACE = _core(
    id="dynamodb.leading-keys.query",
    title="A query sees its own namespace only",
    promise="The same condition MUST let a query of the own items pass and refuse one of others'.",
    rationale="The key of a query stands in an expression, not in the item.",
    source=_FINE,
)

BATCH_BY_NAMESPACE = _core(
    id="dynamodb.leading-keys.batch",
    title="One foreign key spoils the batch",
    promise=(
        "A batch that reads or writes an own item and one of another namespace MUST be refused, "
        "and so MUST a transaction that puts both."
    ),
    rationale="All keys must fit; one that does would otherwise open the door for the rest.",
    source=_FINE,
)

SOME_ATTRIBUTES_ARE_READ = _extended(
    id="dynamodb.attributes.read",
    title="Only some attributes are read",
    promise=(
        "With dynamodb:Attributes and dynamodb:Select in its conditions a role MUST read the "
        "attributes named there, and be refused others, and the item as a whole."
    ),
    rationale="A support tool may see the city of a customer and not the card.",
    source=(
        f"{_FINE}; IAM user guide (API 2010-05-08), reference_policies_examples_dynamodb_attributes"
    ),
)

SOME_ATTRIBUTES_ARE_WRITTEN = _extended(
    id="dynamodb.attributes.write",
    title="Only some attributes are written",
    promise="The same conditions MUST let the named attributes be written, and refuse any other.",
    rationale="What may not be read may not be overwritten either.",
    source=(
        f"{_FINE}; IAM user guide (API 2010-05-08), reference_policies_examples_dynamodb_attributes"
    ),
)
