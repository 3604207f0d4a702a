"""Probes, lifecycle hooks, sidecars and restart policies of single containers."""

from typing import Any

Json = dict[str, Any]
SERVE = (
    "import http.server, pathlib, sys\n"
    "class Handler(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        good = self.path == '/healthy' and pathlib.Path('/tmp/good').exists()\n"
    "        self.send_response(200 if good else 503)\n"
    "        self.end_headers()\n"
    "    def log_message(self, *_): pass\n"
    "http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()\n"
)
SOON = {"periodSeconds": 1, "failureThreshold": 1}
PATIENT = {"failureThreshold": 9}


def container(pod: Json, name: str = "main", group: str = "containerStatuses") -> Json:
    found = pod["status"].get(group) or []
    return next((one for one in found if one["name"] == name), {"state": {}})


def ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def reasons(cluster: Any, pod: str) -> set[str]:
    path = "/api/v1/namespaces/default/events"
    found = cluster.api("GET", f"{path}?fieldSelector=involvedObject.name={pod}")["items"]
    return {f"{one['reason']}: {one['message']}" for one in found}


def test_a_pod_is_ready_when_its_probe_says_so(cluster: Any, shell_pod: Any) -> None:
    probe = SOON | {"httpGet": {"port": "web", "path": "/healthy"}}
    main = {
        "image": "python",
        "command": ["python", "-c", SERVE],
        "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": probe,
    }
    helper = {"name": "helper", "image": "busybox", "command": ["sleep", "60"]}
    pod = shell_pod("probed", "", container=main, terminationGracePeriodSeconds=0)
    pod["spec"]["containers"].append(helper)
    cluster.create(pod)
    said = "HTTP probe failed with statuscode: 503"
    cluster.until("probed", lambda _: said in str(reasons(cluster, "probed")))
    unready = cluster.pod("probed")
    assert (container(unready)["ready"], ready(unready)) == (False, False)
    assert container(unready)["started"] is True
    cluster.execute("probed", "touch", "/tmp/good")
    assert container(cluster.until("probed", ready))["ready"] is True
    cluster.execute("probed", "rm", "/tmp/good")
    cluster.until("probed", lambda p: not ready(p))
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/probed")


def test_a_container_that_is_not_alive_is_started_again(cluster: Any, shell_pod: Any) -> None:
    main = {"livenessProbe": SOON | {"exec": {"command": ["test", "!", "-e", "/tmp/dead"]}}}
    command = "echo run; touch /tmp/dead; sleep 60"
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 0}
    cluster.create(shell_pod("dead", command, container=main, **spec))
    again = cluster.until("dead", lambda p: container(p).get("restartCount"))
    assert container(again)["lastState"]["terminated"]["exitCode"] in (137, 143)
    said = reasons(cluster, "dead")
    assert "Killing: Container main failed liveness probe, will be restarted" in said
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/dead")


def test_nothing_is_asked_before_the_startup_probe_succeeded(cluster: Any, shell_pod: Any) -> None:
    slow = {"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 60}
    main = {"startupProbe": slow, "livenessProbe": SOON | {"exec": {"command": ["false"]}}}
    cluster.create(shell_pod("slow", "sleep 60", container=main, terminationGracePeriodSeconds=0))
    said = "Startup probe failed"
    cluster.until("slow", lambda _: said in str(reasons(cluster, "slow")))
    waiting = cluster.pod("slow")
    assert (container(waiting)["started"], container(waiting)["restartCount"]) == (False, 0)
    assert not any("Liveness" in one for one in reasons(cluster, "slow"))
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/slow")


def test_hooks_run_after_the_start_and_before_the_end(cluster: Any, shell_pod: Any) -> None:
    said = [{"name": "s", "mountPath": "/s"}]
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo began >> /s/log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo ends >> /s/log"]}},
    }
    until_told = "trap 'echo told >> /s/log; exit 0' TERM; while :; do sleep 0.02; done"
    show = (
        "trap 'while ! grep -q told /s/log; do sleep 0.02; done; cat /s/log; exit 0' TERM;"
        "while :; do sleep 0.02; done"
    )
    pod = shell_pod(
        "hooked",
        until_told,
        container={"lifecycle": hooks, "volumeMounts": said},
        volumes=[{"name": "s", "emptyDir": {}}],
        terminationGracePeriodSeconds=10,
    )
    shows = {"name": "shows", "image": "busybox", "command": ["sh", "-c", show]}
    pod["spec"]["containers"].append(shows | {"volumeMounts": said})
    pod["metadata"]["finalizers"] = ["test/keep"]
    cluster.create(pod)
    cluster.until("hooked", ready)
    cluster.until("hooked", lambda _: "began" in cluster.execute("hooked", "cat", "/s/log")[1])
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/hooked")
    cluster.until("hooked", lambda p: "terminated" in container(p, "shows")["state"])
    assert cluster.log("hooked", "?container=shows") == "began\nends\ntold\n"
    path = "/api/v1/namespaces/default/pods/hooked"
    kept = cluster.api("GET", path)
    kept["metadata"]["finalizers"] = []
    cluster.api("PUT", path, kept)
    cluster.gone("hooked")


def test_a_sidecar_is_there_before_and_after_the_others(cluster: Any, shell_pod: Any) -> None:
    share = [{"name": "s", "mountPath": "/s"}]
    sidecar = {
        "name": "side",
        "image": "busybox",
        "restartPolicy": "Always",
        "volumeMounts": share,
        "startupProbe": SOON | PATIENT | {"exec": {"command": ["test", "-e", "/s/up"]}},
        "command": [
            "sh",
            "-c",
            "trap 'cat /s/log; exit 0' TERM; sleep 0.2; touch /s/up; while :; do sleep 0.02; done",
        ],
    }
    command = "test -e /s/up && echo after-sidecar >> /s/log; sleep 0.1; echo main-ended >> /s/log"
    pod = shell_pod(
        "beside",
        command,
        container={"volumeMounts": share},
        initContainers=[sidecar],
        volumes=[{"name": "s", "emptyDir": {}}],
    )
    cluster.create(pod)
    ended = cluster.phase("beside", "Succeeded")
    assert cluster.log("beside", "?container=side") == "after-sidecar\nmain-ended\n"
    assert "terminated" in container(ended, "side", "initContainerStatuses")["state"]


def test_a_container_may_have_its_own_restart_policy(cluster: Any, shell_pod: Any) -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    share = [{"name": "s", "mountPath": "/s"}]
    pod = shell_pod(
        "rules",
        "test -e /s/again || { touch /s/again; exit 42; }; exit 3",
        container={
            "restartPolicy": "Never",
            "restartPolicyRules": [rule],
            "volumeMounts": share,
        },
        restartPolicy="Always",
        volumes=[{"name": "s", "emptyDir": {}}],
    )
    cluster.create(pod)
    ended = container(cluster.phase("rules", "Failed"))
    assert (ended["restartCount"], ended["state"]["terminated"]["exitCode"]) == (1, 3)


def test_the_story_of_a_pod_is_in_its_events(cluster: Any, shell_pod: Any) -> None:
    cluster.run("story", "true")
    expected = {
        'Pulled: Container image "busybox" already present on machine',
        "Created: Created container: main",
        "Started: Started container main",
    }
    cluster.until("story", lambda _: expected <= reasons(cluster, "story"))
    assert "Successfully assigned default/story" in str(reasons(cluster, "story"))
    cluster.create(shell_pod("crash", "exit 1", restartPolicy="Always"))
    cluster.until("crash", lambda _: "BackOff: Back-off" in str(reasons(cluster, "crash")))
    cluster.api("DELETE", "/api/v1/namespaces/default/pods/crash")
