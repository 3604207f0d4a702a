"""A trail that says too little, or too much."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_assumptions = partial(Mutant, part=Part.CLOUDTRAIL, module="emulator.cloudtrail.assumptions")

MUTANTS = (
    Mutant(
        "trail-shows-tokens",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.elements",
        old='if shape.metadata.get("sensitive") or name in _ALSO_HIDDEN:',
        new="if name in _ALSO_HIDDEN:",
        broken="audit.token-hidden",
        because="tokens of pods can be read in the trail",
    ),
    _assumptions(
        "trail-without-tags",
        old='told["tags"] = [{"key": key, "value": value} for key, value in wanted.tags.items()]',
        new='told["tags"] = []',
        broken="audit.pod",
        because="which pod a session is of cannot be told from the trail",
    ),
    _assumptions(
        "trail-names-no-service",
        old='"sourceIPAddress": service,',
        new='"sourceIPAddress": "127.0.0.1",',
        broken="audit.service",
        because="that EKS asked for a session does not show in its event",
    ),
    _assumptions(
        "trail-sessions-not-recorded",
        old="return (event(record, at, resources=names),)",
        new="return ()",
        broken="audit.pair",
        because="sessions of Pod Identity leave no event of STS",
    ),
    Mutant(
        "trail-has-requests-twice",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old="        return (own,)\n",
        new='        return (own,) * (2 if operation.service == "eks-auth" else 1)\n',
        broken="audit.pair",
        because="one request of EKS Auth leaves two events, and one session looks like two",
    ),
    Mutant(
        "trail-of-some-account",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old='"userIdentity": identities.of_caller(verified.caller),',
        new=""""userIdentity": {"type": "AWSAccount", "accountId": verified.caller.account_id}
        if operation.service == "eks-auth" and refused is None
        else identities.of_caller(verified.caller),""",
        broken="audit.node",
        because="which node asked is recorded for refused pods only",
    ),
    Mutant(
        "trail-with-codes-of-the-wire",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old='return ("AccessDenied" if code == "AccessDeniedException" else code), message',
        new="return code, message",
        broken="audit.denied-session",
        because="a refused pod is recorded as AccessDeniedException, which no filter looks for",
    ),
    Mutant(
        "trail-with-one-code",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old='return ("AccessDenied" if code == "AccessDeniedException" else code), message',
        new='return "AccessDenied", message',
        broken="audit.denied-token",
        because="a token that nobody made looks in the trail like a role without trust",
    ),
    Mutant(
        "trail-of-sessions-alone",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old="        return (own,)\n",
        new="""        if operation.service == "eks-auth" and "errorCode" not in record:
            return ()
        return (own,)
""",
        broken="audit.pair",
        because="granted requests of EKS Auth leave no event, and sessions come out of nowhere",
    ),
    Mutant(
        "trail-of-whoever",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old='"userIdentity": identities.of_caller(verified.caller),',
        new='"userIdentity": {"type": "AWSAccount", "accountId": verified.caller.account_id},',
        broken="audit.call",
        because="a call of a pod is recorded under the account, not under its session",
    ),
    Mutant(
        "trail-forgets-refusals",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.calls",
        old='**({"errorCode": refused[0], "errorMessage": refused[1]} if refused else {}),',
        new="",
        broken="audit.denied-call",
        because="a call that was denied looks in the trail as if it had been answered",
    ),
    Mutant(
        "trail-by-resource-finds-nothing",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.lookup",
        old="any(name == value for _, name in event.resources)",
        new="event.name == value",
        broken="audit.lookup",
        because="what happened to a cluster cannot be looked up by its name",
    ),
    Mutant(
        "trail-without-role-delivery",
        part=Part.CLOUDTRAIL,
        module="emulator.cloudtrail.identities",
        old='context["ec2RoleDelivery"] = "2.0"',
        new="pass",
        broken="audit.node",
        because="whether a node's own credentials were used cannot be told from its event",
    ),
)
