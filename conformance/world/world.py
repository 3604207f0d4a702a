"""The World: what `Spec` became, and everything a scenario may do with it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from conformance.contract import Contract
from conformance.emulator.admin import AdminClient, Recorded
from conformance.environment import Cluster, Environment
from conformance.errors import HarnessError
from conformance.events import EventLog, EvidenceSeen
from conformance.probes.evidence import Evidence
from conformance.probes.injected import AUDIENCE
from conformance.probes.plan import Call
from conformance.spec import Spec
from conformance.spec.checked import RUN_TAG
from conformance.spec.spec import NO_ORGANIZATION
from conformance.terraform.ledger import Ledger
from conformance.terraform.workspace import Workspace
from conformance.world import looking
from conformance.world.agents import AgentLine, agent_lines, agent_logs
from conformance.world.command_line import type_command
from conformance.world.deciding import Told, decided
from conformance.world.eks_auth_calls import EksAuthCalls
from conformance.world.eks_calls import EksCalls
from conformance.world.kube import Kube, Object
from conformance.world.kubectl import UNTIL_ENDED, type_kubectl
from conformance.world.measuring import AT_ONCE, times_until
from conformance.world.naming import Names, namespaces_of_others
from conformance.world.own import Own
from conformance.world.premises import Premises
from conformance.world.probing import (
    POD_SECONDS,
    Pod,
    Probe,
    as_pod,
    collect,
    collect_when_said,
    start_pod,
    wait_for_pods,
)
from conformance.world.requests import CLI, CliRequest, ProbeRequest
from conformance.world.running import RunningPods, keep_running
from conformance.world.settling import await_injection, registration
from conformance.world.waiting import CONSECUTIVE, ONCE, eventually

T = TypeVar("T")


class World:
    """
    Contract, cluster and probes for one Spec; made by `open_world`.

    Namespaces and service accounts are made when they are first named. Every
    method raises `HarnessError` for trouble of ours.
    """

    def __init__(
        self,
        *,
        environment: Environment,
        names: Names,
        workspace: Workspace[Contract],
        ledger: Ledger,
        log: EventLog,
        own: bool = False,
    ) -> None:
        self.environment = environment
        self.ledger = ledger
        """The run's: what is made without Terraform has to be in it first."""
        self.scenario = ""
        """Set by the plugin: what evidence is filed under; see `run.filing`."""
        self.contract: Contract
        self._origin = self
        """Whose `scenario` counts."""
        self._applied: Spec | None = None
        self._names = names
        self._workspace = workspace
        self._log = log
        self._kube = Kube(environment.cluster.kubeconfig, environment.cluster.context)
        self._premises = Premises(self._kube, names, image=environment.probe_image)
        self._eks = EksCalls(environment.aws, cluster=environment.cluster.name, run=names.run)
        self._eks_auth = EksAuthCalls(environment.aws, cluster=environment.cluster.name)
        self._own = Own(environment, self._kube, log) if own else None

    # --- provisioning

    def apply(self, spec: Spec) -> Contract:
        """Make the cloud side what `spec` says; again with another Spec changes it."""
        if spec == self._applied:
            return self.contract
        # Until Terraform has ended well, nobody knows what there is.
        self._applied = None
        namespaces = {name: self._names.namespace(name) for name in spec.namespaces}
        variables = spec.variables(
            run=self._names.run,
            prefix=self._names.prefix,
            cluster=self.environment.cluster.name,
            namespaces=namespaces,
            organization=self.environment.aws.organization or NO_ORGANIZATION,
        )
        bound = self._workspace.engine.bound("init", "apply")
        with self._log.step("terraform", f"apply {self._names.key}", bound=bound):
            self.contract = self._workspace.apply(variables)
        self._premises.move_into(namespaces_of_others(namespaces, spec, self.contract))
        self._applied = spec
        return self.contract

    def settle(self, spec: Spec) -> None:
        """Wait until the webhook knows every association; see `world.settling`."""
        for association in spec.associations:
            self.service_account(association.namespace, association.service_account)
            await_injection(
                self._kube,
                namespace=self.namespace(association.namespace),
                service_account=association.service_account,
                image=self.environment.probe_image,
                labels=self._premises.labels,
                log=self._log,
            )

    def close(self) -> None:
        """
        Take everything away again: namespaces first, then what Terraform made.

        A cluster that refuses or does not answer keeps nothing alive on the cloud side.
        """
        with ExitStack() as last:
            last.callback(self._destroy)
            self.leave()

    def in_cluster(self, cluster: Cluster) -> "World":
        """The same world in another cluster: its own roles and buckets, that one's pods."""
        environment = self.environment.model_copy(update={"cluster": cluster})
        other = World(
            environment=environment,
            names=self._names,
            workspace=self._workspace,
            ledger=self.ledger,
            log=self._log,
        )
        other.contract, other._origin = self.contract, self._origin
        return other

    def leave(self) -> None:
        """Take away what is in the cluster; what Terraform made stays."""
        with ExitStack() as last:
            last.callback(self._eks.close)
            self._premises.close()

    def _destroy(self) -> None:
        bound = self._workspace.engine.bound("destroy")
        with self._log.step("terraform", f"destroy {self._names.key}", bound=bound):
            self._workspace.destroy()

    # --- names

    def namespace(self, symbolic: str) -> str:
        """The real namespace, made if it is not there yet."""
        return self._premises.namespace(symbolic)

    def service_account(
        self, namespace: str, name: str, annotations: Mapping[str, str] | None = None
    ) -> None:
        """Make a service account if it is not there yet; `annotations` are added to it."""
        self._premises.service_account(namespace, name, annotations)

    def service_account_as_is(self, namespace: str, name: str) -> Object:
        """The service account as the API server has it."""
        return self._premises.service_account_as_is(namespace, name)

    def service_account_again(self, namespace: str, name: str) -> None:
        """Delete a service account and make one of the same name; its UID is another."""
        self._premises.service_account_again(namespace, name)

    def bucket(self, symbolic: str) -> str:
        """The real name of a bucket of the Spec."""
        return self.contract.buckets[symbolic].name

    def table(self, symbolic: str) -> str:
        """The real name of a table of the Spec."""
        return self.contract.tables[symbolic].name

    def queue(self, symbolic: str) -> str:
        """The URL of a queue of the Spec."""
        return self.contract.queues[symbolic].url

    # --- pods

    def probe(
        self, namespace: str, service_account: str, plan: Mapping[str, Call], *, name: str = "probe"
    ) -> Probe:
        """Run one pod with one plan; see `probe_all`."""
        request = ProbeRequest(namespace, service_account, plan, name=name)
        return self.probe_all({name: request})[name]

    def probe_all(
        self, requests: Mapping[str, ProbeRequest] | Mapping[str, CliRequest]
    ) -> dict[str, Probe]:
        """Run pods at the same time, to their end, and collect what each saw."""
        started = {key: self._start(request) for key, request in requests.items()}
        with self._pods(requests):
            manifests = wait_for_pods(
                self._kube,
                dict(started.values()),
                until=tuple({phase for each in requests.values() for phase in each.ends}),
            )
        probes: dict[str, Probe] = {}
        for key, request in requests.items():
            manifest = manifests[started[key][0]]
            pod, seen = as_pod(manifest), collect(self._kube, manifest, request)
            subject = f"{request.namespace}/{request.service_account}"
            more = decided(self.environment, seen.values(), since=pod.created)
            probes[key] = Probe(pod, seen, self._file_under(subject, more))
        return probes

    def probe_by_kubectl(self, manifest: str, request: CliRequest, *, pod: str) -> Probe:
        """
        Apply a manifest as a newcomer does, and read what the pod in it said when it has ended.

        The manifest is as `request` says, which is not used to make it. Needs `kubectl`.
        """
        kubectl = partial(self.kubectl, "-n", self.namespace(request.namespace))
        kubectl("apply", "-f", "-", given=manifest)
        ended = json.loads(kubectl("wait", f"pod/{pod}", *UNTIL_ENDED, "-o", "json"))
        log = kubectl("logs", f"pod/{pod}")
        subject = f"{request.namespace}/{request.service_account}"
        return Probe(as_pod(ended), request.evidence({CLI: log}, ended), self._file_under(subject))

    def probe_containers(self, request: ProbeRequest) -> Probe:
        """
        What each container of one pod saw, by `container: call` for those `beside` the probe.

        All but init containers stay until each has said it, and then the pod is deleted.
        """
        request = replace(request, hold=True)
        with self._running_pod(request) as manifest, self._pods([request.name]):
            evidence = collect_when_said(self._kube, manifest, request, self._log)
        subject = f"{request.namespace}/{request.service_account}"
        return Probe(as_pod(manifest), evidence, self._file_under(subject))

    @contextmanager
    def hold(self, namespace: str, service_account: str, *, name: str = "held") -> Iterator[Pod]:
        """A pod that runs until the block ends."""
        request = ProbeRequest(namespace, service_account, name=name, hold=True)
        with self._running_pod(request) as manifest:
            yield as_pod(manifest)

    def running(self, requests: Mapping[str, ProbeRequest]) -> RunningPods:
        """
        Pods that make the calls of their plans that are `repeated` until the block ends.

        Each has made each of them once when the block begins; see `world.running`.
        """
        common = (self._kube, self._log, requests)
        return keep_running(*common, start=self._start, step=self._pods, look=self._file_under)

    @property
    def own(self) -> Own:
        """What may be done to the environment; raises `HarnessError` where others share it."""
        if self._own is None:
            hint = "OWN = OwnEnvironment(...) beside SPEC"
            raise HarnessError("the environment is shared, so it stays as it is", try_=hint)
        return self._own

    # --- pods that never run

    def admitted(
        self,
        namespace: str,
        service_account: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Object:
        """
        A pod as the API server would store it: admission is asked, nothing is made.

        It has one container, `app`; `spec` adds to the pod's specification, or replaces it.
        """
        metadata = {"labels": dict(labels or {}), "annotations": dict(annotations or {})}
        pod = self._premises.tried(namespace, service_account, metadata=metadata, spec=spec)
        return self._looked(f"{namespace}/{service_account}", looking.admitted_pod, pod)

    def admitted_deployment(self, namespace: str, service_account: str) -> Object:
        """A Deployment as the API server would store it: nothing is made."""
        stored = self._premises.tried_deployment(namespace, service_account)
        return self._looked("a Deployment", looking.admitted_deployment, stored)

    def webhook(self) -> Object:
        """How the webhook of Pod Identity is registered in the cluster."""
        return self._looked("the cluster", looking.registered, registration(self._kube))

    def stand_in(
        self,
        namespace: str,
        service_account: str,
        *,
        labels: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Pod:
        """A pod that tokens can be bound to and that never runs: it costs nothing."""
        metadata = {"labels": dict(labels or {})}
        return self._premises.stand_in(namespace, service_account, metadata=metadata, spec=spec)

    def delete_pod(self, pod: Pod) -> None:
        """At once: nothing of it is left when this returns."""
        self._premises.delete(pod)

    def token(self, pod: Pod, *, audience: str = AUDIENCE, bound: bool = True) -> str:
        """
        A token for a pod, as its kubelet would ask for it (TokenRequest).

        Without `bound` it is one of the service account only. It is a secret: give it to a pod
        by `ProbeRequest.secrets` and nowhere else.
        """
        return self._premises.token(pod, audience=audience, bound=bound)

    def tokens(self, *service_accounts: str, namespace: str) -> dict[str, str]:
        """A token of each service account, by its name, bound to a pod that never runs."""
        return {name: self.token(self.stand_in(namespace, name)) for name in service_accounts}

    # --- what others saw

    def eks(self, operation: str, **parameters: Any) -> Evidence:
        """
        What EKS answers to a call of the harness, by boto3's names, about this cluster.

        Associations that are made so are taken away with the world.
        """
        evidence = self._eks.ask(operation, **parameters)
        self._file_under("the harness")(evidence)
        return evidence

    def eks_auth(self, token: str, *, as_other: bool = False) -> Evidence:
        """What EKS Auth answers when the harness presents a token; see `world.eks_auth_calls`."""
        evidence = self._eks_auth.ask(token, as_other=as_other)
        self._file_under("the harness")(evidence)
        return evidence

    def aws(self, *words: str) -> Evidence:
        """What the AWS CLI says to a platform team; needs the capability `aws-cli`."""
        evidence = type_command(self.environment.aws, words)
        self._file_under("the harness")(evidence)
        return evidence

    def kubectl(self, *words: str, given: str = "") -> str:
        """
        What kubectl prints to a newcomer, in this cluster; needs the capability `kubectl`.

        `given` is typed into it. Raises `HarnessError` when it ends badly: see `world.kubectl`.
        """
        printed = type_kubectl(self.environment.cluster, words, given=given)
        return self._looked("the harness", partial(looking.printed, words), printed)

    @property
    def tags(self) -> Mapping[str, str]:
        """What everything made by hand must carry, so that a sweep finds it."""
        return {RUN_TAG: self._names.run}

    def agent_logs(self) -> dict[str, str]:
        """Everything that the agents have logged, by node."""
        return self._looked("the agents", looking.agents_logs, agent_logs(self._kube))

    def agent_requests(self, pod: Pod) -> list[AgentLine]:
        """What the agents logged about requests from this pod."""
        lines = agent_lines(self._kube, client=pod.ip, since=pod.created)
        return self._looked(pod.name, looking.agents_lines, lines)

    def records(self, since: datetime | None = None) -> Recorded:
        """EKS Auth calls, sessions and IAM decisions; needs the capability `records`."""
        if self.environment.admin_socket is None:
            raise HarnessError(
                "records of EKS Auth are kept by emulated targets only",
                saw=f"target {self.environment.target}",
                try_="name the capability in the scenario's `needs`",
            )
        records = AdminClient(self.environment.admin_socket).records(since)
        return self._looked("AWS", looking.recorded, records)

    def show(self, subject: str, seen: looking.Seen) -> None:
        """Put into the report what was looked at; the world's own methods have done so."""
        at = self._origin.scenario
        self._log.append(EvidenceSeen(scenario=at, subject=subject, evidence=seen))

    def eventually(
        self, what: str, ask: Callable[[], T], *, within: timedelta, consecutive: int = CONSECUTIVE
    ) -> T:
        """Ask until true, several times in a row; see `world.waiting`."""
        return eventually(what, ask, within=within, consecutive=consecutive, log=self._log)

    def times_until(
        self,
        what: str,
        names: Sequence[str],
        change: Callable[[str], object],
        so: Callable[[str], object],
    ) -> dict[str, float]:
        """
        Seconds from each one's change until it is so, with percentiles; see `world.measuring`.

        Where AWS is one process nobody is left who has not heard, and nobody waits: asked again,
        or beside another, the harness would measure itself.
        """
        alone = self.environment.emulated
        return times_until(
            what,
            names,
            change,
            so,
            within=self.settled,
            at_once=1 if alone else AT_ONCE,
            consecutive=ONCE if alone else CONSECUTIVE,
            log=self._log,
        )

    def settles(
        self,
        what: str,
        ask: Callable[[], object],
        *,
        within: timedelta | None = None,
        consecutive: int = CONSECUTIVE,
    ) -> None:
        """
        Wait until true, or until it should have been: a change has `settled` by then.

        For fixtures: what is still not so in the end is for the scenarios to judge.
        """
        with suppress(AssertionError):
            self.eventually(what, ask, within=within or self.settled, consecutive=consecutive)

    @property
    def settled(self) -> timedelta:
        """How long a change of associations or policies may take on this target."""
        return timedelta(seconds=self.environment.settling_seconds)

    def now(self) -> datetime:
        """The clock that records are dated by."""
        return datetime.now(UTC)

    # --- inside

    def _start(self, request: ProbeRequest | CliRequest) -> tuple[str, str]:
        namespace = self.namespace(request.namespace)
        self.service_account(request.namespace, request.service_account)
        name = self._names.pod(request.name)
        start_pod(
            self._kube,
            request,
            name=name,
            namespace=namespace,
            image=self.environment.probe_image,
            region=self.environment.aws.region,
            labels=self._premises.labels,
        )
        return name, namespace

    @contextmanager
    def _running_pod(self, request: ProbeRequest) -> Iterator[Object]:
        pod, real = self._start(request)
        try:
            yield wait_for_pods(self._kube, {pod: real}, until=("Running",))[pod]
        finally:
            self._kube.delete(f"/api/v1/namespaces/{real}/pods/{pod}", gracePeriodSeconds=0)

    def _pods(self, names: Iterable[str]) -> AbstractContextManager[None]:
        return self._log.step("pod", f"{', '.join(names)} ({self._names.key})", bound=POD_SECONDS)

    def _looked(self, subject: str, tell: Callable[[T], looking.Seen], seen: T) -> T:
        self.show(subject, tell(seen))
        return seen

    def _file_under(
        self, subject: str, more: Callable[[Evidence], Told] = lambda _: {}
    ) -> Callable[[Evidence], None]:
        return lambda one: self.show(subject, {**one.model_dump(mode="json"), **more(one)})
