"""Controllers on a registry, without HTTP; nodes are played by writing their status."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from conformance.cluster.apiserver import ApiServer
from conformance.cluster.apiserver.deletion import Deletion
from conformance.cluster.apiserver.registry import Registry
from conformance.cluster.apiserver.resources import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
)
from conformance.cluster.controllers import Controllers

CONTAINERS = [{"name": "m", "image": "i:1"}]
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": CONTAINERS}}
SELECTED = {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
NS = "default"


class Cluster:
    """A registry with controllers, and the few things a kubelet would do."""

    def __init__(self, registry: Registry, controllers: Controllers) -> None:
        self.registry = registry
        self.store = registry.store
        self.controllers = controllers

    async def node(self, name: str, *, ready: bool = True, **labels: str) -> None:
        body = {"metadata": {"name": name, "labels": labels}, "status": READY if ready else {}}
        await self.registry.create(NODES, "", body)
        await self.controllers.settled()

    async def make(self, resource: Resource, name: str, spec: Object, **meta: Any) -> Object:
        made = await self.registry.create(
            resource, NS, {"metadata": {"name": name} | meta, "spec": spec}
        )
        await self.controllers.settled()
        return made

    async def pod(self, name: str, **spec: Any) -> str | None:
        """The node that it was bound to."""
        await self.make(PODS, name, {"containers": CONTAINERS} | spec)
        node: str | None = self.store.get(PODS, NS, name)["spec"].get("nodeName")
        return node

    def pods(self) -> list[Object]:
        return self.store.items(PODS, NS)

    async def report(self, phase: str = "Running") -> None:
        """Every pod is in that phase, and ready if it runs."""
        status = {"phase": phase} | (READY if phase == "Running" else {})
        for pod in self.pods():
            await self.registry.update(
                PODS,
                NS,
                pod["metadata"]["name"],
                lambda old: old | {"status": status},
                subresource="status",
            )
        await self.controllers.settled()

    async def change(
        self, resource: Resource, name: str, change: Callable[[Object], Object]
    ) -> None:
        await self.registry.update(resource, NS, name, change)
        await self.controllers.settled()

    async def delete(self, resource: Resource, name: str, **options: Any) -> None:
        namespace = NS if resource.namespaced else ""
        await self.registry.delete(resource, namespace, name, Deletion(**options))
        await self.controllers.settled()

    async def end(self, pod: Object) -> None:
        """The node has ended the pod."""
        await self.delete(PODS, pod["metadata"]["name"], grace=0)

    def status(self, resource: Resource, name: str) -> Object:
        return dict(self.store.get(resource, NS, name)["status"])


def on_cluster(story: Callable[[Cluster], Awaitable[None]]) -> None:
    async def play() -> None:
        server = ApiServer("test", "https://issuer.test")
        controllers = Controllers(server)
        await controllers.start()
        await server.registry.create(NAMESPACES, "", {"metadata": {"name": NS}})
        await controllers.settled()
        try:
            await asyncio.wait_for(story(Cluster(server.registry, controllers)), 10)
        finally:
            await controllers.close()
            await server.close()

    asyncio.run(play())


def test_namespace_is_born_with_account_and_certificate() -> None:
    async def story(cluster: Cluster) -> None:
        assert cluster.store.find(SERVICE_ACCOUNTS, NS, "default")
        data = cluster.store.get(CONFIG_MAPS, NS, "kube-root-ca.crt")["data"]
        assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
        await cluster.delete(SERVICE_ACCOUNTS, "default")
        assert cluster.store.find(SERVICE_ACCOUNTS, NS, "default")

    on_cluster(story)


async def ending_namespace(cluster: Cluster) -> None:
    """Namespace `ends`, deleted while it holds a pod and a config map with a finalizer."""
    await cluster.registry.create(NAMESPACES, "", {"metadata": {"name": "ends"}})
    await cluster.controllers.settled()
    held = {"metadata": {"name": "held", "finalizers": ["x/y"]}}
    await cluster.registry.create(CONFIG_MAPS, "ends", held)
    running = {"metadata": {"name": "p"}, "spec": {"containers": CONTAINERS, "nodeName": "n"}}
    await cluster.node("n")
    await cluster.registry.create(PODS, "ends", running)
    await cluster.registry.delete(NAMESPACES, "", "ends")
    await cluster.controllers.settled()


def without_finalizers(old: Object) -> Object:
    return old | {"metadata": old["metadata"] | {"finalizers": []}}


def test_namespace_waits_for_pods_and_finalizers_then_ends() -> None:
    async def story(cluster: Cluster) -> None:
        await ending_namespace(cluster)
        assert cluster.store.get(NAMESPACES, "", "ends")["status"]["phase"] == "Terminating"
        await cluster.registry.delete(PODS, "ends", "p", Deletion(grace=0))
        await cluster.controllers.settled()
        assert cluster.store.items(SERVICE_ACCOUNTS, "ends") == []
        assert cluster.store.find(NAMESPACES, "", "ends")
        await cluster.registry.update(CONFIG_MAPS, "ends", "held", without_finalizers)
        await cluster.controllers.settled()
        assert cluster.store.find(NAMESPACES, "", "ends") is None

    on_cluster(story)


def test_pod_of_an_ending_namespace_has_its_account_to_the_end() -> None:
    async def story(cluster: Cluster) -> None:
        await ending_namespace(cluster)
        assert "deletionTimestamp" in cluster.store.get(PODS, "ends", "p")["metadata"]
        assert cluster.store.find(SERVICE_ACCOUNTS, "ends", "default")

    on_cluster(story)


def test_stuck_namespace_says_what_holds_it() -> None:
    async def story(cluster: Cluster) -> None:
        await ending_namespace(cluster)
        await cluster.registry.delete(PODS, "ends", "p", Deletion(grace=0))
        await cluster.controllers.settled()
        told = cluster.store.get(NAMESPACES, "", "ends")["status"]["conditions"]
        assert [one["message"] for one in told if one["status"] == "True"] == [
            "Some resources are remaining: configmaps. has 1 resource instances",
            "Some content in the namespace has finalizers remaining: x/y in 1 resource instances",
        ]

    on_cluster(story)


def test_pod_goes_to_the_ready_node_with_the_fewest_pods() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("a")
        await cluster.node("b")
        await cluster.node("late", ready=False)
        assert [await cluster.pod(f"p{n}") for n in range(4)] == ["a", "b", "a", "b"]

    on_cluster(story)


def test_pod_waits_for_a_node_that_suits_it() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("plain")
        assert await cluster.pod("picky", nodeSelector={"disk": "ssd"}) is None
        conditions = cluster.status(PODS, "picky")["conditions"]
        assert [(c["type"], c["reason"]) for c in conditions] == [("PodScheduled", "Unschedulable")]
        reasons = [event["reason"] for event in cluster.store.items(EVENTS, NS)]
        assert reasons == ["FailedScheduling"]
        await cluster.node("fast", disk="ssd")
        assert cluster.store.get(PODS, NS, "picky")["spec"]["nodeName"] == "fast"

    on_cluster(story)


def test_cordoned_node_takes_only_pods_that_tolerate_it() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("n")
        await cluster.registry.update(
            NODES, "", "n", lambda old: old | {"spec": old["spec"] | {"unschedulable": True}}
        )
        assert await cluster.pod("p") is None
        tolerated = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
        assert await cluster.pod("q", tolerations=[tolerated]) == "n"

    on_cluster(story)


async def taint(cluster: Cluster, node: str, effect: str) -> None:
    tainted = {"taints": [{"key": "team", "value": "a", "effect": effect}]}
    await cluster.registry.update(
        NODES, "", node, lambda old: old | {"spec": old["spec"] | tainted}
    )
    await cluster.controllers.settled()


def test_tainted_node_is_the_last_choice_or_none() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("a")
        await cluster.node("b")
        await taint(cluster, "a", "PreferNoSchedule")
        assert [await cluster.pod(name) for name in ("p", "q")] == ["b", "b"]
        await taint(cluster, "b", "NoSchedule")
        assert await cluster.pod("r") == "a"

    on_cluster(story)


def test_pods_leave_a_node_that_repels_those_who_run() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("n")
        mine = {"key": "team", "operator": "Equal", "value": "a"}
        await cluster.pod("stays", tolerations=[mine])
        await cluster.pod("soon", tolerations=[mine | {"tolerationSeconds": 0}])
        await cluster.pod("later", tolerations=[mine | {"tolerationSeconds": 3600}])
        await cluster.pod("leaves")
        await taint(cluster, "n", "NoSchedule")
        assert not [pod for pod in cluster.pods() if "deletionTimestamp" in pod["metadata"]]
        await taint(cluster, "n", "NoExecute")
        ending = [
            p["metadata"]["name"] for p in cluster.pods() if "deletionTimestamp" in p["metadata"]
        ]
        assert sorted(ending) == ["leaves", "soon"]

    on_cluster(story)


def test_pods_of_a_node_that_is_gone_go_too() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("n")
        await cluster.pod("p")
        await cluster.delete(NODES, "n")
        assert cluster.pods() == []

    on_cluster(story)


def test_daemon_set_has_one_pod_on_every_ready_node() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("a")
        await cluster.node("b", ready=False)
        await cluster.make(DAEMON_SETS, "d", SELECTED)
        assert [pod["spec"]["nodeName"] for pod in cluster.pods()] == ["a"]
        ready = {"status": READY}
        await cluster.registry.update(NODES, "", "b", lambda old: old | ready, subresource="status")
        await cluster.controllers.settled()
        assert {pod["spec"]["nodeName"] for pod in cluster.pods()} == {"a", "b"}
        await cluster.report()
        status = cluster.status(DAEMON_SETS, "d")
        assert (status["desiredNumberScheduled"], status["numberReady"]) == (2, 2)
        await cluster.delete(NODES, "a")
        assert cluster.status(DAEMON_SETS, "d")["desiredNumberScheduled"] == 1

    on_cluster(story)


def test_failed_daemon_pod_is_made_anew() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("n")
        await cluster.make(DAEMON_SETS, "d", SELECTED)
        first = cluster.pods()[0]["metadata"]["name"]
        await cluster.report("Failed")
        assert [pod["metadata"]["name"] for pod in cluster.pods()] != [first]
        assert len(cluster.pods()) == 1

    on_cluster(story)


def new_image(old: Object) -> Object:
    template = TEMPLATE | {"spec": {"containers": [{"name": "m", "image": "i:2"}]}}
    return old | {"spec": old["spec"] | {"template": template}}


def test_changed_daemon_set_replaces_one_ready_pod_at_a_time() -> None:
    async def story(cluster: Cluster) -> None:
        for name in ("a", "b"):
            await cluster.node(name)
        await cluster.make(DAEMON_SETS, "d", SELECTED)
        await cluster.report()
        await cluster.change(DAEMON_SETS, "d", new_image)
        going = [pod for pod in cluster.pods() if "deletionTimestamp" in pod["metadata"]]
        assert len(going) == 1
        await cluster.end(going[0])
        await cluster.report()
        for pod in cluster.pods():
            if "deletionTimestamp" in pod["metadata"]:
                await cluster.end(pod)
        images = [pod["spec"]["containers"][0]["image"] for pod in cluster.pods()]
        assert images == ["i:2", "i:2"]

    on_cluster(story)


def test_job_is_complete_when_its_pods_have_succeeded() -> None:
    async def story(cluster: Cluster) -> None:
        template = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
        await cluster.node("n")
        await cluster.make(JOBS, "j", {"template": template, "completions": 2, "parallelism": 1})
        for done in (1, 2):
            assert len(cluster.pods()) == done
            await cluster.report("Succeeded")
        status = cluster.status(JOBS, "j")
        assert status["succeeded"] == 2
        assert [c["type"] for c in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]

    on_cluster(story)


def test_job_fails_after_its_backoff_limit() -> None:
    async def story(cluster: Cluster) -> None:
        template = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
        await cluster.node("n")
        await cluster.make(JOBS, "j", {"template": template, "backoffLimit": 1})
        for _ in range(2):
            await cluster.report("Failed")
        status = cluster.status(JOBS, "j")
        assert status["failed"] == 2
        assert status["conditions"][-1]["reason"] == "BackoffLimitExceeded"
        assert len(cluster.pods()) == 2

    on_cluster(story)


def test_deployment_moves_from_one_replica_set_to_the_next() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("n")
        await cluster.make(DEPLOYMENTS, "d", SELECTED | {"replicas": 2})
        await cluster.report()
        assert cluster.status(DEPLOYMENTS, "d")["availableReplicas"] == 2
        await cluster.change(DEPLOYMENTS, "d", new_image)
        assert len(cluster.pods()) == 4
        await cluster.report()
        sizes = [one["spec"]["replicas"] for one in cluster.store.items(REPLICA_SETS, NS)]
        assert sorted(sizes) == [0, 2]
        status = cluster.status(DEPLOYMENTS, "d")
        assert (status["replicas"], status["updatedReplicas"]) == (2, 2)

    on_cluster(story)


def test_what_belonged_to_something_that_is_gone_goes_after_it() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.make(DEPLOYMENTS, "d", SELECTED)
        assert len(cluster.pods()) == 1
        await cluster.delete(DEPLOYMENTS, "d")
        await cluster.controllers.settled()
        assert (cluster.pods(), cluster.store.items(REPLICA_SETS, NS)) == ([], [])

    on_cluster(story)


def test_orphans_stay_and_lose_their_owner() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.node("n")
        await cluster.make(DAEMON_SETS, "d", SELECTED)
        await cluster.delete(DAEMON_SETS, "d", policy="Orphan")
        assert cluster.store.find(DAEMON_SETS, NS, "d") is None
        assert [pod["metadata"]["ownerReferences"] for pod in cluster.pods()] == [[]]

    on_cluster(story)
