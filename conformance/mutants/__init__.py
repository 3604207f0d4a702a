"""
Does the suite kill broken clusters?

A suite that is green on a good cluster has shown half of what it is for. Here are
clusters that break one promise each: the emulation with one text of its source replaced.
For every one of them the requirement that names the broken promise must go red; where it
does not, a scenario is missing.

The emulation's own code knows nothing of this. A mutant is a copy of the package in a
folder of its own, and `conformance run` is started in that folder.
"""

from conformance.mutants.library import MUTANTS, mutants_with
from conformance.mutants.model import Mutant, Part

__all__ = ["MUTANTS", "Mutant", "Part", "mutants_with"]
