"""An STS that reads trust policies wrong, or makes other sessions than it was asked for."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_sessions = partial(Mutant, part=Part.STS, module="emulator.sessions")
_rules = partial(Mutant, part=Part.STS, module="emulator.session_rules")
_principals = partial(Mutant, part=Part.STS, module="emulator.principals")
_decisions = partial(Mutant, part=Part.STS, module="emulator.decisions")

MUTANTS = (
    _sessions(
        "sts-tag-session-not-needed",
        old='(("sts:TagSession", wanted.tags), ("sts:SetSourceIdentity", wanted.source_identity))',
        new='(("sts:SetSourceIdentity", wanted.source_identity),)',
        broken="trust.tag-session",
        because="a role that allows sts:AssumeRole only is assumed with tags",
    ),
    _sessions(
        "sts-assume-role-not-needed",
        old='return ("sts:AssumeRole", *(action for action, given in optional if given))',
        new='return tuple(action for action, given in optional if given) or ("sts:AssumeRole",)',
        broken="trust.assume-role",
        because="a role that allows sts:TagSession only is assumed",
    ),
    _rules(
        "sts-never-too-full",
        old="if percent > 100:",
        new="if False:",
        broken="session.packed.full",
        because="a session has room for any number of tags",
    ),
    _rules(
        "sts-too-full-early",
        old="if percent > 100:",
        new="if percent > 80:",
        broken="session.packed.full",
        because="tags are refused while a fifth of the room is left",
    ),
    Mutant(
        "sts-any-service",
        part=Part.STS,
        module="emulator.principals",
        old='return service in words(principal.get("Service")) or',
        new='return bool(words(principal.get("Service"))) or',
        broken="trust.service",
        because="a role that trusts another AWS service is assumed",
    ),
    Mutant(
        "sts-ignores-deny",
        part=Part.STS,
        module="emulator.decisions",
        old="if denying := _first(statements, question, allow=False):",
        new="if denying := _first((), question, allow=False):",
        broken="trust.deny",
        because="a Deny in a trust policy has no effect",
    ),
    _sessions(
        "sts-request-tags-unseen",
        old='{f"aws:requesttag/{key}".lower(): value for key, value in wanted.tags.items()}',
        new="{}",
        broken="trust.request-tag",
        because="trust policies do not see the values of session tags",
    ),
    _sessions(
        "sts-tag-keys-unseen",
        old='"aws:tagkeys": list(wanted.tags) or None,',
        new='"aws:tagkeys": None,',
        broken="trust.tag-keys",
        because="trust policies do not see which session tags are passed",
    ),
    _sessions(
        "sts-refusals-for-ever",
        old="        self._judged(who, action, role_arn, verdict)\n",
        new="""        refused = self.__dict__.setdefault("refused", set())
        if not verdict.allowed:
            refused.add(role_arn)
        elif role_arn in refused:
            verdict = Verdict(False, DecidedBy.TRUST)
        self._judged(who, action, role_arn, verdict)
""",
        broken="trust.repaired",
        because="a role that was refused once is refused for ever",
    ),
    _sessions(
        "sts-role-caps-services",
        old="expires = int(time.time()) + wanted.duration_seconds",
        new="""expires = int(time.time()) + min(
            wanted.duration_seconds, int(found.get("MaxSessionDuration") or 3600)
        )""",
        broken="eks-auth.lifetime",
        because="the role's longest session binds EKS, too",
    ),
    _sessions(
        "sts-drops-session-tags",
        old='"SessionTags": [{"Key": key, "Value": value} for key, value in tags.items()],',
        new='"SessionTags": [],',
        broken="session.tags",
        because="a session has no tags, so policies cannot use them",
    ),
    _sessions(
        "sts-role-tags-beat-session-tags",
        old='"SessionTags": [{"Key": key, "Value": value} for key, value in tags.items()],',
        new=""""SessionTags": [
                    {"Key": key, "Value": value}
                    for key, value in tags.items()
                    if key not in {tag["Key"] for tag in found.get("Tags") or []}
                ],""",
        broken="session.tags.beat-role-tags",
        because="a role's tag of the same key is seen in place of the session's",
    ),
    _principals(
        "sts-session-tags-or-role-tags",
        old="        keys |= ministack._principal_keys(credential)\n",
        new="""        keys |= ministack._principal_keys(credential)
        own = {f"aws:principaltag/{t['Key'].lower()}" for t in session.get("SessionTags") or []}
        for key in [k for k in keys if own and "principaltag" in k and k not in own]:
            del keys[key]
""",
        broken="session.tags.role-tags-stay",
        because="the tags of a role are not seen once its session has tags",
    ),
    _sessions(
        "sts-all-sessions-one-key",
        old='access_key_id=access_key_id("ASIA"),',
        new='access_key_id="ASIAEMULATEDAAAAAAAA",',
        broken="eks-auth.session",
        because="all sessions have one access key",
    ),
    _sessions(
        "sts-session-outlives-its-end",
        old='"Expiration": float(expires),',
        new='"Expiration": float(expires) + 3600,',
        broken="rotation.session-ends",
        because="credentials work for an hour after they have expired",
    ),
    _sessions(
        "sts-one-session-for-a-pod",
        old='        sts._sessions[key] = {**session, "IssuedAt": now}\n',
        new="""        for other in [k for k, s in sts._sessions.items() if "eks-" in s["Arn"]]:
            if sts._sessions[other]["Arn"][:-36] == session["Arn"][:-36]:
                del sts._sessions[other]
        sts._sessions[key] = {**session, "IssuedAt": now}
""",
        broken="rotation.overlap",
        because="new credentials end those that the pod had",
    ),
    _sessions(
        "sts-chained-longer-than-an-hour",
        old="expires = int(time.time()) + wanted.duration_seconds",
        new="expires = int(time.time()) + max(wanted.duration_seconds, 21600)",
        broken="cross-account.hour",
        because="credentials of a target role live six hours",
    ),
    _sessions(
        "sts-caller-needs-no-permission",
        old="self._settle(who, action, wanted.role_arn, decide(who, question, trust))",
        new="""who = __import__("dataclasses").replace(who, identity=None)
            self._settle(who, action, wanted.role_arn, decide(who, question, trust))""",
        broken="cross-account.permission",
        because="a role that trusts an account is reached by all of its principals",
    ),
    _sessions(
        "sts-packed-size-not-counted",
        old="packed_percent=session_rules.packed_percent(wanted, tags),",
        new="packed_percent=session_rules.packed_percent(wanted, wanted.tags),",
        broken="session.packed.chained",
        because="tags that come along a chain are not counted in PackedPolicySize",
    ),
    _rules(
        "sts-tags-end-with-the-chain",
        old="return {key: source_tags[key] for key in source_transitive if key in source_tags}",
        new="return {}",
        broken="cross-account.tags",
        because="transitive tags do not come along to the target role",
    ),
    _rules(
        "sts-transitive-tags-overridden",
        old="again = [key for key in source_transitive if key.lower() in asked]",
        new="again: list[str] = []",
        broken="session.tags.transitive",
        because="a pod can give its chained session the tags of another",
    ),
    _rules(
        "sts-little-room-for-tags",
        old="TAG_CHARACTERS = 454",
        new="TAG_CHARACTERS = 400",
        broken="session.packed.long-names",
        because="long names do not fit into the session's tags",
    ),
    _decisions(
        "sts-one-statement-for-both-actions",
        old="    allowing = _first(statements, question, allow=True)\n",
        new="""    asks = replace(question, action="sts:TagSession")
    if question.keys.get("aws:tagkeys"):
        statements = [s for s in statements if _first([s], asks, allow=True)]
    allowing = _first(statements, question, allow=True)
""",
        broken="trust.separate-statements",
        because="a role is assumed only if one statement allows both actions",
    ),
    Mutant(
        "sts-new-trust-ends-sessions",
        part=Part.STS,
        module="emulator.corrections.iam",
        old="        wrong = trust_mistake(",
        new="""        sts = __import__("ministack.services.sts", fromlist=["sts"])
        of = f":assumed-role/{_one(parameters, 'RoleName')}/"
        for key in [key for key, session in sts._sessions.items() if of in str(session["Arn"])]:
            del sts._sessions[key]
        wrong = trust_mistake(""",
        broken="trust.sessions-live-on",
        because="changing a role's trust policy ends the sessions that it has",
    ),
    _principals(
        "sts-principal-arn-of-the-session",
        old="return self.role_arn or self.arn",
        new="return self.arn",
        broken="cross-account.trust.principal-arn",
        because="aws:PrincipalArn is the session's ARN, not the role's",
    ),
    _principals(
        "sts-any-role-of-the-account",
        old="return Named.ROLE if who.role_arn and principal == who.role_arn else Named.NOT",
        new='return Named.ROLE if principal.split(":")[4:5] == [who.account] else Named.NOT',
        broken="cross-account.trust.role",
        because="a trust policy that names one role lets in every role of its account",
    ),
)
