"""Credentials that a pod should not have, or has in the wrong order."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_mutation = partial(Mutant, part=Part.WEBHOOK, module="cluster.webhook.mutation")

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
)
