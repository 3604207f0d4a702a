"""
What a resource type and a data source have to say for themselves.

A type is data for the planner and four or five short methods that call AWS. The
schema is cut from the real provider and so holds far more than is served here: a
type lists what it honours in `accepts`, and a configuration that sets anything else
is refused. Passing over an argument in silence would make a test lie.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from conformance.terraform.provider.connection import Connection
from conformance.terraform.provider.values import Values


class FailedError(Exception):
    """AWS gave up on what it was asked to do, or has not what is looked for; in its own words."""


class Resource:
    """
    One managed resource type.

    `state` and `want` hold every attribute of the schema, null where nothing is known.
    """

    name: ClassVar[str]
    accepts: ClassVar[frozenset[str]]
    """Arguments and blocks that a configuration may set."""
    replace: ClassVar[frozenset[str]] = frozenset()
    """Attributes whose change needs a new resource; `block.attribute` for one inside a block."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What a silent configuration means; for a block, the defaults of its attributes."""
    policies: ClassVar[frozenset[str]] = frozenset()
    """Attributes that hold a JSON policy, compared by meaning."""
    computed_blocks: ClassVar[frozenset[str]] = frozenset()
    """Blocks that AWS fills where the configuration leaves them out."""
    renewed: ClassVar[Mapping[str, frozenset[str]]] = {}
    """By attribute: what AWS will choose anew when it changes."""

    def create(self, aws: Connection, want: Values) -> Values:
        """Make it; returns at least what `read` needs to find it."""
        raise NotImplementedError

    def ready(self, aws: Connection, state: Values, within: float) -> None:
        """Return when a new or changed one can be used."""

    def read(self, aws: Connection, state: Values) -> Values | None:
        """What AWS says of it, as far as AWS says it; None when it is not there."""
        raise NotImplementedError

    def update(self, aws: Connection, was: Values, want: Values) -> None:
        """Change it in place."""
        raise NotImplementedError

    def delete(self, aws: Connection, state: Values, within: float) -> None:
        """Take it away and return when it is gone; one that is gone already is no error."""
        raise NotImplementedError

    def identify(self, import_id: str) -> Values:
        """What `read` needs, from the id of `terraform import`; raises `ValueError`."""
        raise NotImplementedError


class DataSource:
    """One data source; `accepts` as for `Resource`."""

    name: ClassVar[str]
    accepts: ClassVar[frozenset[str]]

    def read(self, aws: Connection, config: Values) -> Values:
        """All that the schema computes."""
        raise NotImplementedError


def split_id(import_id: str, separator: str, form: str) -> list[str]:
    """The parts of an import id; raises `ValueError` that shows the expected form."""
    parts = import_id.split(separator, form.count(separator))
    if len(parts) != form.count(separator) + 1 or not all(parts):
        raise ValueError(f"unexpected format for ID ({import_id}), expected {form}")
    return parts
