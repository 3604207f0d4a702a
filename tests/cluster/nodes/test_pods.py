import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

Json = dict[str, Any]


def test_a_pod_runs_and_its_log_has_times(cluster: Any) -> None:
    assert cluster.run("hello", "echo hi; echo there >&2") in ("hi\nthere\n", "there\nhi\n")
    line = cluster.log("hello", "?timestamps=true&tailLines=1")
    stamp, text = line.split(" ")
    assert len(stamp) == 30
    assert stamp.endswith("Z")
    assert text in ("hi\n", "there\n")


def test_exit_code_and_last_words_are_reported(cluster: Any, shell_pod: Any) -> None:
    cluster.create(shell_pod("fails", "echo why >/dev/termination-log; exit 3"))
    status = cluster.phase("fails", "Failed")["status"]
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "why\n")


def test_a_missing_program_is_a_start_error(cluster: Any, shell_pod: Any) -> None:
    cluster.create(shell_pod("lost", "", container={"command": ["/no/such"]}))
    ended = cluster.phase("lost", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such" in ended["message"]


def test_unknown_image_waits_in_err_image_pull(cluster: Any, shell_pod: Any) -> None:
    cluster.create(shell_pod("nopull", "true", container={"image": "example.com/none:1"}))

    def waiting(pod: Json) -> bool:
        found = pod["status"].get("containerStatuses") or [{"state": {}}]
        return bool(found[0]["state"].get("waiting", {}).get("reason") == "ErrImagePull")

    assert cluster.until("nopull", waiting)["status"]["phase"] == "Pending"


def test_variables_come_from_everywhere(cluster: Any) -> None:
    cluster.api(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        {"metadata": {"name": "settings"}, "data": {"COLOUR": "blue", "SIZE": "7"}},
    )
    secret = {"metadata": {"name": "key"}, "data": {"k": base64.b64encode(b"s3cr3t").decode()}}
    cluster.api("POST", "/api/v1/namespaces/default/secrets", secret)
    env = [
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
        {"name": "BOTH", "value": "$(CFG_COLOUR)-$(KEY)-$(NOBODY)-$$(KEY)"},
    ]
    source = [{"prefix": "CFG_", "configMapRef": {"name": "settings"}}]
    said = cluster.run("vars", "env", container={"env": env, "envFrom": source})
    variables = dict(line.split("=", 1) for line in said.splitlines())
    assert variables["BOTH"] == "blue-s3cr3t-$(NOBODY)-$(KEY)"
    assert variables["NODE"] in cluster.nodes()
    assert variables["IP"] == cluster.pod("vars")["status"]["podIP"]
    assert variables["HOSTNAME"] == "vars"
    assert variables["AWS_ENDPOINT_URL"] == cluster.info["aws_endpoint"]
    assert not {name for name in variables if name.startswith("AWS_")} - {
        "AWS_ENDPOINT_URL",
        "AWS_EC2_METADATA_DISABLED",
    }


def test_a_missing_config_map_is_a_configuration_error_until_it_is_there(
    cluster: Any, shell_pod: Any
) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "x"}}}]
    cluster.create(shell_pod("patient", "echo $X", container={"env": env}))

    def waiting(pod: Json) -> bool:
        found = pod["status"].get("containerStatuses") or [{"state": {}}]
        reason = found[0]["state"].get("waiting", {}).get("reason")
        return bool(reason == "CreateContainerConfigError")

    cluster.until("patient", waiting)
    later = {"metadata": {"name": "later"}, "data": {"x": "now"}}
    cluster.api("POST", "/api/v1/namespaces/default/configmaps", later)
    cluster.phase("patient", "Succeeded")
    assert cluster.log("patient") == "now\n"


def test_init_containers_run_in_order_before_the_others(cluster: Any) -> None:
    share = [{"name": "s", "mountPath": "/s"}]
    first = [
        {
            "name": f"i{number}",
            "image": "busybox",
            "command": ["sh", "-c", f"echo {number} >> /s/order"],
            "volumeMounts": share,
        }
        for number in (1, 2)
    ]
    said = cluster.run(
        "order",
        "cat /s/order",
        initContainers=first,
        volumes=[{"name": "s", "emptyDir": {}}],
        container={"volumeMounts": share},
    )
    assert said == "1\n2\n"


def test_a_failed_init_container_fails_the_pod(cluster: Any, shell_pod: Any) -> None:
    broken = {"name": "i", "image": "busybox", "command": ["false"]}
    cluster.create(shell_pod("broken", "echo never", initContainers=[broken]))
    status = cluster.phase("broken", "Failed")["status"]
    assert "containerID" not in status["containerStatuses"][0]


def test_a_container_restarts_and_its_previous_log_is_kept(cluster: Any, shell_pod: Any) -> None:
    command = "if [ -e /s/been ]; then echo second; sleep 60; fi; echo first; touch /s/been; exit 1"
    cluster.create(
        shell_pod(
            "again",
            command,
            restartPolicy="Always",
            volumes=[{"name": "s", "emptyDir": {}}],
            container={"volumeMounts": [{"name": "s", "mountPath": "/s"}]},
        )
    )

    def running_again(pod: Json) -> bool:
        found = (pod["status"].get("containerStatuses") or [{"restartCount": 0}])[0]
        return found["restartCount"] == 1 and "running" in found["state"]

    status = cluster.until("again", running_again)["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert cluster.log("again", "?previous=true") == "first\n"
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/again")
    cluster.gone("again")


def test_follow_ends_with_the_container(cluster: Any, shell_pod: Any) -> None:
    cluster.create(shell_pod("talks", "echo one; sleep 0.3; echo two"))
    cluster.phase("talks", "Running")
    assert cluster.log("talks", "?follow=true") == "one\ntwo\n"


def test_deletion_lets_the_program_end_itself(cluster: Any, shell_pod: Any) -> None:
    program = "trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.01; done"
    cluster.create(shell_pod("polite", program))
    cluster.phase("polite", "Running")
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(cluster.log("polite", "?follow=true")))
    reader.start()
    cluster.until("polite", lambda _: "up" in cluster.log("polite"))
    began = time.monotonic()
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/polite")
    cluster.gone("polite")
    reader.join()
    assert time.monotonic() - began < 5
    assert said == ["up\nbye\n"]


def test_deletion_kills_after_the_grace(cluster: Any, shell_pod: Any) -> None:
    program = "trap '' TERM; echo up; while true; do sleep 0.01; done"
    cluster.create(shell_pod("stubborn", program, terminationGracePeriodSeconds=1))
    cluster.until(
        "stubborn", lambda pod: pod["status"]["phase"] == "Running" and cluster.log("stubborn")
    )
    began = time.monotonic()
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/stubborn")
    cluster.gone("stubborn")
    assert 0.9 < time.monotonic() - began < 4


def test_a_deadline_ends_the_pod(cluster: Any, shell_pod: Any) -> None:
    spec = {"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 1}
    cluster.create(shell_pod("late", "sleep 60", **spec))
    assert cluster.phase("late", "Failed")["status"]["reason"] == "DeadlineExceeded"


def test_root_is_refused_where_the_pod_forbids_it(cluster: Any, shell_pod: Any) -> None:
    cluster.create(shell_pod("noroot", "id", securityContext={"runAsNonRoot": True}))

    def refused(pod: Json) -> bool:
        found = pod["status"].get("containerStatuses") or [{"state": {}}]
        return "runAsNonRoot" in found[0]["state"].get("waiting", {}).get("message", "")

    cluster.until("noroot", refused)


def test_the_aws_cli_is_an_image(cluster: Any) -> None:
    pytest.importorskip("awscli")
    container = {"name": "main", "image": "public.ecr.aws/aws-cli/aws-cli:2", "args": ["--version"]}
    assert cluster.run("cli", "", containers=[container]).startswith("aws-cli/")
    inner = {"image": "amazon/aws-cli", "command": ["sh", "-c", "cd /tmp; aws --version"]}
    assert cluster.run("clishell", "", container=inner).startswith("aws-cli/")


def test_the_probe_image_starts_the_runner(cluster: Any, shell_pod: Any) -> None:
    container = {"name": "main", "image": "conformance/probe:test"}
    cluster.create(shell_pod("probe", "", containers=[container]))
    ended = cluster.phase("probe", "Failed", "Succeeded")["status"]["containerStatuses"][0]
    # Without a plan it has nothing to do, and says so itself.
    assert ended["state"]["terminated"]["reason"] != "StartError"
    assert "CONFORMANCE_PLAN" in cluster.log("probe")


def test_thirty_pods_at_once(cluster: Any, shell_pod: Any) -> None:
    names = [f"many{number}" for number in range(30)]
    for name in names:
        cluster.create(shell_pod(name, f"echo {name}"))
    for name in names:
        cluster.phase(name, "Succeeded")
        assert cluster.log(name) == f"{name}\n"


def test_nodes_say_what_eks_nodes_say(cluster: Any) -> None:
    node = cluster.api("GET", "/api/v1/nodes")["items"][0]
    labels = node["metadata"]["labels"]
    assert labels["eks.amazonaws.com/nodegroup"] == "main"
    assert labels["team"] == "shop"
    assert node["spec"]["providerID"].startswith("aws:///us-west-2a/i-")
    assert not node["spec"].get("taints")
    lease = cluster.api(
        "GET",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"
        + node["metadata"]["name"],
    )
    assert lease["spec"]["holderIdentity"] == node["metadata"]["name"]


def test_a_group_that_goes_takes_its_pods_along(
    aws: Any, start_cluster: Callable[..., Any], shell_pod: Any
) -> None:
    with start_cluster(aws) as cluster:
        cluster.scale(1)
        cluster.create(shell_pod("stays", "sleep 60"))
        cluster.phase("stays", "Running")
        status, _ = cluster.control("DELETE", "/nodegroups/main")
        assert status == 200
        assert cluster.nodes() == []
        assert json.loads(cluster.request("GET", "/api/v1/pods")[1])["items"] == []
