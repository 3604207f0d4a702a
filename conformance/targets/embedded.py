"""
An EKS of our own on this machine: emulated AWS, and a cluster made by Terraform.

The cluster is made the way a user would make it, by applying
`fixtures/terraform/clusters/emulated`, so the same HCL and the same calls start
it as on a real account. Everything belongs to one folder and one process; when
that process ends, nothing is left.
"""

import os
import select
import shutil
import tempfile
from pathlib import Path

from conformance.cluster import images
from conformance.cluster.agent.profiles import AgentProfile, profile_of
from conformance.emulator.admin import AdminClient
from conformance.emulator.eks.cluster_folder import Ready, folder_of
from conformance.emulator.launch import START_WITHIN, Launched, launch
from conformance.environment import ALLOWABLE, Capability, Cluster, Environment
from conformance.errors import HarnessError, UsageError
from conformance.events import EventLog
from conformance.probes import aws_cli
from conformance.targets.kubeconfig import has_kubectl, write_kubeconfig
from conformance.targets.options import TargetOptions
from conformance.targets.parts import aws_part, cluster_part
from conformance.terraform import stacks
from conformance.terraform.messages import TerraformError
from conformance.terraform.steps import log_resources
from conformance.terraform.workspace import Workspace

DESCRIPTION = "an emulated EKS on this machine; no account, no Docker, no root (the default)"

REGION = "eu-west-1"
SETTLING_SECONDS = 2.0
"""A change is effective before its call is answered; the rest is for a busy machine."""
STOP_SECONDS = 5.0
"""Bound for an environment to end; it promises 3."""

_launched: dict[Path, Launched] = {}
"""The environments this process started; one that is forgotten ends, for it holds the lifeline."""


def start(options: TargetOptions, log: EventLog, *, lifeline: bool) -> Environment:
    """Start emulated AWS, then have Terraform make the cluster, its nodes and the agent add-on."""
    if options.cluster:
        raise UsageError(
            f"--cluster {options.cluster}: target embedded makes its own cluster",
            try_="--environment FILE to use one that runs, or --target eks",
        )
    agent = profile_of(options.behaviour.agent_version)
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    launched = _start_aws(folder, options, log)
    try:
        environment = _describe(folder, launched, options, agent, log)
        if not lifeline:
            # Not before: what is half started must not outlive us.
            launched.outlive()
        return environment
    except TerraformError as error:
        pid = launched.announced.pid
        ended = aws_part(folder, pid).obituary
        kept = HarnessError(ended) if ended else _keep(folder, error)
        _end(folder, pid)
        raise kept from error
    except BaseException:
        _end(folder, launched.announced.pid)
        raise


def _start_aws(folder: Path, options: TargetOptions, log: EventLog) -> Launched:
    try:
        with log.step("environment", "emulated AWS", bound=START_WITHIN):
            _launched[folder] = launch(
                folder,
                faults=options.faults,
                network=options.network,
                region=options.region or REGION,
                behaviour=options.behaviour,
            )
    except HarnessError:
        raise  # It names the log, which lies there.
    except BaseException:
        _end(folder, None)
        raise
    return _launched[folder]


def _keep(folder: Path, error: TerraformError) -> TerraformError:
    """Save what the message tells to look into: the environment's folder goes with it."""
    kept = Path(tempfile.mkdtemp(prefix="conformance-failed-"))
    ignored = shutil.ignore_patterns("*.sock")
    shutil.copytree(folder / "cluster", kept / "cluster", ignore=ignored)
    for log in folder.rglob("*.log"):
        shutil.copy(log, kept)
    return error.moved(kept / "cluster")


def _describe(
    folder: Path, launched: Launched, options: TargetOptions, agent: AgentProfile, log: EventLog
) -> Environment:
    provider = options.provider or "embedded"
    name = f"certify-{options.run}"
    workspace = Workspace(
        folder / "cluster",
        stacks.cluster("emulated"),
        aws=launched.aws,
        provider=provider,
        progress=log_resources(log),
    )
    step = f"cluster {name}: {options.nodes} nodes, webhook, agent"
    with log.step("environment", step, bound=workspace.engine.bound("init", "apply")):
        cluster = workspace.apply({"name": name, "nodes": options.nodes, "run": options.run})
    started = Ready.model_validate_json(
        (folder_of(folder / "clusters", name) / "cluster.json").read_bytes()
    )
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        name=name,
        endpoint=cluster.endpoint,
        certificate_authority=cluster.certificate_authority,
        user={"token": started.admin_token},
    )
    capabilities = {
        Capability.FAULTS,
        Capability.RECORDS,
        Capability.SHORT_LIVES,
        Capability.OWN_ENVIRONMENT,
        Capability.MINT_TOKENS,
        Capability.CLUSTERS,
        Capability.TRAIL,
        Capability.ORGANIZATION,
        *ALLOWABLE,
    }
    image = images.find(aws_cli.IMAGE)
    if image is not None and not images.why_missing(image):
        capabilities.add(Capability.AWS_CLI)
    if has_kubectl():
        capabilities.add(Capability.KUBECTL)
    if agent.checks_rotated_tokens:
        capabilities.add(Capability.LOCAL_VALIDATION)
    if started.network != "loopback":
        capabilities.add(Capability.NODE_ISOLATION)
    binary = workspace.engine.binary
    engine = f"{binary.name} {binary.version}"
    environment = Environment(
        target="embedded",
        folder=folder,
        aws=launched.aws,
        cluster=Cluster(name=name, arn=cluster.arn, kubeconfig=kubeconfig, context=name),
        capabilities=frozenset(capabilities),
        network=started.network,
        probe_image=options.probe_image or "conformance/probe",
        provider=provider,
        settling_seconds=SETTLING_SECONDS,
        parts={
            **launched.announced.parts,
            "Kubernetes": cluster.version,
            "agent": agent.version,
            "Terraform": engine,
        },
        admin_socket=folder / "aws.sock",
        pid=launched.announced.pid,
    )
    environment.write()
    return environment


def lost(environment: Environment) -> str:
    """Which process of the environment has ended, in one sentence; empty when none has."""
    folder = environment.folder
    # With AWS its clusters end, too: it is the one to name.
    return (
        aws_part(folder, environment.pid).obituary
        or cluster_part(folder, environment.cluster.name).obituary
    )


def stop(environment: Environment, log: EventLog) -> None:
    """End the AWS process; it ends its clusters, and they their nodes and pods."""
    with log.step("environment", "stop", bound=STOP_SECONDS):
        _end(environment.folder, environment.pid)


def _end(folder: Path, pid: int | None) -> None:
    launched = _launched.pop(folder, None)
    if launched is not None:
        launched.stop()
    elif pid is not None:
        _end_stranger(folder, pid)
    # A process that was killed left it.
    shutil.rmtree(folder, ignore_errors=True)


def _end_stranger(folder: Path, pid: int) -> None:
    """End an AWS process that another process started (`conformance up`)."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not aws_part(folder, pid).answers:
            return  # It has ended, and its pid is somebody else's now.
        AdminClient(folder / "aws.sock").stop()
        ended, _, _ = select.select([process], [], [], STOP_SECONDS)
    finally:
        os.close(process)
    if not ended:
        raise HarnessError(
            f"emulated AWS (pid {pid}) did not end within {STOP_SECONDS:g} s",
            try_=f"its log: {folder / 'aws.log'}",
        )
