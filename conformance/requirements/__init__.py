"""
What Pod Identity promises, as data.

A requirement is complete: no field is optional, because optional fields are left
empty. Ids are unique and never reused or renamed; reports of years ago must stay
readable. The themes are modules beside this file; `catalogue()` joins them.
"""

from conformance.requirements.model import Level, Requirement, Targets
from conformance.requirements.themes import THEMES, catalogue, requirements_of

__all__ = ["THEMES", "Level", "Requirement", "Targets", "catalogue", "requirements_of"]
