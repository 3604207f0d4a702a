"""
Makes `schema.json.gz` again: `python -m conformance.terraform.provider.cut_schema`.

Reads the schemas of the real hashicorp/aws from a mirror on this machine (see
`conformance.terraform.sources.find_mirror`), keeps the types that the catalogue
serves and drops the descriptions: 13 MB become a few KB. Run it when a type joins
the catalogue or the oracle's version moves.
"""

import gzip
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from conformance.errors import HarnessError
from conformance.terraform.engine import Engine
from conformance.terraform.finding import find_engine
from conformance.terraform.provider.catalogue import DATA_SOURCES, RESOURCES
from conformance.terraform.provider.schema import SCHEMA_FILE
from conformance.terraform.sources import find_mirror, mirror_configuration
from conformance.terraform.surroundings import child_environment

_ADDRESS: Final = "registry.terraform.io/hashicorp/aws"
_ROOT: Final = {"terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}}}
_NOT_NEEDED: Final = frozenset({"description", "description_kind", "deprecated"})


def main() -> None:
    """Write the file beside this module and say where it came from."""
    mirror = find_mirror()
    if mirror is None:
        raise HarnessError(
            "schema: no mirror of the real provider is on this machine",
            try_="set CONFORMANCE_PROVIDER_MIRROR to a filesystem mirror with hashicorp/aws",
        )
    with tempfile.TemporaryDirectory() as folder:
        cut = cut_from(mirror, Path(folder))
    target = Path(__file__).with_name(SCHEMA_FILE)
    # No time stamp inside: the same schema is the same file.
    target.write_bytes(gzip.compress(json.dumps(cut, sort_keys=True).encode(), mtime=0))
    print(f"{target}: {cut['source']}, {target.stat().st_size} bytes")


def cut_from(mirror: Path, folder: Path) -> dict[str, Any]:
    """What `schema.json.gz` holds, from the provider in the mirror."""
    (folder / "main.tf.json").write_text(json.dumps(_ROOT), encoding="utf-8")
    rc = folder / "terraform.rc"
    rc.write_text(mirror_configuration(mirror), encoding="utf-8")
    engine = Engine(folder, find_engine(), child_environment(folder, rc))
    engine.init()
    whole = engine.json("providers schema")["provider_schemas"][_ADDRESS]
    chosen = engine.json("version")["provider_selections"][_ADDRESS]
    return {
        "source": f"hashicorp/aws {chosen}",
        "provider": _lean(whole["provider"]),
        "resource_schemas": _picked(whole["resource_schemas"], RESOURCES),
        "data_source_schemas": _picked(whole["data_source_schemas"], DATA_SOURCES),
    }


def _picked(found: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: _lean(found[name]) for name in names}


def _lean(value: Any) -> Any:
    if isinstance(value, dict):
        # An attribute may be called `description`; then it is an object, not a text.
        return {
            key: _lean(each)
            for key, each in value.items()
            if key not in _NOT_NEEDED or isinstance(each, dict)
        }
    return value


if __name__ == "__main__":
    main()
