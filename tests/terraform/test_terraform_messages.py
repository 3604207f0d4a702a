import json
import pickle
from pathlib import Path
from typing import Any

from conformance.terraform.messages import Change, Diagnostic, Progress, Stream, TerraformError

RANGE = {"filename": "main.tf", "start": {"line": 3, "column": 1, "byte": 9}}
HOOK = {"resource": {"addr": 'aws_iam_role.this["a"]'}, "action": "create", "elapsed_seconds": 2}


def told(stream: Stream, **message: Any) -> Progress | None:
    return stream.take(json.dumps(message))


def test_errors_and_warnings_are_told_apart() -> None:
    stream = Stream()
    told(stream, type="diagnostic", diagnostic={"severity": "warning", "summary": "old"})
    told(
        stream,
        type="diagnostic",
        diagnostic={
            "severity": "error",
            "summary": "no",
            "detail": "because\nof this",
            "range": RANGE,
            "address": "x.y",
        },
    )

    assert stream.errors == (Diagnostic("error", "no", "because\nof this", "x.y", "main.tf:3"),)
    assert stream.last_words() == "main.tf:3 x.y no\n    because\n    of this"


def test_a_resource_is_under_way_until_it_ends() -> None:
    stream = Stream()

    assert told(stream, type="apply_start", hook=HOOK) == Progress(
        'aws_iam_role.this["a"]', "create", "started", 2.0
    )
    assert stream.last_words() == 'create aws_iam_role.this["a"]'
    told(stream, type="apply_complete", hook=HOOK)
    assert stream.last_words() == "nothing"


def test_planned_changes_are_kept_and_drift_is_not() -> None:
    stream = Stream()
    change = {"resource": {"addr": "x.y"}, "action": "update"}
    told(stream, type="resource_drift", change=change)
    told(stream, type="planned_change", change=change)
    told(stream, type="planned_change", change=change | {"action": "noop", "importing": {}})

    assert stream.changes == [Change("x.y", "update"), Change("x.y", "import")]


def test_outputs_are_values_and_those_of_a_plan_have_none() -> None:
    stream = Stream()
    told(stream, type="outputs", outputs={"a": {"value": [1]}, "b": {"action": "create"}})

    assert stream.outputs == {"a": [1]}


def test_what_is_no_message_is_kept_as_text() -> None:
    stream = Stream()
    for line in ["panic: oh", "", "[1]", "null", '{"type": "new"}']:
        stream.take(line)

    assert stream.last_words() == "panic: oh\n       [1]\n       null"


def test_an_error_survives_the_way_between_workers() -> None:
    diagnostic = Diagnostic("error", "no", "", "x.y", "main.tf:3")
    error = TerraformError(
        "wanted", saw="saw", try_="try", diagnostics=(diagnostic,), folder=Path("/w")
    )
    other = pickle.loads(pickle.dumps(error))  # noqa: S301  # what xdist does

    assert str(other) == str(error)
    assert other.diagnostics == (diagnostic,)
    assert other.folder == Path("/w")


def test_an_error_follows_its_work_folder() -> None:
    error = TerraformError("failed in /w", saw="s", try_="look into /w", folder=Path("/w"))
    moved = error.moved(Path("/kept/w"))

    assert str(moved) == "failed in /kept/w\n  saw: s\n  try: look into /kept/w"
    assert moved.folder == Path("/kept/w")
