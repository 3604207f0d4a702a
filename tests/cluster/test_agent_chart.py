from typing import Any

import pytest

from conformance.cluster.agent_chart import VALUES, agent_daemon_set

OTHER: dict[str, Any] = {
    "affinity": {"podAffinity": {"x": 1}},
    "agent": {"additionalArgs": {"-b": "169.254.170.23"}},
    "daemonsets": {"cloud": {"create": False}},
    "imagePullSecrets": [{"name": "mine"}],
    "nodeSelector": {"disk": "ssd"},
    "podAnnotations": {"a": "b"},
    "podLabels": {"a": "b"},
    "priorityClassName": "system-cluster-critical",
    "resources": {"requests": {"cpu": "10m"}},
    "tolerations": [{"key": "team", "operator": "Exists"}],
    "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}},
}


def rendered(**configuration: Any) -> dict[str, Any] | None:
    told = {"cluster": "c", "region": "eu-west-1", "agent_version": "0.1.37"}
    return agent_daemon_set(**told, configuration=configuration)


def pod_spec(**configuration: Any) -> dict[str, Any]:
    daemon_set = rendered(**configuration)
    assert daemon_set is not None
    spec: dict[str, Any] = daemon_set["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("value", VALUES)
def test_every_value_changes_what_is_rendered(value: str) -> None:
    assert rendered(**{value: OTHER[value]}) != rendered()
    assert rendered(**{value: VALUES[value]}) == rendered()


def test_maps_are_merged_and_lists_replaced() -> None:
    affinity = pod_spec(affinity=OTHER["affinity"])["affinity"]
    assert affinity == VALUES["affinity"] | OTHER["affinity"]
    assert pod_spec(tolerations=OTHER["tolerations"])["tolerations"] == OTHER["tolerations"]


@pytest.mark.parametrize("nothing", [None, []])
def test_nothing_takes_a_value_away(nothing: Any) -> None:
    assert "tolerations" not in pod_spec(tolerations=nothing)


def test_pods_are_selected_by_the_charts_labels_and_have_more() -> None:
    daemon_set = rendered(podLabels={"tier": "node"})
    assert daemon_set is not None
    chosen = daemon_set["spec"]["selector"]["matchLabels"]
    assert daemon_set["spec"]["template"]["metadata"]["labels"] == chosen | {"tier": "node"}
