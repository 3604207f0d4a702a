"""An IAM that lets through what a policy does not say, or refuses what it says."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_policies = partial(Mutant, part=Part.IAM, module="emulator.policies")
_decisions = partial(Mutant, part=Part.IAM, module="emulator.decisions")
_principals = partial(Mutant, part=Part.IAM, module="emulator.principals")
_dynamodb = partial(Mutant, part=Part.IAM, module="emulator.corrections.dynamodb")
_enforcement = partial(Mutant, part=Part.IAM, module="emulator.corrections.enforcement")

MUTANTS = (
    _policies(
        "iam-any-action-of-the-service",
        old="return any(ministack.fnmatch_iam(asked.action, p) for p in",
        new='return any(p.split(":")[0] == asked.action.split(":")[0] for p in',
        broken="s3.read.write",
        because="a permission for one action is one for the whole service",
    ),
    _policies(
        "iam-any-resource",
        old="return bool(ministack.fnmatch_iam_cs(resource, expanded))",
        new="return True",
        broken="separation.bucket",
        because="a permission for one resource is one for all",
    ),
    _policies(
        "iam-forgets-the-last-segment",
        old="return bool(ministack.fnmatch_iam_cs(resource, expanded))",
        new='return bool(ministack.fnmatch_iam_cs(resource, expanded.rpartition("/")[0] + "/*"))',
        broken="eks-auth.permission.cluster",
        because="a permission for one cluster is one for all",
    ),
    _policies(
        "iam-variables-are-literal",
        old="expanded = expand(pattern, asked) if statement.variables else pattern",
        new="expanded = pattern",
        broken="separation.abac",
        because="${aws:PrincipalTag/...} is not replaced by the session's tag",
    ),
    _policies(
        "iam-variables-are-wildcards",
        old="return str(found).translate(_LITERAL)",
        new='return "*"',
        broken="separation.abac",
        because="${aws:PrincipalTag/...} lets everything through",
    ),
    _policies(
        "iam-prefix-without-its-slash",
        old="return bool(ministack.fnmatch_iam_cs(resource, expanded))",
        new='return bool(ministack.fnmatch_iam_cs(resource, expanded.replace("/*", "*")))',
        broken="s3.read.prefix",
        because="a permission below a prefix counts for neighbours whose names begin alike",
    ),
    _policies(
        "iam-ignores-conditions",
        old="return all(_condition_met(statement, asked, *condition) for",
        new="return all(True or (statement, asked, *condition) for",
        broken="s3.list.prefix",
        because="conditions have no effect",
    ),
    _policies(
        "iam-any-external-id",
        old="    actual = asked.value(key)\n",
        new="""    if key.lower() == "sts:externalid":
        return True
    actual = asked.value(key)
""",
        broken="cross-account.external-id.wrong",
        because="a condition on the external id is met by any",
    ),
    _decisions(
        "iam-ignores-deny-of-the-role",
        old="        if denying := _first(statements or (), ",
        new="        if denying := _first((kind is not DecidedBy.IDENTITY and statements) or (), ",
        broken="s3.read.deny",
        because="a Deny in the role's policy has no effect",
    ),
    _decisions(
        "iam-ignores-deny-of-the-resource",
        old="        if denying := _first(statements or (), ",
        new="        if denying := _first((kind is not DecidedBy.RESOURCE and statements) or (), ",
        broken="s3.bucket-policy.deny",
        because="a Deny in a bucket's policy has no effect",
    ),
    _decisions(
        "iam-one-side-is-enough",
        old="if policy and not granted and (policy.required or not same_account):",
        new="if policy and not granted and policy.required:",
        broken="cross-account.bucket-policy.one-side",
        because="another account's resource needs no permission of its owner",
    ),
    _decisions(
        "iam-session-policy-widens",
        old="allowing = _first(who.identity or (), ",
        new="allowing = _first((*(who.identity or ()), *(who.session or ())), ",
        broken="session.policy.never-widens",
        because="a session policy allows what the role does not",
    ),
    _enforcement(
        "iam-bucket-policies-unseen",
        old="return ResourcePolicy(s3._bucket_policies.get_scoped(owner, None, ",
        new="return ResourcePolicy((lambda _: None)(",
        broken="s3.bucket-policy.allow",
        because="bucket policies are stored and never asked",
    ),
    _enforcement(
        "iam-queue-policies-unseen",
        old="found = sqs.queue_policy_for_arn(resource)",
        new="found = (None, resource.split(':')[4])",
        broken="sqs.queue-policy.allow",
        because="queue policies are stored and never asked",
    ),
    _enforcement(
        "iam-batches-have-names-of-their-own",
        old="action = _SAME_PERMISSION.get(action, action)",
        new="action = str(action)",
        broken="sqs.batch",
        because="SQS batches need permissions that do not exist",
    ),
    _enforcement(
        "iam-dynamodb-denies-with-403",
        old="return 400, headers, json.dumps(told).encode()",
        new="return 403, headers, json.dumps(told).encode()",
        broken="dynamodb.denial",
        because="DynamoDB's denials have the status of other services",
    ),
    _dynamodb(
        "iam-no-leading-keys",
        old='keys |= {"dynamodb:LeadingKeys": leading} if leading else {}',
        new="",
        broken="dynamodb.leading-keys",
        because="policies do not see whose items are asked for",
    ),
    _dynamodb(
        "iam-leading-keys-of-the-first-item",
        old='yield from ((name, key) for key in batch.get("Keys") or [])',
        new='yield from ((name, key) for key in (batch.get("Keys") or [])[:1])',
        broken="dynamodb.leading-keys.batch",
        because="of a batch only the first item is looked at",
    ),
    Mutant(
        "iam-missing-keys-are-told",
        part=Part.IAM,
        module="emulator.corrections.s3",
        old="return _unless_listable(aws, bucket, owner, path) or answer",
        new="return answer",
        broken="s3.missing-key.hidden",
        because="who may not list a bucket can find out which keys are there",
    ),
    Mutant(
        "iam-missing-keys-are-hidden",
        part=Part.IAM,
        module="emulator.corrections.s3",
        old="    if verdict.allowed:\n",
        new="    if verdict.allowed and who.identity is None:\n",
        broken="s3.missing-key.told",
        because="who may list a bucket is not told that a key is missing",
    ),
    Mutant(
        "iam-deletions-all-at-once",
        part=Part.IAM,
        module="emulator.corrections.s3_deletions",
        old="refused = {target: why for target in targets if",
        new="refused = {target: why for target in targets[:1] if",
        broken="s3.delete-many",
        because="of many keys to delete only the first is decided",
    ),
    _decisions(
        "iam-sqs-denials-in-camel-case",
        old='shown = action.lower() if service == "sqs" else action',
        new="shown = action",
        broken="sqs.denial",
        because="SQS's denials are worded as those of other services",
    ),
    _decisions(
        "iam-denials-name-no-resource",
        old='on_resource = f" on resource: {on}" if resource.rpartition(":")[2] != "*" else ""',
        new='on_resource = ""',
        broken="s3.denial",
        because="a denial does not say which object was refused",
    ),
    _principals(
        "iam-principal-tags-unseen",
        old="if not isinstance(credential, ministack.CredentialResolutionError):",
        new="if False:",
        broken="s3.abac.bucket-policy",
        because="resource policies do not see the tags of the session",
    ),
    _dynamodb(
        "iam-no-attributes",
        old='keys |= {"dynamodb:Attributes": named} if named else {}',
        new='keys.pop("dynamodb:Attributes", None)',
        broken="dynamodb.attributes.read",
        because="policies do not see which attributes are asked for",
    ),
)
