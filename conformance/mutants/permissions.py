"""An IAM that takes one permission for another, or does not look at what a request is about."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_enforcement = partial(Mutant, part=Part.IAM, module="emulator.corrections.enforcement")
_dynamodb = partial(Mutant, part=Part.IAM, module="emulator.corrections.dynamodb")


def _same(name: str, action: str, as_: str, *, broken: str, because: str) -> Mutant:
    """The permission for one action is asked for as that for another."""
    line = '    "sqs:SendMessageBatch": "sqs:SendMessage",\n'
    new = f'{line}    "{action}": "{as_}",\n'
    return _enforcement(name, old=line, new=new, broken=broken, because=because)


MUTANTS = (
    _same(
        "iam-scan-is-get",
        "dynamodb:Scan",
        "dynamodb:GetItem",
        broken="guide.dynamodb.left-out",
        because="whoever may read an item may read the table",
    ),
    _same(
        "iam-batch-is-put",
        "dynamodb:BatchWriteItem",
        "dynamodb:PutItem",
        broken="dynamodb.batch",
        because="a batch of writes needs the permission of single ones",
    ),
    _same(
        "iam-update-is-put",
        "dynamodb:UpdateItem",
        "dynamodb:PutItem",
        broken="dynamodb.other-actions",
        because="whoever may put items may change them",
    ),
    _same(
        "iam-purge-is-delete",
        "sqs:PurgeQueue",
        "sqs:DeleteMessage",
        broken="guide.sqs.left-out",
        because="whoever may delete a message may delete all of them",
    ),
    _same(
        "iam-hide-is-receive",
        "sqs:ChangeMessageVisibility",
        "sqs:ReceiveMessage",
        broken="sqs.delete-denied",
        because="whoever may receive a message may hide it for hours",
    ),
    _same(
        "iam-set-attributes-is-get",
        "sqs:SetQueueAttributes",
        "sqs:GetQueueAttributes",
        broken="sqs.attributes",
        because="whoever may know how long a queue is may change it",
    ),
    _same(
        "iam-put-object-is-get",
        "s3:PutObject",
        "s3:GetObject",
        broken="guide.s3.left-out",
        because="whoever may read an object may write it",
    ),
    _enforcement(
        "iam-index-is-its-table",
        old="resource = _real_resource(action, service, resource)\n",
        new='resource = _real_resource(action, service, resource).partition("/index/")[0]\n',
        broken="dynamodb.index",
        because="an index is whoever's the table is",
    ),
    _dynamodb(
        "iam-queries-unread",
        old="yield from _queried(request, key)",
        new="pass",
        broken="dynamodb.leading-keys.query",
        because="policies do not see whose items a query asks for",
    ),
    Mutant(
        "iam-updates-unread",
        part=Part.IAM,
        module="emulator.corrections.dynamodb_attributes",
        old='"FilterExpression", "UpdateExpression",',
        new='"FilterExpression",',
        broken="dynamodb.attributes.write",
        because="policies do not see which attributes an update changes",
    ),
    Mutant(
        "iam-denials-name-no-action",
        part=Part.IAM,
        module="emulator.decisions",
        old='shown = action.lower() if service == "sqs" else action',
        new='shown = "the requested operation"',
        broken="guide.cli-denied",
        because="a denial does not say which action was refused",
    ),
)
