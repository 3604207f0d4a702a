"""How long it takes until there is an EKS on this machine, and what it then weighs."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import boto3.session
import psutil

from benchmarks.measuring import Number
from conformance import targets
from conformance.emulator.launch import launch
from conformance.environment import Aws, Environment
from conformance.events import Event, EventLog, StepFinished
from conformance.run.options import new_run
from conformance.targets import TargetOptions


def started(log: EventLog) -> Environment:
    return targets.start("embedded", TargetOptions(run=new_run()), log)


def emulated_aws(rounds: int) -> list[Number]:
    """From exec of the AWS process to its first answer."""
    number = Number("emulated AWS answers after start", 1.5)
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="conformance-"))
        with number.timed():
            launched = launch(folder)
            launched.admin.health()
        launched.stop()
    return [number]


def cluster(rounds: int) -> list[Number]:
    """From `terraform apply` to three ready nodes with their agents; and memory, idle."""
    apply = Number("cluster by terraform apply: 3 nodes, agents", 2.5)
    memory = Number("memory of the environment, idle", 300, "MB")
    for _ in range(rounds):
        steps: list[Event] = []
        log = EventLog(None)
        log.listeners.append(steps.append)
        environment = started(log)
        apply.samples.append(
            next(
                step.seconds
                for step in steps
                if isinstance(step, StepFinished) and step.step.startswith("cluster ")
            )
        )
        memory.samples.append(weight(environment.pid))
        targets.stop(environment, log)
    return [apply, memory]


def weight(pid: int | None) -> float:
    """Proportional set size of a process and all below it, in MB: shared pages count once."""
    first, total = psutil.Process(pid), 0.0
    for process in (first, *first.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):  # a pod that has just ended
            total += process.memory_full_info().pss / 1e6
    return total


def without_terraform(rounds: int) -> list[Number]:
    """Emulated AWS and a cluster with three nodes and agents, asked for through the EKS API."""
    number = Number("AWS and cluster together, without Terraform", 2.0)
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="conformance-"))
        with number.timed():
            launched = launch(folder)
            cluster_by_api(launched.aws)
        launched.stop()
    return [number]


def cluster_by_api(aws: Aws, nodes: int = 3) -> None:
    """A cluster `bench` with so many nodes, and an agent on each."""
    session = boto3.session.Session(
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
        region_name=aws.region,
    )
    iam, eks = (session.client(name, endpoint_url=aws.endpoint) for name in ("iam", "eks"))
    roles = {}
    for service in ("eks", "ec2"):
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": f"{service}.amazonaws.com"},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
        role = iam.create_role(RoleName=service, AssumeRolePolicyDocument=json.dumps(trust))
        roles[service] = role["Role"]["Arn"]
    worker = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
    iam.attach_role_policy(RoleName="ec2", PolicyArn=worker)
    subnets = ["subnet-0c0f0000000000001", "subnet-0c0f0000000000002"]
    eks.create_cluster(
        name="bench", roleArn=roles["eks"], resourcesVpcConfig={"subnetIds": subnets}
    )
    every = {"Delay": 0.02, "MaxAttempts": 500}
    eks.get_waiter("cluster_active").wait(name="bench", WaiterConfig=every)
    eks.create_nodegroup(
        clusterName="bench",
        nodegroupName="nodes",
        nodeRole=roles["ec2"],
        subnets=subnets,
        scalingConfig={"minSize": nodes, "maxSize": nodes, "desiredSize": nodes},
    )
    eks.get_waiter("nodegroup_active").wait(
        clusterName="bench", nodegroupName="nodes", WaiterConfig=every
    )
    agent = {"clusterName": "bench", "addonName": "eks-pod-identity-agent"}
    eks.create_addon(**agent)
    eks.get_waiter("addon_active").wait(**agent, WaiterConfig=every)
