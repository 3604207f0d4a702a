"""
Whether a stack keeps the agreement: eleven Specs in, the same Contract out of every provider.

`conformance stack check PATH` and the project's own tests run the same checks, so a
stack of somebody else's is judged as ours are.
"""

from conformance.terraform.checking.check import PREFIX, check_stack
from conformance.terraform.checking.specs import SPECS
from conformance.terraform.checking.steps import BY_US, CheckedStep

__all__ = ["BY_US", "PREFIX", "SPECS", "CheckedStep", "check_stack"]
