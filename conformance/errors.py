"""
Trouble of ours, said so that someone can act on it at two in the morning.

A broken promise of Pod Identity is an assertion in a scenario. Everything
else that stops a run is a `HarnessError`: the run reports it as *error*,
never as *failed*, and exits 3.
"""


class HarnessError(Exception):
    """
    The harness could not do its work; says nothing about Pod Identity.

    `wanted` names what was wanted of which part, `saw` the last thing that was
    observed, `try_` what the reader can do next. None of them may hold a token
    or a secret key.
    """

    def __init__(self, wanted: str, *, saw: str = "", try_: str = "") -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.saw = saw
        self.try_ = try_

    def __str__(self) -> str:
        lines = [self.wanted]
        if self.saw:
            lines.append(f"  saw: {self.saw}")
        if self.try_:
            lines.append(f"  try: {self.try_}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.wanted, self.saw, self.try_))


def _rebuild(kind: type[HarnessError], wanted: str, saw: str, try_: str) -> HarnessError:
    # xdist workers pickle exceptions; keyword-only arguments do not survive that.
    return kind(wanted, saw=saw, try_=try_)


class SpecError(HarnessError):
    """A Spec that cannot be realised; names the field and the offending value."""


class UsageError(HarnessError):
    """The command line asked for something that cannot be; exit code 2."""
