"""
What pods shall do: run a call plan, or commands of the AWS CLI.

A request knows the manifest that it becomes and how to read the log that the pod
leaves; how a pod is started, watched and asked is the same for all (`world.probing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from conformance.probes import aws_cli
from conformance.probes.evidence import Evidence, read_evidence
from conformance.probes.injected import variables
from conformance.probes.plan import Call
from conformance.probes.pod import PROBE, Kind, probe_manifest
from conformance.world.kube import Object

CLI = "aws"
"""The container of the AWS CLI."""


def _call(container: str, call: str) -> str:
    return call if container == PROBE else f"{container}: {call}"


@dataclass(frozen=True)
class ProbeRequest:
    """One pod to run: as which service account, and what it shall try."""

    namespace: str
    """Symbolic, as in the Spec."""
    service_account: str
    plan: Mapping[str, Call] = field(default_factory=dict)
    name: str = "probe"
    hold: bool = False
    """Stay after the plan until deleted."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Mounted as files; for tokens that are presented by hand."""
    node: str = ""
    """Run on this node; empty leaves it to the scheduler."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables set by hand, for everybody to read; those of the probe itself give way."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Kind] = field(default_factory=dict)
    """Other containers that make the same calls, by name; see `World.probe_containers`."""

    ends = ("Succeeded",)
    """Phases that are an end; another one is trouble."""

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(_call(container, call) for container in self.containers for call in self.plan)

    def manifest(self, *, secret: str | None, image: str, region: str, **named: Any) -> Object:
        """The pod; raises `HarnessError` when the plan cannot be written."""
        return probe_manifest(
            service_account=self.service_account,
            plan=self.plan,
            image=image,
            secret=secret,
            hold=self.hold,
            region=region,
            node=self.node,
            environment=self.environment,
            annotations=self.annotations,
            beside=self.beside,
            **named,
        )

    @property
    def containers(self) -> tuple[str, ...]:
        """Whose logs are read."""
        return (PROBE, *self.beside)

    def evidence(self, logs: Mapping[str, str], ended: Object) -> dict[str, Evidence]:
        """What the pod saw, by call; what others saw beside the probe by `container: call`."""
        del ended
        return {
            _call(container, call): evidence
            for container, log in logs.items()
            for call, evidence in read_evidence(log).items()
        }


@dataclass(frozen=True)
class CliRequest:
    """
    One pod of the image `amazon/aws-cli`, as a guide tells to write it and nothing else.

    `commands` stand without `aws`. Needs `Capability.AWS_CLI`.
    """

    namespace: str
    service_account: str
    commands: Mapping[str, Sequence[str]]
    name: str = "aws"
    keeping: Mapping[str, str] = field(default_factory=dict)
    """By command: of its answer keep lines with this text only. A listing names what is others'."""

    secrets: ClassVar[Mapping[str, str]] = {}
    """None: a guide gives its pods nothing."""
    ends = ("Succeeded", "Failed")
    """The CLI's exit code is the pod's, where there is one command."""

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(self.commands)

    def manifest(
        self,
        *,
        name: str,
        secret: str | None,
        image: str,
        region: str,
        labels: Mapping[str, str],
    ) -> Object:
        """The pod, with nothing in it that would be about AWS."""
        del secret, image, region
        command = aws_cli.container_command(self.commands)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": dict(labels)},
            "spec": {
                "serviceAccountName": self.service_account,
                "restartPolicy": "Never",
                "containers": [{"name": CLI, "image": aws_cli.IMAGE, "command": command}],
            },
        }

    @property
    def containers(self) -> tuple[str, ...]:
        """Whose logs are read."""
        return (CLI,)

    def evidence(self, logs: Mapping[str, str], ended: Object) -> dict[str, Evidence]:
        """What the CLI said, by command; raises `HarnessError` when it cannot be understood."""
        state = ended["status"]["containerStatuses"][0]["state"]["terminated"]
        told = {"provider": "aws-cli", "injection": {"variables": variables(ended)}}
        return aws_cli.read_log(
            logs[CLI],
            self.commands,
            exit_code=state["exitCode"],
            told=told,
            keeping=self.keeping,
        )
