"""
Names and tags that AWS and Kubernetes take, and the base of everything in a Spec.

A value that only AWS would refuse is refused here, because Terraform tells of it
half a minute later and in the middle of other things.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from conformance.errors import SpecError

RUN_TAG = "conformance:run"
"""On everything that takes tags; a Spec cannot set it."""

# 50 on one resource (IAM and EKS quotas); the run's own is one of them.
MOST_TAGS = 49

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_ROLE_PATH = re.compile(r"/|(?=.{1,512}\Z)/[!-~]+/")
_SHORT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?")


def _dns_label(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("must be a DNS label: lower case letters, digits and '-', at most 63")
    return value


def _dns_subdomain(value: str) -> str:
    if not _DNS_SUBDOMAIN.fullmatch(value):
        raise ValueError(
            "must be a DNS subdomain: lower case letters, digits, '-' and '.', at most 253"
        )
    return value


def _short_name(value: str) -> str:
    if not _SHORT_NAME.fullmatch(value):
        raise ValueError(
            "must be lower case letters, digits and '-', not at an end, and at most 31"
        )
    return value


def _role_path(value: str) -> str:
    """Source: IAM API reference, CreateRole, Path."""
    if not _ROLE_PATH.fullmatch(value):
        raise ValueError("must be '/', or begin and end with one, without spaces, at most 512")
    return value


def _tags(value: Mapping[str, str]) -> Mapping[str, str]:
    """Letters of any script, digits, spaces and `_.:/=+-@` (IAM API reference, Tag)."""
    if len(value) > MOST_TAGS:
        raise ValueError(f"at most {MOST_TAGS} tags: one of AWS's 50 is the run's")
    for key, text in value.items():
        if not 1 <= len(key) <= 128 or len(text) > 256:
            raise ValueError(f"tag {key!r}: a key has 1 to 128 characters, a value at most 256")
        if key.startswith("aws:") or key == RUN_TAG:
            raise ValueError(f"tag {key!r} is not a Spec's to set")
        if not all(map(_is_tag_character, key + text)):
            raise ValueError(f"tag {key!r}: letters, digits, spaces and _.:/=+-@ only")
    return value


def _is_tag_character(character: str) -> bool:
    return character in "_.:/=+-@" or unicodedata.category(character)[0] in "LNZ"


DnsLabel = Annotated[str, AfterValidator(_dns_label)]
DnsSubdomain = Annotated[str, AfterValidator(_dns_subdomain)]
ShortName = Annotated[str, AfterValidator(_short_name)]
RolePath = Annotated[str, AfterValidator(_role_path)]
Tags = Annotated[Mapping[str, str], AfterValidator(_tags)]


class Part(BaseModel):
    """Frozen, strict about names; mistakes come out as one `SpecError`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join([type(self).__name__, *map(str, first["loc"])])
            # Not `from error`: it says the same again, with a link to pydantic's pages.
            raise SpecError(f"{field}: {first['msg']}", saw=repr(first["input"])) from None


def unknown(where: str, kind: str, name: str, known: Iterable[str]) -> NoReturn:
    """Raise the `SpecError` for a name that is not there."""
    raise SpecError(
        f"{where}: no {kind} is named {name!r}",
        saw=repr(name),
        try_=f"{kind}s of this Spec: {', '.join(known) or 'none'}",
    )
