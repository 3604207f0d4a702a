"""
`--stack brownfield`: what is there already is certified where it is, and left as it was.

What a team has is made by a run that keeps it; the second run is told its names and makes
nothing. It would be red everywhere if its pods were in namespaces of its own.
"""

import json
from pathlib import Path

from conformance.environment import Environment
from conformance.world.kube import Kube
from tests.endtoend.command import Command, Ran

FILE = "scenarios/test_s3_read.py"
PODS_AND_ACCOUNTS = ("/api/v1/pods", "/api/v1/serviceaccounts")


def names_of(ran: Ran) -> dict[str, dict[str, str]]:
    """The file for `--stack brownfield=FILE`, from the state that a run kept."""
    (state,) = ran.folder.glob("worlds/*/terraform.tfstate")
    contract = json.loads(state.read_text())["outputs"]["contract"]["value"]
    kinds = ("roles", "policies", "buckets", "tables", "queues")
    names = {kind: {key: one["name"] for key, one in contract[kind].items()} for kind in kinds}
    return names | {
        "associations": {key: one["arn"] for key, one in contract["associations"].items()}
    }


def in_cluster(environment: Environment, run: str) -> list[str]:
    kube = Kube(environment.cluster.kubeconfig, environment.cluster.context)
    return [
        item["metadata"]["name"]
        for path in PODS_AND_ACCOUNTS
        for item in kube.get(path, labelSelector=f"conformance/run={run}")["items"]
    ]


def test_scenarios_run_where_a_team_has_its_associations(
    running: Environment, command: Command, tmp_path: Path
) -> None:
    common = (FILE, "-n", "0", "--environment", running.file)
    theirs = command.run(*common, "--keep")
    existing = tmp_path / "existing.json"
    existing.write_text(json.dumps(names_of(theirs)))
    left = in_cluster(running, theirs.report.run)

    ran = command.run(*common, "--stack", f"brownfield={existing}")

    assert ran.all_passed, ran.said
    assert in_cluster(running, ran.report.run) == []
    assert in_cluster(running, theirs.report.run) == left
    assert left
