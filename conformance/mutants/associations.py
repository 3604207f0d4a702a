"""An association API that checks too little, forgets, or tells what is not so."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_eks = partial(Mutant, part=Part.ASSOCIATIONS)
_associations = partial(_eks, module="emulator.eks.associations")
_call = partial(_eks, module="emulator.eks.call")
_tags = partial(_eks, module="emulator.eks.tags")

MUTANTS = (
    _associations(
        "api-two-for-one-service-account",
        old="if other.subject == (namespace, service_account):",
        new="if False:",
        broken="api.create.unique",
        because="a service account can have two associations",
    ),
    _associations(
        "api-conflict-is-400",
        old='raise in_use(f"Association already exists: {other.id}"',
        new='raise invalid_parameter(f"Association already exists: {other.id}"',
        broken="api.create.unique",
        because="a second association is refused with 400, not with 409",
    ),
    _associations(
        "api-role-not-looked-for",
        old="if not call.world.role_exists(role_arn):",
        new="if False:",
        broken="api.create.role",
        because="an association can name a role that is not there",
    ),
    _associations(
        "api-no-roles-with-paths",
        old="if not call.world.role_exists(role_arn):",
        new='if role_arn.count("/") > 1 or not call.world.role_exists(role_arn):',
        broken="api.create.role.path",
        because="a role with a path is said not to exist",
    ),
    _eks(
        "api-paths-do-not-matter",
        module="emulator.principals",
        old='return found if found is not None and found["Arn"] == role_arn else None',
        new="return found",
        broken="api.create.role.path",
        because="a role is found by its name, whatever the path in the ARN",
    ),
    _associations(
        "api-update-looks-for-no-role",
        old='        _check_role(call, cluster, call["roleArn"])\n',
        new='        call.pass_role(call["roleArn"], SERVICE, cluster.arn)\n',
        broken="api.create.role",
        because="an association can be updated to a role that is not there",
    ),
    _associations(
        "api-update-to-foreign-roles",
        old='    if call["roleArn"] is not None:\n',
        new='    if call.account_id in (call["roleArn"] or ""):\n',
        broken="api.create.role.account",
        because="an association can be updated to the role of another account",
    ),
    # Terraform makes the first one before its namespace is there, and all else waits for it.
    _associations(
        "api-namespaces-must-exist",
        old="    if again is None:\n",
        new="""    there = await cluster.process.api.get(f"/api/v1/namespaces/{call['namespace']}")
    if there is None and cluster.effective and _NAMESPACE.fullmatch(call["namespace"]):
        raise not_found(f"No namespace found for name: {call['namespace']}")
    if again is None:
""",
        broken="api.create.names",
        because="after the first association, one for a namespace that is not there is refused",
    ),
    _call(
        "api-roles-of-other-accounts",
        old="if match is None or match[1] != self.account_id:",
        new="if match is None:",
        broken="api.create.role.account",
        because="the role of another account is not refused for being that",
    ),
    _associations(
        "api-any-namespace",
        old="if not _NAMESPACE.fullmatch(namespace):",
        new="if not namespace:",
        broken="api.create.parameters",
        because="an association can name a namespace that Kubernetes could not have",
    ),
    _associations(
        "api-wildcard-namespaces",
        old='_NAMESPACE = re.compile(r"',
        new='_NAMESPACE = re.compile(r"[*]|',
        broken="api.create.parameters",
        because="an association for every namespace is accepted, and matches none",
    ),
    _associations(
        "api-namespaces-of-any-length",
        old="{0,61}",
        new="{0,99}",
        broken="api.create.parameters",
        because="an association can name a namespace that is longer than one can be",
    ),
    _associations(
        "api-service-accounts-cut-short",
        old="(?=.{1,253}$)",
        new="(?=.{1,63}$)",
        broken="api.create.parameters",
        because="the name of a service account may be as long as a namespace's only",
    ),
    _eks(
        "api-missing-parameters-are-invalid-requests",
        module="emulator.eks.parameters",
        old='raise invalid_parameter(f"The parameter {prefix}{name} is required.")',
        new='raise ServiceError("InvalidRequestException", f"{prefix}{name} is required.")',
        broken="api.create.parameters",
        because="a parameter that is missing is refused with another error",
    ),
    _associations(
        "api-no-quota",
        old="if len(others) >= quota:",
        new="if False:",
        broken="api.quota",
        because="a cluster can have as many associations as anybody likes",
    ),
    _associations(
        "api-quota-off-by-one",
        old="if len(others) >= quota:",
        new="if len(others) > quota:",
        broken="api.quota",
        because="one association more than the quota is made",
    ),
    _associations(
        "api-not-idempotent",
        old="again = call.repeated(Association)",
        new="again = None",
        broken="api.create.idempotent",
        because="the same request with the same token is refused the second time",
    ),
    _call(
        "api-token-for-anything",
        old="if was.asked != self._asked:",
        new="if False:",
        broken="api.create.idempotent",
        because="another request with a used token is answered with the first one's association",
    ),
    _associations(
        "api-other-ids",
        old='association_id = "a-" + random_id(ASSOCIATION_ID_LENGTH - 2)',
        new='association_id = "pia" + random_id(ASSOCIATION_ID_LENGTH - 3)',
        broken="api.create",
        because="ids of associations do not begin with a-",
    ),
    _associations(
        "api-any-length-of-id",
        old="if len(association_id) != ASSOCIATION_ID_LENGTH:",
        new="if not association_id:",
        broken="api.describe.id",
        because="an id of another length is looked for",
    ),
    _associations(
        "api-unknown-association-is-400",
        old='raise not_found(f"No association found for ID',
        new='raise invalid_parameter(f"No association found for ID',
        broken="api.describe.unknown",
        because="an association that is not there is 400, not 404",
    ),
    _call(
        "api-unknown-cluster-is-400",
        old='raise not_found(f"No cluster found for name',
        new='raise invalid_request(f"No cluster found for name',
        broken="api.cluster",
        because="a cluster that is not there is 400, not 404",
    ),
    _associations(
        "api-creates-in-another-cluster",
        old="    cluster = call.active_cluster()\n",
        new="    cluster = call.find_cluster() or next(iter(call.store.clusters.values()))\n",
        broken="api.cluster",
        because="an association for a cluster that is not there is made in another one",
    ),
    _associations(
        "api-updates-without-cluster",
        old="""async def update(call: Call) -> dict[str, Any]:
    cluster, association = call.cluster(), _find(call)
""",
        new="""async def update(call: Call) -> dict[str, Any]:
    if call.find_cluster() is None:
        raise not_found(f"No association found for ID: {call['associationId']}")
    cluster, association = call.cluster(), _find(call)
""",
        broken="api.cluster",
        because="an update for a cluster that is not there does not say so",
    ),
    _associations(
        "api-list-without-arns",
        old="[_summary(a) for a in here]",
        new='[_summary(a) | {"associationArn": None} for a in here]',
        broken="api.list",
        because="a list does not tell the ARN that policies would name",
    ),
    _associations(
        "api-filter-by-beginning",
        old='call["serviceAccount"] in (None, association.service_account)',
        new='association.service_account.startswith((call["serviceAccount"] or "")[:-1])',
        broken="api.list.filters",
        because="a filter finds service accounts whose names begin alike",
    ),
    _associations(
        "api-filter-forgets-namespace",
        old='if call["namespace"] in (None, association.namespace)',
        new="if True",
        broken="api.list.filters",
        because="the filter by namespace is not read",
    ),
    _eks(
        "api-pages-overlap",
        module="emulator.eks.pages",
        old="if key(item) > after",
        new="if key(item) >= after",
        broken="api.list.pages",
        because="the last item of a page is the first of the next one, too",
    ),
    _eks(
        "api-last-page-missing",
        module="emulator.eks.pages",
        old="if len(left) > size else None",
        new="if len(left) > size + 1 else None",
        broken="api.list.pages",
        because="a last page of one item is left out",
    ),
    _eks(
        "api-limits-not-checked",
        module="emulator.eks.parameters",
        old='if size > limits.get("max", size):',
        new="if False:",
        broken="api.tags.limit",
        because="an association can be made with more tags than fifty",
    ),
    _associations(
        "api-update-keeps-the-role",
        old='association.role_arn = call["roleArn"] or association.role_arn',
        new="association.role_arn = association.role_arn",
        broken="api.update",
        because="an update is answered and changes no role",
    ),
    _associations(
        "api-update-without-date",
        old="    association.modified_at = now()\n",
        new="",
        broken="api.update",
        because="the date of change stays that of creation",
    ),
    _associations(
        "api-update-with-nothing",
        old="if all(call[name] is None for name in changes):",
        new="if False:",
        broken="api.update.nothing",
        because="an update without any change is taken",
    ),
    _associations(
        "api-session-tags-stay-off",
        old="association.disable_session_tags = untagged\n",
        new="association.disable_session_tags |= untagged\n",
        broken="api.update.session-tags",
        because="session tags that were switched off cannot be switched on again",
    ),
    _associations(
        "api-policy-beside-tags",
        old="if policy and not untagged:",
        new="if False:",
        broken="api.policy",
        because="a session policy is taken although session tags are on",
    ),
    _associations(
        "api-external-id-without-region",
        old='owner = f"{cluster.region}/{cluster.account_id}/{cluster.name}"',
        new='owner = f"{cluster.account_id}/{cluster.name}"',
        broken="api.external-id",
        because="the external id does not name the region",
    ),
    _associations(
        "api-delete-keeps",
        old="cluster.associations.pop(association.id, None)",
        new="cluster.associations.get(association.id, None)",
        broken="api.delete",
        because="a deleted association stays on the list",
    ),
    _associations(
        "api-delete-without-effect",
        old="""    remove(call, cluster, association)
    try:
        await announce(call.world, cluster)
    except ServiceError:
        store(""",
        new="""    remove(call, cluster, association)
    try:
        pass
    except ServiceError:
        store(""",
        broken="association.removed",
        because="a deleted association is not listed and goes on working",
    ),
    _tags(
        "api-tags-not-added",
        old='    tags.update(call["tags"])\n',
        new="",
        broken="api.tags",
        because="TagResource is answered and adds nothing",
    ),
    _tags(
        "api-tags-not-removed",
        old="tags.pop(key, None)",
        new="tags.get(key, None)",
        broken="api.tags",
        because="UntagResource is answered and takes nothing away",
    ),
    _call(
        "api-pass-role-not-asked",
        old='        self.require(\n            "iam:PassRole",',
        new='        (lambda *_: None)(\n            "iam:PassRole",',
        broken="api.pass-role",
        because="whoever may create associations gets any role",
    ),
    _associations(
        "api-update-asks-no-pass-role",
        old='        _check_role(call, cluster, call["roleArn"])\n',
        new="""        if not call.world.role_exists(call["roleArn"]):
            raise invalid_parameter("Role provided in the request does not exist")
""",
        broken="api.pass-role.update",
        because="whoever may update associations gets any role",
    ),
    _call(
        "api-passes-to-nobody",
        old='{"iam:PassedToService": service, ',
        new="{",
        broken="api.pass-role.narrowed",
        because="policies do not see which service a role is passed to",
    ),
    _associations(
        "api-passes-as-ec2",
        old="call.pass_role(role_arn, SERVICE, cluster.arn)",
        new='call.pass_role(role_arn, "ec2.amazonaws.com", cluster.arn)',
        broken="api.pass-role.narrowed",
        because="a role that may be passed to instances may be given to pods",
    ),
    _eks(
        "api-anybody-may-describe",
        module="emulator.eks.service",
        old='        call.require(f"eks:{model.name}", resource, conditions(call, resource))\n',
        new="",
        broken="api.permission",
        because="no permission is needed for the EKS API",
    ),
    _associations(
        "api-external-id-without-namespace",
        old='f"{owner}/{association.namespace}/{association.service_account}" if target else None',
        new='f"{owner}/{association.service_account}" if target else None',
        broken="api.external-id",
        because="service accounts of one name share an external id",
    ),
    _associations(
        "api-delete-revokes-sessions",
        old="    call.store.forget_made(association)\n",
        new="""    call.store.forget_made(association)
    role = association.role_arn.rpartition("/")[2]
    sts = __import__("ministack.services.sts", fromlist=["sts"])
    for key, session in list(sts._sessions.items()):
        if f":assumed-role/{role}/" in str(session["Arn"]):
            del sts._sessions[key]
""",
        broken="association.deleted.session-ends",
        because="deleting an association ends the sessions of its role",
    ),
    _associations(
        "api-arn-of-the-cluster",
        old='arn=call.arn(f"podidentityassociation/{cluster.name}/{association_id}"),',
        new='arn=call.arn(f"podidentityassociation/{cluster.name}"),',
        broken="guide.association",
        because="all associations of a cluster have one ARN",
    ),
    _associations(
        "api-hides-target-roles",
        old='        "targetRoleArn": association.target_role_arn,\n',
        new="",
        broken="posture.target-role",
        because="nobody is told that pods act as another role",
    ),
)
