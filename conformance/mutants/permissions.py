"""An IAM that takes one permission for another, or does not look at what a request is about."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_enforcement = partial(Mutant, part=Part.IAM, module="emulator.corrections.enforcement")
_dynamodb = partial(Mutant, part=Part.IAM, module="emulator.corrections.dynamodb")
_policies = partial(Mutant, part=Part.IAM, module="emulator.policies")
_MATCHES = "return bool(ministack.fnmatch_iam_cs(resource, expanded))"
_SINGLE = "    action = _SAME_PERMISSION.get(action, action)\n"


def _same(name: str, action: str, as_: str, *, broken: str, because: str) -> Mutant:
    """The permission for one action is asked for as that for another."""
    line = '    "sqs:SendMessageBatch": "sqs:SendMessage",\n'
    new = f'{line}    "{action}": "{as_}",\n'
    return _enforcement(name, old=line, new=new, broken=broken, because=because)


def _first_decides(name: str, operation: str, *, broken: str, because: str) -> Mutant:
    """Of a call about several tables only the first one is asked about."""
    new = f"""{_SINGLE}    if request.operation == "{operation}":
        if vars(request).setdefault("first", resource) != resource:
            return None
"""
    return _enforcement(name, old=_SINGLE, new=new, broken=broken, because=because)


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
    _same(
        "iam-put-is-update",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        broken="dynamodb.put",
        because="whoever may put items may not, for want of a permission to change them",
    ),
    _same(
        "iam-hide-is-set-attributes",
        "sqs:ChangeMessageVisibility",
        "sqs:SetQueueAttributes",
        broken="sqs.visibility",
        because="a message is given back by those only who may change the queue",
    ),
    _same(
        "iam-send-is-receive",
        "sqs:SendMessage",
        "sqs:ReceiveMessage",
        broken="sqs.send-denied",
        because="whoever may receive may send",
    ),
    _policies(
        "iam-any-table",
        old=_MATCHES,
        new=f'return ":table/" in resource or {_MATCHES.removeprefix("return ")}',
        broken="dynamodb.other-table",
        because="a permission for one table is one for all",
    ),
    _policies(
        "iam-any-queue",
        old=_MATCHES,
        new=f'return ":sqs:" in resource or {_MATCHES.removeprefix("return ")}',
        broken="sqs.other-queue",
        because="a permission for one queue is one for all",
    ),
    Mutant(
        "iam-queues-deny-nobody",
        part=Part.IAM,
        module="emulator.decisions",
        old="        if denying := _first(statements or (), ",
        new="""        if kind is DecidedBy.RESOURCE and ":sqs:" in question.resource:
            continue
        if denying := _first(statements or (), """,
        broken="sqs.queue-policy.deny",
        because="a Deny in a queue's policy has no effect",
    ),
    _dynamodb(
        "dynamodb-conditions-are-denials",
        old="            answer: Answer = await original(method, path, headers, body, query)\n",
        new="""            answer: Answer = await original(method, path, headers, body, query)
        failed, denied = b"ConditionalCheckFailedException", b"AccessDeniedException"
        answer = (answer[0], answer[1], answer[2].replace(failed, denied))
""",
        broken="dynamodb.condition",
        because="an item that does not meet a condition looks like a permission that lacks",
    ),
    _first_decides(
        "iam-batches-by-their-first-table",
        "BatchWriteItem",
        broken="dynamodb.batch.whole",
        because="of a batch for two tables only the first one is decided",
    ),
    _first_decides(
        "iam-transactions-by-their-first-table",
        "TransactWriteItems",
        broken="dynamodb.transaction.whole",
        because="of a transaction on two tables only the first one is decided",
    ),
    _enforcement(
        "iam-transactions-are-puts",
        old=_SINGLE,
        new=f"""{_SINGLE}    if request.operation == "TransactWriteItems":
        action = "dynamodb:PutItem"
""",
        broken="dynamodb.transaction",
        because="whoever may put items may delete them in a transaction",
    ),
    _dynamodb(
        "iam-batch-writes-unread",
        old='yield from _items({"TableName": name, **write.get("PutRequest", {})})',
        new="pass",
        broken="dynamodb.leading-keys.batch",
        because="policies do not see whose items a batch writes",
    ),
    _dynamodb(
        "iam-transactions-unread",
        old='for member in request.get("TransactItems") or []:',
        new='for member in (request.get("TransactItems") or [])[:1]:',
        broken="dynamodb.leading-keys.batch",
        because="policies see the first item of a transaction only",
    ),
    _enforcement(
        "iam-foreign-bucket-policies-unseen",
        old="return ResourcePolicy(s3._bucket_policies.get_scoped(owner, None, ",
        new="return ResourcePolicy(s3._bucket_policies.get_scoped(current().who.account, None, ",
        broken="cross-account.bucket-policy",
        because="the policy of a foreign bucket is looked for in the caller's account",
    ),
    _enforcement(
        "iam-foreign-queue-policies-unseen",
        old="found = sqs.queue_policy_for_arn(resource)",
        new="""found = sqs.queue_policy_for_arn(resource)
        found = found if found and found[1] == current().who.account else None""",
        broken="cross-account.queue-policy",
        because="the policy of a foreign queue is not asked",
    ),
)
