"""What a node group asks of its nodes, and the add-on's configuration of its agents."""

from collections.abc import Iterator
from typing import Any

import pytest

AGENT = "eks-pod-identity-agent"
PODS = f"/api/v1/namespaces/kube-system/pods?labelSelector=app.kubernetes.io/name%3D{AGENT}"
TAINT = {"key": "team", "value": "shop", "effect": "NoSchedule"}


@pytest.fixture
def groups(cluster: Any) -> Iterator[Any]:
    yield cluster
    cluster.control("DELETE", f"/addons/{AGENT}")
    cluster.control("DELETE", "/nodegroups/own")


def ask(cluster: Any, path: str, **wanted: Any) -> None:
    status, answer = cluster.control("PUT", path, wanted)
    assert status == 200, answer


def group(cluster: Any, **wanted: Any) -> Any:
    """The only node of a group with these labels and taints."""
    ask(cluster, "/nodegroups/own", **{"desired": 1, "role_arn": "r", **wanted})
    query = "labelSelector=eks.amazonaws.com/nodegroup%3Down"
    (node,) = cluster.api("GET", f"/api/v1/nodes?{query}")["items"]
    return node


def nodes_with_agents(cluster: Any) -> set[str]:
    pods = cluster.api("GET", PODS)["items"]
    return {p["spec"]["nodeName"] for p in pods if "deletionTimestamp" not in p["metadata"]}


def test_nodes_are_born_with_their_groups_taints(groups: Any, shell_pod: Any) -> None:
    node = group(groups, taints=[TAINT])
    assert node["spec"]["taints"] == [TAINT]
    here = {"nodeSelector": {"kubernetes.io/hostname": node["metadata"]["name"]}}
    groups.create(shell_pod("repelled", "true", **here))
    tolerated = [{"key": "team", "operator": "Exists"}]
    groups.run("tolerant", "true", **here, tolerations=tolerated)
    assert groups.pod("repelled")["status"]["conditions"][0]["reason"] == "Unschedulable"


def test_taints_of_a_group_change_and_those_of_others_stay(groups: Any) -> None:
    node = group(groups, taints=[TAINT])
    mine = {"key": "mine", "effect": "NoSchedule"}
    path = f"/api/v1/nodes/{node['metadata']['name']}"
    node["spec"]["taints"].append(mine)
    groups.api("PUT", path, node)
    other = TAINT | {"value": "other"}
    assert group(groups, taints=[other])["spec"]["taints"] == [mine, other]
    assert group(groups)["spec"]["taints"] == [mine]


def test_running_pods_leave_when_their_group_repels_them(groups: Any, shell_pod: Any) -> None:
    name = group(groups)["metadata"]["name"]
    groups.create(shell_pod("leaves", "sleep 600", nodeName=name))
    groups.phase("leaves", "Running")
    group(groups, taints=[TAINT | {"effect": "NoExecute"}])
    groups.gone("leaves")


def test_agents_run_where_the_configuration_wants_them(groups: Any) -> None:
    node = group(groups, labels={"agents": "here"})["metadata"]["name"]
    values: dict[str, Any] = {"nodeSelector": {"agents": "here"}, "podLabels": {"tier": "node"}}
    ask(groups, f"/addons/{AGENT}", configuration=values)
    assert nodes_with_agents(groups) == {node}
    assert groups.api("GET", PODS)["items"][0]["metadata"]["labels"]["tier"] == "node"
    ask(groups, f"/addons/{AGENT}", configuration={})
    assert nodes_with_agents(groups) == set(groups.nodes())


def test_agents_keep_away_from_taints_that_they_do_not_tolerate(groups: Any) -> None:
    node = group(groups, taints=[TAINT])["metadata"]["name"]
    ask(groups, f"/addons/{AGENT}", configuration={"tolerations": []})
    assert nodes_with_agents(groups) == set(groups.nodes()) - {node}


def test_affinity_is_laid_over_the_charts(groups: Any) -> None:
    node = group(groups, labels={"agents": "not-here"})["metadata"]["name"]
    away = {"key": "agents", "operator": "NotIn", "values": ["not-here"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [away]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    ask(groups, f"/addons/{AGENT}", configuration={"affinity": {"nodeAffinity": required}})
    assert nodes_with_agents(groups) == set(groups.nodes()) - {node}


def test_there_are_no_agents_when_none_are_wanted(groups: Any) -> None:
    ask(groups, f"/addons/{AGENT}")
    ask(groups, f"/addons/{AGENT}", configuration={"daemonsets": {"cloud": {"create": False}}})
    assert groups.api("GET", PODS)["items"] == []
    ask(groups, f"/addons/{AGENT}", conflicts="NONE")
    assert nodes_with_agents(groups) == set(groups.nodes())
