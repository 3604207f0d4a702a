"""Whole sweeps of an account without a cluster: which runs go, which are spared, what is told."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from conformance.cli import sweep as command
from conformance.environment import Aws, Cluster, Environment
from conformance.errors import UsageError
from conformance.processes import Stamp
from conformance.sweep import runs as runs_module
from conformance.sweep import site as site_module
from conformance.sweep.balance import Swept
from conformance.sweep.calls import Clients
from conformance.sweep.finds import ONLY_TAGGED, TAG
from conformance.sweep.sweeping import Request, sweep
from conformance.terraform.ledger import BY_HAND
from conformance.terraform.messages import Progress
from tests.sweep.conftest import TRUST, MakeRun, pairs, stamp_elsewhere


@pytest.fixture
def environment(aws: Aws, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The account, as an environment whose cluster nobody asks."""
    folder = tmp / "environment"
    folder.mkdir()
    described = Environment(
        target="embedded",
        folder=folder,
        aws=aws,
        cluster=Cluster(name="stage", arn="arn", kubeconfig=folder / "none", context="stage"),
        capabilities=frozenset(),
        network="loopback",
        probe_image="probe",
        provider="embedded",
        parts={},
        admin_socket=folder / "aws.sock",
    )
    described.write()
    monkeypatch.setattr(runs_module, "served", lambda folder_: folder_ == folder)
    monkeypatch.setattr(site_module, "cluster_of", _no_cluster)
    return described


def _no_cluster(*_: object) -> Any:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - of this stand-in only

    raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeCluster")


@pytest.fixture
def role(clients: Clients) -> Any:
    made: list[str] = []
    iam = clients("iam")

    def make(name: str, **tags: str) -> None:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=pairs(**tags))
        made.append(name)

    yield make
    for name in there(clients) & set(made):
        iam.delete_role(RoleName=name)


@pytest.fixture
def cluster(clients: Clients) -> Any:
    eks, iam, made = clients("eks"), clients("iam"), []
    trust = TRUST.replace("pods.eks", "eks")
    arn = iam.create_role(RoleName="clusters", AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def make(name: str, run: str) -> None:
        access = {"subnetIds": ["subnet-00000000000000001", "subnet-00000000000000002"]}
        eks.create_cluster(name=name, roleArn=arn, resourcesVpcConfig=access, tags={TAG: run})
        made.append(name)

    yield make
    iam.delete_role(RoleName="clusters")
    for name in set(made) & set(eks.list_clusters()["clusters"]):
        eks.get_waiter("cluster_active").wait(name=name, WaiterConfig={"Delay": 0.05})
        eks.delete_cluster(name=name)


def there(clients: Clients) -> set[str]:
    return {role["RoleName"] for role in clients("iam").list_roles()["Roles"]}


def done(request: Request) -> Swept:
    swept = sweep(request)
    assert not swept.trouble
    return swept


@pytest.fixture
def request_(tmp_path: Path, environment: Environment) -> Any:
    return lambda **asked: Request(tmp_path / "reports", environment=environment, **asked)


def test_a_run_that_is_over_goes_and_its_ledger_is_closed(
    make_run: MakeRun, role: Any, request_: Any, clients: Clients
) -> None:
    ledger = make_run("s1")
    role("pi-s1-0000-reader", conformance__run="s1")

    swept = done(request_())

    (balance,) = swept.runs
    assert (balance.created, balance.destroyed, balance.left) == (1, 1, [])
    assert balance.removed == ["role pi-s1-0000-reader"]
    assert swept.clean
    assert ledger.left() == []
    assert "pi-s1-0000-reader" not in there(clients)


def test_a_second_sweep_has_nothing_to_do(make_run: MakeRun, role: Any, request_: Any) -> None:
    make_run("s2")
    role("pi-s2-0000-reader", conformance__run="s2")
    done(request_())
    assert done(request_()).runs == []


def test_a_run_that_lives_is_spared(
    make_run: MakeRun, role: Any, request_: Any, clients: Clients
) -> None:
    make_run("s3", writer=Stamp.own())
    role("pi-s3-0000-reader", conformance__run="s3")

    swept = done(request_())

    (spared,) = swept.spared
    assert (spared.run, spared.why) == ("s3", "still running")
    assert swept.clean
    assert "pi-s3-0000-reader" in there(clients)
    with pytest.raises(UsageError, match="still running"):
        sweep(request_(run="s3"))


@pytest.mark.parametrize("kind", ["kept", "elsewhere", "unknown"])
def test_what_may_be_wanted_goes_by_name_only(
    kind: str, make_run: MakeRun, role: Any, request_: Any, clients: Clients
) -> None:
    if kind == "kept":
        make_run("s4").keep()
    elif kind == "elsewhere":
        make_run("s4", writer=stamp_elsewhere())
    role("pi-s4-0000-reader", conformance__run="s4")

    assert [spared.run for spared in done(request_()).spared] == ["s4"]
    assert "pi-s4-0000-reader" in there(clients)
    assert done(request_(run="s4")).clean
    assert "pi-s4-0000-reader" not in there(clients)


def test_a_run_without_ledger_goes_when_it_is_old_enough(
    role: Any, request_: Any, clients: Clients
) -> None:
    role("pi-s5-0000-reader", conformance__run="s5")

    young = done(request_(older_than=timedelta(hours=6)))
    assert [spared.why for spared in young.spared] == ["younger than asked for"]
    assert done(request_(older_than=timedelta(0))).clean
    assert "pi-s5-0000-reader" not in there(clients)


def test_a_dry_run_takes_nothing_and_is_not_clean(
    make_run: MakeRun, role: Any, request_: Any, clients: Clients
) -> None:
    ledger = make_run("s6")
    role("pi-s6-0000-reader", conformance__run="s6")

    swept = done(request_(dry_run=True))

    assert [run.left for run in swept.runs] == [["role pi-s6-0000-reader"]]
    assert not swept.clean
    assert ledger.left() != []
    assert "pi-s6-0000-reader" in there(clients)


def test_what_is_found_of_a_closed_ledger_goes_too(
    make_run: MakeRun, role: Any, request_: Any, clients: Clients
) -> None:
    ledger = make_run("s7")
    ledger.destroyed(ledger.left()[0].workspace)
    role("pi-s7-0000-reader", conformance__run="s7")

    done(request_())

    assert "pi-s7-0000-reader" not in there(clients)


def test_a_bucket_between_making_and_tagging_goes_by_the_ledger(
    make_run: MakeRun, request_: Any, clients: Clients
) -> None:
    s3 = clients("s3")
    make_run("s8", names={"buckets": ["pi-s8-0000-data"]})
    for name in ("pi-s8-0000-data", "pi-s8-0000-mine"):
        s3.create_bucket(Bucket=name)

    done(request_())

    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert "pi-s8-0000-data" not in names
    assert "pi-s8-0000-mine" in names
    s3.delete_bucket(Bucket="pi-s8-0000-mine")


def test_a_cluster_goes_by_ledger_and_tag_and_its_folder_with_it(
    make_run: MakeRun, cluster: Any, request_: Any, clients: Clients
) -> None:
    ledger = make_run("s14", root=BY_HAND, name="s14-second", cluster="")
    (entry,) = ledger.left()
    Path(entry.workspace).mkdir(parents=True)
    cluster("s14-second", "s14")

    swept = done(request_(keep_folders=True))

    assert swept.clean
    assert swept.runs[0].removed == ["cluster s14-second"]
    assert "s14-second" not in clients("eks").list_clusters()["clusters"]
    assert not Path(entry.workspace).exists()


def test_a_cluster_that_only_its_tag_names_is_left_and_said_to_be(
    make_run: MakeRun, cluster: Any, request_: Any, clients: Clients
) -> None:
    ledger = make_run("s15")
    cluster("s15-second", "s15")

    for dry_run in (True, False):
        swept = done(request_(dry_run=dry_run))
        assert swept.runs[0].left == [f"cluster s15-second: {ONLY_TAGGED}"]
        assert not swept.clean

    assert ledger.left() != []
    assert "s15-second" in clients("eks").list_clusters()["clusters"]


def test_a_run_that_nothing_names_is_no_run(request_: Any) -> None:
    with pytest.raises(UsageError, match="nothing names it"):
        sweep(request_(run="never"))


def test_what_went_with_its_environment_is_counted_as_destroyed(
    make_run: MakeRun, tmp_path: Path, tmp: Path
) -> None:
    ledger = make_run("s9", environment=str(tmp / "gone.json"), account_id="000000000000")
    (workspace,) = (entry.workspace for entry in ledger.left())
    Path(workspace).mkdir(parents=True)
    for state in ("planned", "started", "finished"):
        ledger.step(workspace, Progress("aws_iam_role.a", "create", state, 0))

    swept = done(Request(tmp_path / "reports"))

    (balance,) = swept.runs
    assert (balance.intended, balance.created, balance.destroyed) == (1, 1, 1)
    assert balance.how == "gone with its environment"
    assert ledger.left() == []
    assert not Path(workspace).exists()


def test_folders_outside_of_the_run_are_not_removed(
    make_run: MakeRun, tmp_path: Path, tmp: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    make_run("s10", workspace=str(outside), account_id="000000000000")

    done(Request(tmp_path / "reports"))

    assert outside.is_dir()


def test_a_ledger_that_cannot_be_settled_stays_open(
    make_run: MakeRun, tmp_path: Path, tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    ledger = make_run("s11", endpoint=None, account_id="111122223333")

    swept = sweep(Request(tmp_path / "reports"))

    assert "account 111122223333 cannot be reached" in swept.trouble[0]
    assert not swept.clean
    assert len(ledger.left()) == 1


def test_the_command_prints_a_balance_and_exits_0_or_3(
    make_run: MakeRun, role: Any, environment: Environment, tmp_path: Path, capsys: Any
) -> None:
    make_run("s12")
    role("pi-s12-0000-reader", conformance__run="s12")

    assert run_command(tmp_path, environment, dry_run=True) == 3
    assert "would be swept" in capsys.readouterr().out
    assert run_command(tmp_path, environment) == 0
    out = capsys.readouterr().out
    assert "✓ role pi-s12-0000-reader  (run s12)" in out
    assert "clean: nothing is left behind" in out


def test_json_holds_everything(
    make_run: MakeRun, role: Any, environment: Environment, tmp_path: Path, capsys: Any
) -> None:
    make_run("s13")
    role("pi-s13-0000-reader", conformance__run="s13")

    assert run_command(tmp_path, environment, as_json=True) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["clean"]
    (balance,) = told["runs"]
    assert (balance["run"], balance["destroyed"], balance["left"]) == ("s13", 1, [])


@pytest.mark.parametrize(
    "asked",
    [
        {"older_than": "6"},
        {"older_than": "six hours"},
        {"region": "eu-west-1"},
        {"target": "embedded"},
    ],
)
def test_a_mistake_on_the_command_line_is_one(asked: Any, tmp_path: Path, tmp: Path) -> None:
    with pytest.raises(UsageError):
        command.sweep(reports=tmp_path, **asked)


def run_command(tmp_path: Path, environment: Environment, **asked: Any) -> int:
    with pytest.raises(typer.Exit) as end:
        command.sweep(reports=tmp_path / "reports", environment=environment.file, **asked)
    return end.value.exit_code
