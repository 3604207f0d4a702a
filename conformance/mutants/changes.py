"""Associations and roles whose changes have no effect, too much of one, or one that is too late."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_auth = partial(Mutant, part=Part.EKS_AUTH, module="emulator.eks_auth")
_associations = partial(Mutant, part=Part.ASSOCIATIONS, module="emulator.eks.associations")

MUTANTS = (
    _auth(
        "eks-auth-remembers-associations",
        old="    of_that_name = [a for a in cluster.effective if a.service_account == name]\n",
        new="""    known = vars(cluster).setdefault("known", {})
    known.update((a.id, a) for a in cluster.effective)
    of_that_name = [a for a in known.values() if a.service_account == name]
""",
        broken="association.deleted",
        because="tokens of pods that were injected before give sessions after the deletion as well",
    ),
    _auth(
        "eks-auth-learns-late",
        old="    of_that_name = [a for a in cluster.effective if a.service_account == name]\n",
        new="""    old = __import__("time").time() - 5
    settled = [a for a in cluster.effective if a.created_at.timestamp() < old]
    of_that_name = [a for a in settled if a.service_account == name]
""",
        broken="association.propagation.eks-auth",
        because="pods are injected at once and refused for five seconds",
    ),
    _auth(
        "eks-auth-keeps-the-first-role",
        old="            association.role_arn,\n            service=SERVICE,",
        new="""            vars(cluster).setdefault("roles", {}).setdefault(
                association.id, association.role_arn
            ),
            service=SERVICE,""",
        broken="association.updated.role",
        because="an association that is updated gives sessions of the role that it was made with",
    ),
    _auth(
        "eks-auth-keeps-the-accounts-role",
        old="            association.role_arn,\n            service=SERVICE,",
        new="""            vars(cluster).setdefault("roles", {}).setdefault(
                association.subject, association.role_arn
            ),
            service=SERVICE,""",
        broken="guide.update",
        because="a service account has the role for ever that it was associated with first",
    ),
    _auth(
        "eks-auth-keeps-tagging",
        old="tags = {} if association.disable_session_tags else session_tags(cluster, claims)",
        new="""untagged = vars(cluster).setdefault("untagged", {}).setdefault(
        association.id, association.disable_session_tags
    )
    tags = {} if untagged else session_tags(cluster, claims)""",
        broken="association.updated.tags",
        because="session tags can be switched off when an association is made, and not later",
    ),
    Mutant(
        "webhook-learns-late",
        part=Part.WEBHOOK,
        module="emulator.eks.propagation",
        old="return self._chance.uniform(shortest, longest) if longest else 0.0",
        new="return 20.0",
        broken="association.propagation",
        because="associations are effective after twenty seconds",
    ),
    Mutant(
        "webhook-bans-what-was-removed",
        part=Part.WEBHOOK,
        module="cluster.webhook.server",
        old="self._identities = frozenset(identities)",
        new="""wanted = frozenset(identities)
        gone = vars(self).setdefault("gone", set())
        gone |= self._identities - wanted
        self._identities = wanted - gone""",
        broken="association.created-again",
        because="a service account whose association was deleted is never injected again",
    ),
    _associations(
        "api-deletion-overtakes",
        old="    cluster.associations.pop(association.id, None)\n",
        new="""    there = cluster.associations
    there.pop(association.id, None)
    __import__("asyncio").get_running_loop().call_later(
        0.5,
        lambda: [there.pop(a.id) for a in [*there.values()] if a.subject == association.subject],
    )
""",
        broken="association.race",
        because="half a second after a deletion its successor is deleted, too",
    ),
    Mutant(
        "agent-keeps-for-a-second",
        part=Part.AGENT,
        module="cluster.agent.cache",
        old="if entry is None or now > entry.expires_at:",
        new="if entry is None or now > entry.refresh_at - 10799:",
        broken="guide.update.running",
        because="pods that run have a swapped role at once, and EKS Auth a call for each request",
    ),
    Mutant(
        "iam-role-policies-of-yesterday",
        part=Part.IAM,
        module="emulator.principals",
        old='    boundary = (entity or {}).get("PermissionsBoundary")\n',
        new="""    if caller.principal_type == "AssumedRole":
        identity = session.setdefault("IdentityThen", identity)
    boundary = (entity or {}).get("PermissionsBoundary")
""",
        broken="association.role-policy",
        because="what a session may do is decided when it is used first, and for good",
    ),
)
