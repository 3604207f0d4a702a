"""Agents that make an outage longer, or look away where their clock is wrong."""

from functools import partial

from conformance.mutants.model import Mutant, Part

_agent = partial(Mutant, part=Part.AGENT)
_tokens = partial(_agent, module="cluster.agent.tokens")

MUTANTS = (
    _agent(
        "agent-gives-up-for-a-minute",
        module="cluster.agent.eks_auth",
        old="""        cost = 0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._attempt(body)
            except EksAuthError as error:
""",
        new="""        cost = 0
        if self._clock.monotonic() < vars(self).get("closed", 0.0):
            raise EksAuthError(0, "", "", "EKS Auth was away")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._attempt(body)
            except EksAuthError as error:
                if error.http_status == 0:
                    self.closed = self._clock.monotonic() + 60
""",
        broken="outage.over",
        because="after an outage nobody new is served for a minute",
    ),
    _tokens(
        "agent-leeway-for-early-tokens",
        old="if token.not_before is not None and now < token.not_before:",
        new="if token.not_before is not None and now + 60 < token.not_before:",
        broken="outage.clock.behind",
        because="a token is taken up to a minute before it is valid",
    ),
    _tokens(
        "agent-leeway-of-hours",
        old="now >= token.expires_at:",
        new="now - 14400 >= token.expires_at:",
        broken="outage.clock.ahead",
        because="a token is taken for hours after it has expired",
    ),
)
