"""How fast the parts are that every probe goes through, each measured by itself."""

import asyncio
import json
import math
import os
import ssl
import statistics
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes
import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks import alone
from benchmarks.environment import weight
from benchmarks.measuring import Number, rate
from benchmarks.pod_identity import BUCKET, CLUSTER, PodIdentity, pod_identity
from benchmarks.wire import Connection, Place, burst, message, steady

CALLS = 1000
"""Of each kind in a round."""
AGENT_RATE = 900
"""Requests a second: just below the agent's own limit of 1000."""
AGENT_SECONDS = 3.0


def eks_auth(rounds: int) -> list[Number]:
    """AssumeRoleForPodIdentity over HTTP: signature, token, trust policy, a new session."""
    number = rate("EKS Auth", 500)
    with pod_identity() as running:
        place, raw = _signed_call(running)
        asyncio.run(burst(place, [raw], connections=1, status=200))
        for _ in range(rounds):
            with number.counted(CALLS):
                asyncio.run(burst(place, [raw] * CALLS, connections=4, status=200))
    return [number]


def _signed_call(running: PodIdentity) -> tuple[Place, bytes]:
    """One call of a node; a signature is good for five minutes, so it may be sent again."""
    endpoint = urlsplit(running.launched.aws.endpoint or "")
    path = f"/clusters/{CLUSTER}/assume-role-for-pod-identity"
    body = json.dumps({"token": running.token}).encode()
    request = AWSRequest("POST", f"{endpoint.geturl()}{path}", data=body)
    request.headers["Host"] = endpoint.netloc
    node = running.node
    credentials = Credentials(node["AccessKeyId"], node["SecretAccessKey"], node["Token"])
    SigV4Auth(credentials, "eks-auth", running.launched.aws.region).add_auth(request)
    raw = message("POST", path, endpoint.netloc, dict(request.headers.items()), body)
    return Place(endpoint.hostname or "", endpoint.port or 0), raw


def agent(rounds: int, *, beside: str | None = None) -> list[Number]:
    """
    The agent's answer from its cache, while it is asked nearly as fast as it allows.

    Beside the times what it costs a node: processor time a request, and memory. `beside` is
    the path of another agent, AWS's for example, which is asked the same.
    """
    with pod_identity() as running:
        aws = running.launched.aws
        given = (aws.endpoint or "", CLUSTER, aws.region, running.node)
        with alone.running(alone.agent, *given) as ours:
            numbers = _asked_of_an_agent("agent", 5, ours, running.token, rounds)
        if beside:
            with alone.agent_binary(beside, *given) as theirs:
                numbers += _asked_of_an_agent(
                    "agent given", math.inf, theirs, running.token, rounds
                )
    return numbers


def _asked_of_an_agent(
    name: str, bound: float, started: alone.Started, token: str, rounds: int
) -> list[Number]:
    slowest = Number(f"{name}, cached, at {AGENT_RATE}/s: p99", bound, "ms")
    middle = Number(f"{name}, cached, at {AGENT_RATE}/s: p50", bound, "ms")
    cost = Number(f"{name}, cached: processor time a request", math.inf, "us")
    memory = Number(f"{name}: memory", math.inf, "MB")
    raw = message("GET", "/v1/credentials", "169.254.170.23", {"Authorization": token})
    place = Place("127.0.0.1", started.told)
    process = psutil.Process(started.pid)
    asyncio.run(burst(place, [raw] * 10, connections=1, status=200))
    for _ in range(rounds):
        before = process.cpu_times()
        took = asyncio.run(
            steady(place, raw, per_second=AGENT_RATE, seconds=AGENT_SECONDS, connections=30)
        )
        after = process.cpu_times()
        slowest.samples.append(statistics.quantiles(took, n=100)[98] * 1000)
        middle.samples.append(statistics.median(took) * 1000)
        spent = after.user + after.system - before.user - before.system
        cost.samples.append(spent / len(took) * 1e6)
        memory.samples.append(weight(started.pid))
    return [slowest, middle, cost, memory]


def api_server(rounds: int, *, beside: Path | None = None) -> list[Number]:
    """
    Objects created and read over HTTPS, on connections that are kept.

    `beside` is the kubeconfig of another API server, with a token in it; what is made
    there goes with its namespace.
    """
    creates, gets = rate("API server: create", 1000), rate("API server: get", 2000)
    with alone.running(alone.api_server) as ours:
        port, authority, token = ours.told
        tls = ssl.create_default_context(cadata=authority)
        _asked_of_a_server(Place("127.0.0.1", port, tls), token, (creates, gets), rounds)
    if beside is None:
        return [creates, gets]
    theirs = (
        rate("API server given: create", -math.inf),
        rate("API server given: get", -math.inf),
    )
    _asked_of_a_server(*_server_of(beside), theirs, rounds)
    return [creates, gets, *theirs]


def _asked_of_a_server(
    place: Place, token: str, numbers: tuple[Number, Number], rounds: int
) -> None:
    creates, gets = numbers
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    home = f"bench-{os.getpid()}"
    namespace = json.dumps({"metadata": {"name": home}}).encode()
    new = message("POST", "/api/v1/namespaces", place.host, headers, namespace)
    asyncio.run(burst(place, [new], connections=1, status=201))
    path = f"/api/v1/namespaces/{home}/configmaps"
    for turn in range(rounds):
        made = [_config_map(path, headers, f"{turn}-{n}") for n in range(CALLS)]
        with creates.counted(CALLS):
            asyncio.run(burst(place, made, connections=8, status=201))
        raw = message("GET", f"{path}/bench-{turn}-0", place.host, headers)
        with gets.counted(CALLS):
            asyncio.run(burst(place, [raw] * CALLS, connections=8, status=200))
    gone = message("DELETE", f"/api/v1/namespaces/{home}", place.host, headers)
    asyncio.run(burst(place, [gone], connections=1, status=200))


def _server_of(kubeconfig: Path) -> tuple[Place, str]:
    loaded: Any = kubernetes.client.Configuration()
    load: Any = kubernetes.config.load_kube_config  # Without types.
    load(str(kubeconfig), client_configuration=loaded)
    tls = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
    at = urlsplit(loaded.host)
    token: str = loaded.auth_settings()["BearerToken"]["value"].removeprefix("Bearer ")
    return Place(at.hostname or "", at.port or 443, tls), token


def _config_map(path: str, headers: dict[str, str], number: str) -> bytes:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"bench-{number}"},
        "data": {"key": "value"},
    }
    return message("POST", path, "localhost", headers, json.dumps(body).encode())


def s3_get(rounds: int) -> list[Number]:
    """GetObject by a pod's session through boto3, one after the other, as a probe does it."""
    number = rate("S3 get by a session, boto3", 150)
    with pod_identity() as running:
        place, raw = _signed_call(running)
        reply = asyncio.run(Connection(place).ask(raw))
        assert reply is not None  # noqa: S101 -- a number without an answer means nothing
        given = json.loads(reply.body)["credentials"]
        s3 = running.client(
            "s3",
            {
                "AccessKeyId": given["accessKeyId"],
                "SecretAccessKey": given["secretAccessKey"],
                "SessionToken": given["sessionToken"],
            },
        )
        for _ in range(rounds):
            with number.counted(CALLS // 4):
                for _ in range(CALLS // 4):
                    s3.get_object(Bucket=BUCKET, Key="hello")["Body"].read()
    return [number]
