"""
What a world may do to an environment that is its own.

Everything here disturbs whoever else is there, so it hangs on `world.own`, which is only
there for files that declare `OWN`. Each thing that is broken is whole again after the
block, and what was broken on purpose before (`--fault`) stays broken.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from conformance.emulator.admin import AdminClient
from conformance.emulator.behaviour import Behaviour
from conformance.environment import Environment
from conformance.errors import HarnessError
from conformance.events import EventLog
from conformance.faults import Fault
from conformance.world.agents import AGENT_PODS, AGENT_SELECTOR
from conformance.world.kube import Kube, Object
from conformance.world.settling import WEBHOOK
from conformance.world.waiting import eventually

AGENTS = "/apis/apps/v1/namespaces/kube-system/daemonsets/eks-pod-identity-agent"
NODES = "/api/v1/nodes"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
NOBODY = "https://127.0.0.1:1/mutate"
"""A port where nobody listens: what a webhook that is down looks like to the API server."""
MARK = "conformance/agent"
"""A label of nodes that may have an agent, while new ones may not."""
WITHIN = timedelta(seconds=30)


class Own:
    """Changes of one environment; every method raises `HarnessError` for trouble of ours."""

    def __init__(self, environment: Environment, kube: Kube, log: EventLog) -> None:
        if environment.admin_socket is None:
            raise HarnessError("only an emulated environment can be changed as one's own")
        self._admin = AdminClient(environment.admin_socket)
        self._kube = kube
        self._log = log

    # --- AWS

    def behave(self, **settings: Any) -> Behaviour:
        """Change settings of `Behaviour` and leave the others; what is there stays as it was."""
        return self._admin.set_settings(**settings)

    @contextmanager
    def behaving(self, **settings: Any) -> Iterator[None]:
        """The same for the length of a block."""
        before = self._admin.settings().model_dump()
        self.behave(**settings)
        try:
            yield
        finally:
            self.behave(**{name: before[name] for name in settings})

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """A part is broken for the length of a block."""
        before = self._admin.faults()
        self._admin.set_faults(sorted({*before, fault.name}))
        try:
            yield
        finally:
            self._admin.set_faults(before)

    # --- the cluster

    def nodes(self) -> list[str]:
        """Names of the nodes that are there."""
        return [node["metadata"]["name"] for node in self._kube.get(NODES)["items"]]

    def restart_agents(self) -> None:
        """Kill every agent, as a crash would, and wait until others are ready in their places."""
        killed = self._agents()
        for pod in killed:
            path = f"{AGENT_PODS}/{pod['metadata']['name']}"
            self._kube.delete(path, gracePeriodSeconds=0)
        gone = {pod["metadata"]["uid"] for pod in killed}
        self._wait("other agents are ready", lambda: self._ready_on(self.nodes(), but=gone))

    @contextmanager
    def no_agent_on_new_nodes(self) -> Iterator[Callable[[], None]]:
        """
        Nodes that join in the block get no agent until what the block is given is called.

        The DaemonSet wants a label then that only today's nodes have, and leaves those alone.
        """
        for node in self.nodes():
            self._mark(node)
        before = self._kube.get(AGENTS)["spec"]["updateStrategy"]
        self._of_agents(selector={MARK: "yes"}, strategy={"type": "OnDelete"})

        def let_agents_come() -> None:
            for node in self.nodes():
                self._mark(node)
            self._wait("an agent is ready on every node", lambda: self._ready_on(self.nodes()))

        try:
            yield let_agents_come
        finally:
            self._of_agents(selector=None, strategy=before)
        # Not when the block was left in a hurry: nobody waits for agents then.
        let_agents_come()

    @contextmanager
    def webhook_down(self) -> Iterator[None]:
        """The API server calls the webhook of Pod Identity where nobody listens."""
        configuration = next(
            one
            for one in self._kube.get(WEBHOOKS)["items"]
            if any(webhook["name"] == WEBHOOK for webhook in one.get("webhooks", []))
        )
        path = f"{WEBHOOKS}/{configuration['metadata']['name']}"
        away = [
            each | {"clientConfig": each["clientConfig"] | {"url": NOBODY}}
            if each["name"] == WEBHOOK
            else each
            for each in configuration["webhooks"]
        ]
        self._kube.patch(path, {"webhooks": away})
        try:
            yield
        finally:
            self._kube.patch(path, {"webhooks": configuration["webhooks"]})

    # --- inside

    def _agents(self) -> list[Object]:
        pods: list[Object] = self._kube.get(AGENT_PODS, labelSelector=AGENT_SELECTOR)["items"]
        return pods

    def _ready_on(self, nodes: list[str], *, but: frozenset[str] | set[str] = frozenset()) -> bool:
        ready = {
            pod["spec"].get("nodeName")
            for pod in self._agents()
            for condition in pod.get("status", {}).get("conditions", [])
            if pod["metadata"]["uid"] not in but
            and (condition["type"], condition["status"]) == ("Ready", "True")
        }
        return set(nodes) <= ready

    def _mark(self, node: str) -> None:
        self._kube.patch(f"{NODES}/{node}", {"metadata": {"labels": {MARK: "yes"}}})

    def _of_agents(self, *, selector: dict[str, str] | None, strategy: Object) -> None:
        # A merge patch keeps what it does not name: null takes a member away.
        whole = {"type": strategy["type"], "rollingUpdate": strategy.get("rollingUpdate")}
        template = {"spec": {"nodeSelector": selector}}
        self._kube.patch(AGENTS, {"spec": {"template": template, "updateStrategy": whole}})

    def _wait(self, what: str, ask: Callable[[], bool]) -> None:
        try:
            eventually(what, ask, within=WITHIN, log=self._log)
        except AssertionError as error:
            raise HarnessError(
                f"not so after {WITHIN.total_seconds():g} s: {what}",
                saw=str(error),
                try_="kubectl -n kube-system get pods -o wide",
            ) from error
