import json

from conformance.world import looking
from conformance.world.agents import AgentLine

POD = {
    "metadata": {"name": "app", "labels": {"eks.amazonaws.com/pod-identity": "enabled"}},
    "spec": {
        "containers": [
            {
                "name": "app",
                "env": [{"name": "AWS_ACCESS_KEY_ID", "value": "a key of the pod's own"}],
                "volumeMounts": [{"name": "mine", "mountPath": "/mine"}],
            }
        ],
        "volumes": [{"name": "mine", "emptyDir": {}}],
    },
}


def test_pod_is_told_by_names_and_never_by_values() -> None:
    seen = looking.admitted_pod(POD)

    assert (seen["stage"], seen["outcome"], seen["label"]) == ("injection", "injected", "enabled")
    assert seen["variables"] == {"app": ["AWS_ACCESS_KEY_ID"]}
    assert seen["mounts"] == {"app": ["/mine"]}
    assert "a key of the pod's own" not in json.dumps(seen)


def test_pod_that_was_left_alone_says_so() -> None:
    plain = {"metadata": {"name": "app"}, "spec": {"containers": [{"name": "app"}]}}

    assert looking.admitted_pod(plain)["outcome"] == "left alone"
    assert looking.admitted_deployment({"spec": {"template": plain}})["outcome"] == "left alone"


def test_log_is_told_by_numbers_and_never_by_words() -> None:
    lines = [AgentLine("node-1", "10.0.0.1", "info", "what it must not say") for _ in range(2)] + [
        AgentLine("node-2", "10.0.0.1", "error", "nor here")
    ]
    seen = looking.agents_lines(lines)

    assert seen["outcome"] == "3 lines"
    assert seen["lines"] == {"node-1 info": 2, "node-2 error": 1}
    assert "must not" not in json.dumps(seen)
    assert looking.agents_lines([])["outcome"] == "never asked"
    assert looking.agents_logs({"node-1": "a\nb\n"})["lines"] == {"node-1": 2}


def test_webhook_is_told_by_what_it_is_asked_about() -> None:
    webhook = {"name": "x", "failurePolicy": "Ignore", "clientConfig": {"caBundle": "long"}}
    seen = looking.registered(webhook)

    assert seen["failurePolicy"] == "Ignore"
    assert "clientConfig" not in seen


def test_event_is_told_without_its_parameters() -> None:
    event = {
        "eventTime": "2026-11-23T12:00:00Z",
        "eventName": "AssumeRoleForPodIdentity",
        "errorCode": "AccessDenied",
        "userIdentity": {"arn": "arn:aws:sts::1:assumed-role/node/i-1", "accessKeyId": "its key"},
        "requestParameters": {"token": "the token itself"},
    }
    seen = looking.trail_events("EventName AssumeRoleForPodIdentity", [event] * 30)

    assert seen["outcome"] == "30 events"
    assert len(seen["events"]) == looking.MOST_EVENTS
    assert (seen["events"][0]["errorCode"], seen["events"][0]["by"][-3:]) == ("AccessDenied", "i-1")
    assert "the token itself" not in json.dumps(seen)
    assert "its key" not in json.dumps(seen)
