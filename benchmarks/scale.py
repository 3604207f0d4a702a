"""
Many associations, many pods: no pod gets what is another's, and memory stays bounded.

    python -m benchmarks.scale [--associations 1000] [--pods 500] [--nodes 10] [--at-once 50]

Each pod asks its node's agent as an SDK does, and writes down a fingerprint of the key
that it was given. Whose session that was is read from the records of STS: role and
session tags must be those of the pod's own association. Every tenth pod has none, and
must not be injected. The traps: a wrong identity shows only where several pods of one
node ask at the same time, so pods of a namespace are spread over the nodes; and a pod
that was merely refused looks as innocent as one that was served right, so the number
of those that were served is checked. On a crowded machine an agent may wait for EKS Auth
longer than its second; pods ask again as SDKs do, only more often.
"""

import argparse
import asyncio
import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3.session

from benchmarks.environment import cluster_by_api, weight
from benchmarks.measuring import Number
from conformance.cluster.nodes.api import ApiClient
from conformance.emulator.eks.cluster_folder import Ready
from conformance.emulator.launch import Launched, launch
from conformance.emulator.records import SessionMinted

CLUSTER = "bench"
TEAMS = 20
"""Namespaces, and roles: accounts of the same name are in all of them."""
PATIENCE_SECONDS = 600.0
SAMPLE_SECONDS = 5.0
"""Between two looks at the memory: reading that of a hundred processes takes a while itself."""

# Begins with the time, so that what Python needs to start is the program's and not the pod's.
_ASK = """
import hashlib, json, os, sys, time, urllib.request
said = {"began": int(sys.argv[1]), "attempts": 0}
uri = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
while uri and "key" not in said and said["attempts"] < 10:
    said["attempts"] += 1
    token = open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read()
    asked = urllib.request.Request(uri, headers={"Authorization": token})
    try:
        given = json.load(urllib.request.urlopen(asked, timeout=2))
        said["key"] = hashlib.sha256(given["AccessKeyId"].encode()).hexdigest()[:12]
    except OSError as error:
        said["refused"] = str(error)
        time.sleep(1)
print(json.dumps(said))
"""
_SHELL = 'exec /opt/conformance/bin/python -I -S -c "$0" "$(date +%s%N)"'


@dataclass(frozen=True)
class Asked:
    """One pod, and what it should be: `role` is empty for a pod without association."""

    namespace: str
    account: str
    pod: str
    role: str


@dataclass
class Crowd:
    """What came of it."""

    pods: int
    served: int
    strangers: int
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    asked_again: int = 0
    """Pods that were not answered at the first attempt."""
    start_milliseconds: list[float] = field(default_factory=list)
    """From the pod's creation to the first moment of its program."""
    memory_megabytes: float = 0.0
    """The most that all processes of the environment, pods included, weighed together."""


def crowd(associations: int, pods: int, nodes: int, at_once: int) -> Crowd:
    """Make an environment, run the pods in it, and compare what each was given."""
    with _environment(nodes) as launched:
        roles = _associate(launched, associations)
        wanted = _pods(associations, pods, roles)
        told = (launched.folder / "clusters" / CLUSTER / "cluster.json").read_bytes()
        runs = _Runs(Ready.model_validate_json(told), launched.announced.pid)
        began = time.monotonic()
        answers = asyncio.run(runs.run(wanted, at_once))
        seconds = time.monotonic() - began
        sessions = {one.access_key_fingerprint: one for one in launched.admin.records().sessions}
    return Crowd(
        pods=pods,
        served=sum("key" in answer for answer in answers.values()),
        strangers=sum(not one.role for one in wanted),
        wrong=[why for one in wanted if (why := _wrong(one, answers[one], sessions))],
        seconds=seconds,
        asked_again=sum(answer.get("attempts", 0) > 1 for answer in answers.values()),
        start_milliseconds=runs.start_milliseconds,
        memory_megabytes=runs.memory_megabytes,
    )


def _wrong(asked: Asked, answer: dict[str, Any], sessions: dict[str, SessionMinted]) -> str:
    """Empty when the pod got what is its own."""
    key = answer.get("key")
    if not asked.role:
        return f"{asked}: was given {key}" if key else ""
    session = sessions.get(key or "")
    if session is None:
        return f"{asked}: {answer}"
    tags = dict(session.tags)
    got = (
        tags.get("kubernetes-namespace"),
        tags.get("kubernetes-service-account"),
        tags.get("kubernetes-pod-name"),
        session.role_arn,
    )
    mine = (asked.namespace, asked.account, asked.pod, asked.role)
    return "" if got == mine else f"{asked}: {got}"


@contextmanager
def _environment(nodes: int) -> Iterator[Launched]:
    launched = launch(Path(tempfile.mkdtemp(prefix="conformance-")))
    try:
        cluster_by_api(launched.aws, nodes)
        yield launched
    finally:
        launched.stop()


def _associate(launched: Launched, associations: int) -> list[str]:
    """Roles of the teams; account N is associated with the role of team N modulo `TEAMS`."""
    aws = launched.aws
    session = boto3.session.Session(
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
        region_name=aws.region,
    )
    iam, eks = (session.client(name, endpoint_url=aws.endpoint) for name in ("iam", "eks"))
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    roles = [
        iam.create_role(RoleName=f"team-{team}", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        for team in range(TEAMS)
    ]
    for number in range(associations):
        eks.create_pod_identity_association(
            clusterName=CLUSTER,
            namespace=f"team-{number % TEAMS}",
            serviceAccount=f"account-{number // TEAMS}",
            roleArn=roles[number % TEAMS],
        )
    return roles


def _pods(associations: int, pods: int, roles: list[str]) -> list[Asked]:
    """Spread over all associations; every tenth is of an account that has none."""
    wanted = []
    for number in range(pods):
        association = number * associations // pods
        team = association % TEAMS
        known = number % 10 != 9
        account = f"account-{association // TEAMS}" if known else "stranger"
        wanted.append(Asked(f"team-{team}", account, f"pod-{number}", roles[team] if known else ""))
    return wanted


class _Runs:
    """Runs pods and watches what they come to."""

    def __init__(self, ready: Ready, process: int) -> None:
        self._ready = ready
        self._process = process
        self._created: dict[str, int] = {}
        self._ended: dict[str, asyncio.Future[str]] = {}
        self.start_milliseconds: list[float] = []
        self.memory_megabytes = 0.0

    async def run(self, wanted: list[Asked], at_once: int) -> dict[Asked, dict[str, Any]]:
        """The answer of each pod; what did not succeed has its phase in place of one."""
        ready = self._ready
        certificate = base64.b64decode(ready.ca).decode()
        api = ApiClient(ready.endpoint, certificate, ready.admin_token)
        watching = asyncio.create_task(self._watch(api))
        weighing = asyncio.create_task(self._weigh())
        places = asyncio.Semaphore(at_once)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._prepare(api, wanted)
                answers = await asyncio.gather(*(self._one(api, one, places) for one in wanted))
        finally:
            for task in (watching, weighing):
                task.cancel()
            await asyncio.gather(watching, weighing, return_exceptions=True)
            await api.close()
        return dict(zip(wanted, answers, strict=True))

    async def _prepare(self, api: ApiClient, wanted: list[Asked]) -> None:
        for team in sorted({one.namespace for one in wanted}):
            await api.create("/api/v1/namespaces", {"metadata": {"name": team}})
        for namespace, account in sorted({(one.namespace, one.account) for one in wanted}):
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
            await api.create(path, {"metadata": {"name": account}})

    async def _one(self, api: ApiClient, asked: Asked, places: asyncio.Semaphore) -> dict[str, Any]:
        pods = f"/api/v1/namespaces/{asked.namespace}/pods"
        container = {"name": "asks", "image": "busybox", "command": ["sh", "-c", _SHELL, _ASK]}
        spec = {
            "restartPolicy": "Never",
            "serviceAccountName": asked.account,
            "automountServiceAccountToken": False,
            "containers": [container],
        }
        async with places:
            self._ended[asked.pod] = asyncio.get_running_loop().create_future()
            created = time.time_ns()
            await api.create(pods, {"metadata": {"name": asked.pod}, "spec": spec})
            phase = await self._ended[asked.pod]
            if phase != "Succeeded":
                return {"phase": phase}
            answer = await api.get(f"{pods}/{asked.pod}/log")
            self.start_milliseconds.append((answer["began"] - created) / 1e6)
            await api.delete(f"{pods}/{asked.pod}")
            return answer

    async def _watch(self, api: ApiClient) -> None:
        async for kind, item in api.follow("/api/v1/pods", {}):
            for pod in item.get("items") or [] if kind == "SYNC" else [item]:
                phase = (pod.get("status") or {}).get("phase")
                ended = self._ended.get(pod["metadata"]["name"])
                if phase in ("Succeeded", "Failed") and ended is not None and not ended.done():
                    ended.set_result(phase)

    async def _weigh(self) -> None:
        while True:
            weighed = await asyncio.to_thread(weight, self._process)
            self.memory_megabytes = max(self.memory_megabytes, weighed)
            await asyncio.sleep(SAMPLE_SECONDS)


def scale(rounds: int) -> list[Number]:
    """1000 associations, 500 pods, 50 at a time, on 10 nodes."""
    wrong = Number("of 500 pods with 1000 associations, wrong identities", 1, "pods")
    memory = Number("memory of that environment, pods included", 1500, "MB")
    for _ in range(rounds):
        seen = crowd(1000, 500, 10, 50)
        missing = seen.pods - seen.strangers - seen.served
        wrong.samples.append(len(seen.wrong) + abs(missing))
        memory.samples.append(seen.memory_megabytes)
    return [wrong, memory]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("associations", 1000), ("pods", 500), ("nodes", 10), ("at-once", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    seen = crowd(asked.associations, asked.pods, asked.nodes, asked.at_once)
    starts = sorted(seen.start_milliseconds)
    told = asdict(seen) | {
        "start_milliseconds": {
            "median": round(statistics.median(starts)),
            "worst": round(starts[-1]),
        }
    }
    print(json.dumps(told, indent=1))
    return int(bool(seen.wrong) or seen.served != seen.pods - seen.strangers)


if __name__ == "__main__":
    sys.exit(main())
