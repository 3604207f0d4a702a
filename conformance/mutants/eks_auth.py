"""An EKS Auth that believes too much, or hands out something else than was associated."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_auth = partial(Mutant, part=Part.EKS_AUTH, module="emulator.eks_auth")
_tokens = partial(Mutant, part=Part.EKS_AUTH, module="emulator.eks.tokens")

MUTANTS = (
    _tokens(
        "eks-auth-ignores-audience",
        old="if AUDIENCE not in audiences:",
        new="if not audiences:",
        broken="eks-auth.audience",
        because="a token for another audience, such as IRSA's, gives credentials",
    ),
    _tokens(
        "eks-auth-takes-unbound-tokens",
        old="    pod: _Named\n",
        new='    pod: _Named = _Named(name="none", uid="none")\n',
        broken="eks-auth.bound",
        because="a token that belongs to no pod gives credentials",
    ),
    Mutant(
        "eks-auth-asks-for-the-pod",
        part=Part.EKS_AUTH,
        module="emulator.behaviour",
        old="eks_auth_checks_pods: bool = False",
        new="eks_auth_checks_pods: bool = True",
        broken="separation.old-token",
        because="a token dies with its pod, and with its service account",
    ),
    _auth(
        "eks-auth-no-association-is-400",
        old="        raise not_found(\n",
        new="        raise invalid_request(\n",
        broken="eks-auth.association",
        because="a missing association looks like a malformed request",
    ),
    _auth(
        "eks-auth-anybody-may-ask",
        old='    call.require(f"eks-auth:{OPERATION}"',
        new='    (lambda *_: None)(f"eks-auth:{OPERATION}"',
        broken="eks-auth.permission",
        because="no permission is needed to trade a token for credentials",
    ),
    _auth(
        "eks-auth-permission-for-everything",
        old='call.arn(f"cluster/{call.cluster_name}"))',
        new='"*")',
        broken="eks-auth.permission.cluster",
        because="a caller that may ask for this cluster only is denied",
    ),
    _auth(
        "eks-auth-one-hour",
        old="seconds = world.behaviour.credential_seconds\n",
        new="seconds = 3600\n",
        broken="eks-auth.lifetime",
        because="credentials live one hour, not six",
    ),
    _auth(
        "eks-auth-off-by-a-minute",
        old="seconds = world.behaviour.credential_seconds\n",
        new="seconds = world.behaviour.credential_seconds - 60\n",
        broken="eks-auth.lifetime",
        because="credentials expire a minute before they should",
    ),
    _auth(
        "eks-auth-same-session-name",
        old="{uuid.uuid4()}",
        new="{uuid.UUID(int=0)}",
        broken="eks-auth.session",
        because="all sessions of a pod have one name",
    ),
    _auth(
        "eks-auth-session-without-pod",
        old="-{pod[:10]}-",
        new="-",
        broken="session.name",
        because="the session's name does not say which pod it is",
    ),
    _auth(
        "eks-auth-session-with-whole-names",
        old="{cluster[:10]}-{pod[:10]}",
        new="{cluster[:12]}-{pod[:12]}",
        broken="session.name",
        because="cluster and pod are not cut to ten characters in the session's name",
    ),
    _auth(
        "eks-auth-forgets-pod-uid",
        old='        "kubernetes-pod-uid": of.pod.uid,\n',
        new="",
        broken="session.tags.exact",
        because="the pod's UID is not among the session tags",
    ),
    _auth(
        "eks-auth-tags-out-of-order",
        old="""        "eks-cluster-arn": cluster.arn,
        "eks-cluster-name": cluster.name,
""",
        new="""        "eks-cluster-name": cluster.name,
        "eks-cluster-arn": cluster.arn,
""",
        broken="session.tags.exact",
        because="session tags are passed in another order",
    ),
    _auth(
        "eks-auth-tags-not-transitive",
        old="transitive=tuple(tags),",
        new="transitive=(),",
        broken="session.tags.exact",
        because="session tags end with the first role of a chain",
    ),
    _auth(
        "eks-auth-namespace-tag-of-service-account",
        old='"kubernetes-namespace": of.namespace,',
        new='"kubernetes-namespace": of.serviceaccount.name,',
        broken="session.tags",
        because="the namespace's tag holds the service account",
    ),
    _auth(
        "eks-auth-answers-about-another",
        old='"subject": {"namespace": of.namespace, "serviceAccount": of.serviceaccount.name},',
        new='"subject": {"namespace": of.serviceaccount.name, "serviceAccount": of.namespace},',
        broken="eks-auth.answer",
        because="subject has namespace and service account exchanged",
    ),
    _auth(
        "eks-auth-says-no-source-arn",
        old="source_arn=cluster.arn,",
        new="source_arn=None,",
        broken="trust.source-arn",
        because="trust policies do not see which cluster asks",
    ),
    _auth(
        "eks-auth-says-no-source-account",
        old="source_account=cluster.account_id,",
        new="source_account=None,",
        broken="trust.source-account",
        because="trust policies do not see whose cluster asks",
    ),
    Mutant(
        "eks-auth-says-no-source-org",
        part=Part.EKS_AUTH,
        module="emulator.sessions",
        old="organization(source_account) if source_account else None",
        new="None",
        broken="trust.source-org",
        because="trust policies do not see whose organization the cluster's account is in",
    ),
    _auth(
        "eks-auth-other-words-for-refusals",
        old='"Unauthorized Exception! EKS does not have permissions',
        new='"Access denied. EKS has been refused',
        broken="trust.refusal-passed-on",
        because="a pod is not told that it is the role's trust that refuses",
    ),
    _auth(
        "eks-auth-trust-refusal-is-invalid-request",
        old='            "AccessDeniedException",\n            "Unauthorized',
        new='            "InvalidRequestException",\n            "Unauthorized',
        broken="trust.service",
        because="a refusal by the role's trust looks like a malformed request",
    ),
    _tokens(
        "eks-auth-obeys-none",
        old="""    if key is None:
        raise invalid("its key is not one of the cluster's")
""",
        new="""    if unverified.algorithm == "none":
        return
    if key is None:
        raise invalid("its key is not one of the cluster's")
""",
        broken="separation.unsigned-token",
        because="a token that says that it needs no signature is believed",
    ),
    _auth(
        "eks-auth-one-association-for-a-namespace",
        old="own = [a for a in of_that_name if a.namespace == namespace]",
        new="""of_all = sorted(cluster.effective, key=lambda a: a.service_account)
    own = [a for a in reversed(of_all) if a.namespace == namespace]""",
        broken="separation.role",
        because="all pods of a namespace get the role of one of its associations",
    ),
    _auth(
        "eks-auth-believes-other-clusters",
        old="""    if unverified.claims.issuer != cluster.issuer:
        # Before the signature: another cluster's key id is no reason to look for new keys.
        raise tokens.invalid("its issuer is not this cluster")
""",
        new="""    store = __import__("conformance.emulator.eks.store", fromlist=["Store"]).Store
    for other in world.state(store).clusters.values():
        cluster = other if other.issuer == unverified.claims.issuer else cluster
""",
        broken="separation.other-cluster-token",
        because="a token of another cluster of the account gives credentials",
    ),
    _auth(
        "eks-auth-mixes-clusters",
        old="of_that_name = [a for a in cluster.effective if a.service_account == name]",
        new="""store = __import__("conformance.emulator.eks.store", fromlist=["Store"]).Store
    every = [a for one in world.state(store).clusters.values() for a in one.effective]
    of_that_name = [a for a in every if a.service_account == name]""",
        broken="separation.clusters",
        because="associations of all clusters of the account are one list",
    ),
    _auth(
        "eks-auth-takes-the-next-service-account",
        old="of_that_name = [a for a in cluster.effective if a.service_account == name]",
        new="""before = [a for a in cluster.effective if a.service_account <= name]
    of_that_name = sorted(before, key=lambda a: a.service_account)""",
        broken="separation.service-account",
        because="a service account has the role of another one of its namespace",
    ),
    _auth(
        "eks-auth-misses-updates",
        old="    return own[0]\n",
        new="""    copied = __import__("copy").copy(own[0])
    return world.__dict__.setdefault("first seen", {}).setdefault(own[0].id, copied)
""",
        broken="association.updated.role",
        because="EKS Auth goes on with an association as it was when it was first asked",
    ),
    _auth(
        "eks-auth-misses-deletions",
        old="    if not own:\n",
        new="""    last_seen = world.__dict__.setdefault("last seen", {})
    own = own or last_seen.get((cluster.name, namespace, name), [])
    last_seen[cluster.name, namespace, name] = own
    if not own:
""",
        broken="association.deleted",
        because="who has asked once gets new sessions for ever",
    ),
    _auth(
        "eks-auth-tags-always",
        old="tags = {} if association.disable_session_tags else session_tags(cluster, claims)",
        new="tags = session_tags(cluster, claims)",
        broken="session.tags.disabled",
        because="session tags cannot be switched off",
    ),
    _auth(
        "eks-auth-disables-some-tags",
        old="tags = {} if association.disable_session_tags else session_tags(cluster, claims)",
        new="""tags = session_tags(cluster, claims)
    for key in [key for key in tags if association.disable_session_tags and "kube" in key]:
        del tags[key]""",
        broken="session.tags.disabled",
        because="the cluster's two tags cannot be switched off",
    ),
    _auth(
        "eks-auth-cuts-namespaces",
        old='"kubernetes-namespace": of.namespace,',
        new='"kubernetes-namespace": of.namespace[:50],',
        broken="session.packed.long-names",
        because="of a long namespace the tag holds the beginning",
    ),
    _auth(
        "eks-auth-cuts-pod-names",
        old='"kubernetes-pod-name": of.pod.name,',
        new='"kubernetes-pod-name": of.pod.name[:49],',
        broken="session.packed.long-names",
        because="the last letter of a long pod name is not in the tag",
    ),
    _auth(
        "eks-auth-other-cluster-names",
        old='"eks-cluster-name": cluster.name,',
        new='"eks-cluster-name": cluster.name.partition("-")[0],',
        broken="session.tags",
        because="the tag of the cluster's name holds what stands before its first dash",
    ),
    _auth(
        "eks-auth-arn-without-account",
        old='"eks-cluster-arn": cluster.arn,',
        new='"eks-cluster-arn": cluster.arn.replace(cluster.account_id, ""),',
        broken="session.tags",
        because="the tag of the cluster's ARN does not say whose it is",
    ),
    _auth(
        "eks-auth-one-role-for-all",
        old="            association.role_arn,\n            service=SERVICE,",
        new="            max(a.role_arn for a in cluster.effective),\n            service=SERVICE,",
        broken="session.role",
        because="all pods of a cluster act as one of its roles",
    ),
    _auth(
        "eks-auth-any-cluster",
        old="cluster = call.cluster()",
        new="cluster = call.find_cluster() or next(iter(call.store.clusters.values()))",
        broken="eks-auth.cluster",
        because="for a cluster that is not there another one is asked",
    ),
    _auth(
        "eks-auth-tags-of-the-association",
        old="else session_tags(cluster, claims)\n",
        new="else {**session_tags(cluster, claims), **association.tags}\n",
        broken="session.tags.no-others",
        because="the association's own tags are session tags, too",
    ),
    _auth(
        "eks-auth-forgets-the-policy",
        old="session_policy=None if target else association.policy,",
        new="session_policy=None,",
        broken="session.policy.narrows",
        because="the association's policy has no effect",
    ),
    _auth(
        "eks-auth-forgets-the-targets-policy",
        old="                session_policy=association.policy,\n",
        new="                session_policy=None,\n",
        broken="session.policy.target",
        because="with a target role the association's policy has no effect",
    ),
    _auth(
        "eks-auth-policy-for-both-roles",
        old="session_policy=None if target else association.policy,",
        new="session_policy=association.policy,",
        broken="session.policy.target",
        because="the policy must allow the associated role to assume the target role",
    ),
    _auth(
        "eks-auth-forgets-the-target-role",
        old="    target = association.target_role_arn\n",
        new="    target = None\n",
        broken="cross-account.target-role",
        because="the pod acts as the associated role, not as the target role",
    ),
    _auth(
        "eks-auth-says-no-external-id",
        old="external_id=association.external_id,",
        new="external_id=None,",
        broken="cross-account.external-id",
        because="a target role that asks for the external id is not reached",
    ),
    _tokens(
        "eks-auth-expired-is-invalid",
        old='            "ExpiredTokenException",',
        new='            "InvalidTokenException",',
        broken="eks-auth.expired",
        because="an expired token looks like a forged one",
    ),
    _tokens(
        "eks-auth-takes-expired-tokens",
        old="if now >= claims.expires:",
        new="if now >= claims.expires + 300:",
        broken="eks-auth.expired",
        because="a token is believed for five minutes after it has expired",
    ),
    Mutant(
        "eks-auth-refusal-is-403",
        part=Part.EKS_AUTH,
        module="emulator.eks.model",
        old="return self._statuses[code]",
        new="return (self._statuses | COMMON)[code]",
        broken="eks-auth.refused",
        because="a refusal by the role's trust is 403, as a caller's missing permission is",
    ),
    Mutant(
        "eks-auth-no-token-is-404",
        part=Part.EKS_AUTH,
        module="emulator.eks.parameters",
        old='raise invalid_parameter(f"The parameter {path} should match',
        new='raise ServiceError("ResourceNotFoundException", f"{path} should match',
        broken="eks-auth.malformed",
        because="what is no token is 404, as a missing association is",
    ),
    Mutant(
        "eks-auth-any-cluster-name",
        part=Part.EKS_AUTH,
        module="emulator.eks.parameters",
        old='if "pattern" in limits and not re.fullmatch(limits["pattern"], value):',
        new="if False:",
        broken="eks-auth.parameter",
        because="what cannot be a cluster's name is looked for",
    ),
    _auth(
        "eks-auth-one-limit-for-all",
        old="check(call.account_id, behaviour.eks_auth_calls_per_second)",
        new='check("all", behaviour.eks_auth_calls_per_second)',
        broken="eks-auth.throttled",
        because="one account's calls throttle another's",
    ),
    _auth(
        "eks-auth-failure-is-throttling",
        old='raise ServiceError(code, "Internal failure")',
        new='raise ServiceError("ThrottlingException", "Internal failure")',
        broken="eks-auth.failure",
        because="a failure of EKS Auth looks like throttling",
    ),
    _auth(
        "eks-auth-unavailable-is-failure",
        old='raise ServiceError(code, "Internal failure")',
        new='raise ServiceError("InternalServerException", "Internal failure")',
        broken="eks-auth.unavailable",
        because="EKS Auth says that it failed when it is unavailable",
    ),
    _auth(
        "eks-auth-throttles-with-503",
        old="""                "ThrottlingException",
                "The request was""",
        new="""                "ServiceUnavailableException",
                "The request was""",
        broken="outage.throttled",
        because="throttling looks like an outage",
    ),
)
