import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.environment import Aws
from conformance.errors import UsageError
from conformance.sweep.states import has_resources
from conformance.terraform import stacks
from conformance.terraform.backend import VARIABLE, Backend, find_backend
from conformance.terraform.workspace import Workspace

S3 = {
    "bucket": "our-states",
    "key": "nightly/{run}/{world}.tfstate",
    "region": "eu-west-1",
    "use_path_style": True,
    "skip_credentials_validation": True,
    "skip_requesting_account_id": True,
}


@pytest.fixture
def states(client: Callable[[str], Any]) -> Callable[[], dict[str, Any]]:
    """What lies in the bucket of states, by key."""
    s3 = client("s3")
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="our-states", CreateBucketConfiguration=place)

    def look() -> dict[str, Any]:
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="our-states").get("Contents", ())]
        return {
            key: json.loads(s3.get_object(Bucket="our-states", Key=key)["Body"].read())
            for key in keys
        }

    return look


def test_states_lie_in_the_backend_and_another_process_destroys_by_them(
    bench: Callable[..., Any], states: Callable[[], dict[str, Any]], aws: Aws
) -> None:
    made = bench(backend=Backend("s3", S3))
    made.apply()
    folder = made.world.folder
    assert not (folder / "terraform.tfstate").exists()
    assert len(states()["nightly/r1/world.tfstate"]["resources"]) > 5
    assert has_resources(folder)

    # As the sweep does, with nothing but the work folder.
    Workspace(folder, stacks.stack("aws"), aws=aws).destroy()
    assert states()["nightly/r1/world.tfstate"]["resources"] == []


def test_a_run_is_given_its_backend_by_a_file(tmp_path: Path) -> None:
    file = tmp_path / "backend.json"
    file.write_text(json.dumps({"s3": S3}))
    assert find_backend({VARIABLE: str(file)}) == Backend("s3", S3)
    assert find_backend({}) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not one backend"),
        ("[]", "not one backend"),
        ('{"s3": {}, "gcs": {}}', "not one backend"),
        ('{"s3": {"key": "{run}/state"}}', "overwrite each other"),
        ('{"s3": {"key": "{world}"}}', "overwrite each other"),
    ],
)
def test_what_is_no_backend_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "backend.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        find_backend({VARIABLE: str(file)})
