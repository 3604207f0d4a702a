"""`pods/exec`: the official client, kubectl, and what a program finds inside."""

from collections.abc import Iterator
from typing import Any

import pytest

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def runs(cluster: Any, shell_pod: Any) -> Any:
    """A pod `runs` that is there for the tests of this file."""
    spec = {"terminationGracePeriodSeconds": 0, "securityContext": {"runAsUser": 1234}}
    env = {"env": [{"name": "COLOUR", "value": "blue"}]}
    cluster.create(shell_pod("runs", "sleep 600", container=env, **spec))
    cluster.phase("runs", "Running")
    return cluster


def test_output_errors_and_exit_code_come_back(runs: Any) -> None:
    code, output, errors = runs.execute("runs", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (code, output, errors) == (3, "out\n", "err\n")


def test_it_is_the_containers_user_environment_and_files(runs: Any, machine: Any) -> None:
    if not machine["bubblewrap"]:
        pytest.skip(f"no sandbox: {machine['bubblewrap_reason']}")
    shown = "id -u; hostname; echo $COLOUR; grep CapBnd /proc/self/status; ls /boot"
    code, output, errors = runs.execute("runs", "sh", "-c", shown)
    assert output.split() == ["1234", "runs", "blue", "CapBnd:", "0" * 16]
    assert code == 2
    assert "No such file" in errors


def test_input_is_passed_on_and_ends(runs: Any) -> None:
    code, output, _ = runs.execute("runs", "sh", "-c", "cat; echo end", stdin=b"one\ntwo\n")
    assert (code, output) == (0, "one\ntwo\nend\n")


def test_a_terminal_is_one(runs: Any) -> None:
    # The size comes when the program runs already, as from a kubelet.
    shown = "until stty size | grep -v '^0 0$'; do sleep 0.01; done; test -t 1"
    code, output, _ = runs.execute("runs", "sh", "-c", shown, terminal=(120, 33))
    assert (code, output) == (0, "33 120\r\n")


def test_a_missing_program_is_127(runs: Any) -> None:
    code, _, errors = runs.execute("runs", "no-such")
    assert code == 127
    assert '"no-such": executable file not found in $PATH' in errors


def test_a_pod_that_is_over_takes_nothing(runs: Any) -> None:
    runs.run("over", "true")
    status, text = runs.request("GET", f"{PODS}/over/exec?command=true&stdout=true")
    assert (status, "completed pod" in text) == (400, True)


def test_an_image_without_a_shell_says_so(runs: Any, shell_pod: Any) -> None:
    pause = {"image": "registry.k8s.io/pause:3.10"}
    runs.create(shell_pod("pause", "", container=pause, terminationGracePeriodSeconds=0))
    runs.phase("pause", "Running")
    path = f"{PODS}/pause/exec?command=sh&stdout=true"
    status, text = runs.request("GET", path, headers={"Upgrade": "websocket"})
    assert status == 500
    assert "executable file not found" in text
    runs.api("DELETE", f"{PODS}/pause")


def test_executing_needs_more_than_reading(runs: Any) -> None:
    """The right to get pods/exec alone opens no WebSocket; to create it is needed as well."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    for name, verbs in (("looks", ["get"]), ("acts", ["get", "create"])):
        runs.api("POST", accounts, {"metadata": {"name": name}})
        rules = [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": verbs}]
        role = {"metadata": {"name": name}, "rules": rules}
        rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
        runs.api("POST", f"{rbac}/roles", role)
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
        }
        runs.api("POST", f"{rbac}/rolebindings", binding)
        token = runs.api("POST", f"{accounts}/{name}/token", {"spec": {}})["status"]["token"]
        status, text = runs.request("GET", f"{PODS}/runs/exec?command=true", token=token)
        if name == "looks":
            assert status == 403
            assert "cannot create resource" in text
        else:
            assert (status, "Upgrade request required" in text) == (400, True)


def test_the_caller_hangs_up_and_the_program_ends(runs: Any) -> None:
    opened = runs.attach("runs", "sleep", "543.21")
    find = ("sh", "-c", "ps ax -o args | grep -c '^sleep [5]43.21'; true")
    runs.until("runs", lambda _: runs.execute("runs", *find)[1] == "1\n")
    opened.shutdown()
    runs.until("runs", lambda _: runs.execute("runs", *find)[1] == "0\n")


@pytest.fixture(params=["auto", "loopback"])
def unprivileged(
    aws: Any, start_cluster: Any, nobody: int, request: pytest.FixtureRequest
) -> Iterator[Any]:
    with start_cluster(aws, request.param, user=nobody) as cluster:
        yield cluster


def test_it_works_without_privileges(unprivileged: Any, shell_pod: Any, machine: Any) -> None:
    unprivileged.scale(1)
    spec = {"terminationGracePeriodSeconds": 0, "securityContext": {"runAsUser": 1234}}
    unprivileged.create(shell_pod("mine", "sleep 60", **spec))
    unprivileged.phase("mine", "Running")
    expected = "1234\nmine\n" if machine["bubblewrap"] else None
    code, output, _ = unprivileged.execute("mine", "sh", "-c", "id -u; hostname; exit 4")
    assert code == 4
    assert output == expected or expected is None
