"""Credentials that a pod should not have, or has in the wrong order."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_mutation = partial(Mutant, part=Part.WEBHOOK, module="cluster.webhook.mutation")
_sessions = partial(Mutant, part=Part.STS, module="emulator.sessions")

MUTANTS = (
    _mutation(
        "webhook-irsa-beside-it",
        old="tuple((name, filled.get(value, value)) for name, value in method.variables),",
        new="""(
            *((name, filled.get(value, value)) for name, value in method.variables),
            *(
                (
                    ("AWS_ROLE_ARN", filled["{role_arn}"]),
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", filled["{token_file}"]),
                )
                if filled["{role_arn}"]
                else ()
            ),
        ),""",
        broken="precedence.irsa",
        because="with an annotation of IRSA its variables are injected, too, and SDKs prefer them",
    ),
    _mutation(
        "webhook-completes-the-address",
        old="    if not own:\n        added += injection.variables\n",
        new="    added += [one for one in injection.variables if one[0] not in present]\n",
        broken="precedence.address-by-hand",
        because="an address that was set by hand gets the token of Pod Identity",
    ),
    Mutant(
        "agent-falls-back-to-the-node",
        part=Part.AGENT,
        module="cluster.agent.credentials",
        old='            cause = f"error getting credentials to cache: {error.cause}"\n',
        new="""            if error.code == "AccessDeniedException":
                node = await self._eks_auth._credentials()
                keys = (node.access_key_id, node.secret_access_key, node.session_token)
                until = self._clock.time() + 3600
                return self._answer(Fetched(*keys, "000000000000", until, ""))
            cause = f"error getting credentials to cache: {error.cause}"
""",
        broken="precedence.no-fallback",
        because="a pod whose role refuses EKS is given the credentials of its node",
    ),
    Mutant(
        "sts-another-code-for-web-identity",
        part=Part.STS,
        module="emulator.web_identity",
        old='failure = Unauthenticated("InvalidIdentityToken", text, "sts")',
        new='failure = Unauthenticated("AccessDenied", text, "sts")',
        broken="precedence.web-identity",
        because="a token of Pod Identity is taken for one of IRSA, and the role's trust is blamed",
    ),
    Mutant(
        "node-images-bring-keys",
        part=Part.NODE,
        module="cluster.images",
        old='        "AWS_ENDPOINT_URL": aws_endpoint,\n',
        new="""        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "left-in-the-image",
""",
        broken="guide.nothing-else",
        because="somebody has left keys in the images",
    ),
    Mutant(
        "webhook-irsa-never-again",
        part=Part.WEBHOOK,
        module="cluster.webhook.server",
        old="if (namespace, name) in self._identities:",
        new="""once = vars(self).setdefault("once", set())
        once |= self._identities
        if (namespace, name) in once - self._identities:
            return None
        if (namespace, name) in self._identities:""",
        broken="precedence.irsa.back",
        because="a service account that had an association once has nothing when that is gone",
    ),
    _mutation(
        "webhook-takes-keys-away",
        old='container["env"] = [*variables, *(',
        new="""hand_made = [v for v in variables if "ACCESS_KEY" not in v["name"]]
        container["env"] = [*hand_made, *(""",
        broken="precedence.static-keys",
        because="keys are taken out of the pod, which hides that somebody left them",
    ),
    _mutation(
        "webhook-takes-files-away",
        old='container["env"] = [*variables, *(',
        new="""hand_made = [v for v in variables if "CREDENTIALS_FILE" not in v["name"]]
        container["env"] = [*hand_made, *(""",
        broken="precedence.credentials-file",
        because="a pod is not told any more where its credentials file is",
    ),
    _mutation(
        "webhook-leaves-tokens-alone",
        old="own = bool(present & {name for name, _ in injection.variables})",
        new='own = any(str(one).startswith("AWS_CONTAINER_") for one in present)',
        broken="precedence.token-by-hand",
        because="whoever brings a token gets no address to present it at",
    ),
    _mutation(
        "webhook-corrects-the-address",
        old="    if not own:\n        added += injection.variables\n",
        new="""    names = {name for name, _ in injection.variables}
    variables = [one for one in variables if one.get("name") not in names]
    added += injection.variables
""",
        broken="precedence.unsupported-address",
        because="an address that was set by hand is exchanged for the agent's",
    ),
    Mutant(
        "agent-is-the-node",
        part=Part.AGENT,
        module="cluster.agent.credentials",
        old="        try:\n            if cache is None:\n",
        new="""        node = await self._eks_auth._credentials()
        keys = (node.access_key_id, node.secret_access_key, node.session_token)
        try:
            return self._answer(Fetched(*keys, "000000000000", self._clock.time() + 3600, ""))
            if cache is None:
""",
        broken="precedence.agent-before-node",
        because="every pod is given the credentials of its node",
    ),
    _sessions(
        "sts-chained-tags-go-no-further",
        old="carried = tuple(dict.fromkeys((*transitive, *wanted.transitive)))",
        new="carried = wanted.transitive",
        broken="cross-account.chain",
        because="tags come along to a target role, and no further",
    ),
    _sessions(
        "sts-asks-about-tags-first",
        old='return ("sts:AssumeRole", *(action for action, given in optional if given))',
        new='return (*(action for action, given in optional if given), "sts:AssumeRole")',
        broken="cross-account.trust.reasons",
        because="who may not assume a role is refused because it may not tag",
    ),
    Mutant(
        "api-keeps-the-external-id",
        part=Part.ASSOCIATIONS,
        module="emulator.eks.associations",
        old='        "externalId": association.external_id,\n',
        new="",
        broken="cross-account.external-id.told",
        because="the owner of a target role is not told which external id to ask for",
    ),
)
