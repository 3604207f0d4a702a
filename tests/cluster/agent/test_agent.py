import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from conformance.cluster.agent.agent import Agent
from conformance.cluster.agent.eks_auth import RETRY_COST, RETRY_QUOTA
from conformance.cluster.agent.interface import (
    Listener,
    NodeCredentials,
    NodeCredentialsError,
    Settings,
)
from conformance.cluster.agent.profiles import profile_of
from conformance.errors import UsageError
from conformance.faults import AGENT_SHARES_CACHE, ActiveFaults
from tests.cluster.agent.conftest import (
    LIFE_SECONDS,
    MovedClock,
    Served,
    StandIn,
    eventually,
    listening,
    make_token,
    node_credentials,
    send,
    serve,
)

Scene = Callable[[Served], Coroutine[None, None, None]]


def request(token: str) -> bytes:
    head = f"GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: {token}"
    return f"{head}\r\n\r\n".encode()


def play(scene: Scene, **options: Any) -> None:
    async def played() -> None:
        async with serve(**options) as served:
            await scene(served)

    asyncio.run(played())


def test_listeners_have_caches_of_their_own() -> None:
    async def scene(served: Served) -> None:
        token = make_token()
        keys = [(await served.ask(token, listener=one)).access_key_id for one in (0, 1, 0, 1)]
        assert keys[:2] == keys[2:]
        assert len(set(keys)) == len(served.stand_in.calls) == 2

    play(scene)


def test_cached_token_is_refused_once_it_has_expired() -> None:
    clock = MovedClock()

    async def scene(served: Served) -> None:
        token = make_token(now=clock.now)
        assert (await served.ask(token)).status == 200
        clock.move(3601)
        reply = await served.ask(token)
        assert (reply.status, len(served.stand_in.calls)) == (400, 1)
        assert "token is expired" in reply.text

    play(scene, clock=clock)


def test_burst_is_500_and_counts_refused_requests_but_not_404s() -> None:
    clock = MovedClock()

    async def scene(served: Served) -> None:
        missing = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        for _ in range(20):
            reply = await served.raw(missing)
            assert reply is not None
            assert reply.status == 404
        statuses = [(await served.ask("junk", host="wrong")).status for _ in range(502)]
        assert statuses == [403] * 500 + [429] * 2
        limited = await served.ask(make_token(now=clock.now))
        assert limited.text == "Too Many Requests\n"
        assert (await served.ask("junk", listener=1)).status == 400
        clock.move(0.0011)
        assert (await served.ask(make_token(now=clock.now))).status == 200

    play(scene, clock=clock)


def test_unreachable_eks_auth_is_500_and_brackets() -> None:
    async def scene(served: Served) -> None:
        reply = await served.ask(make_token())
        assert (reply.status, reply.text) == (500, "[]\n")

    closed = listening()
    port = closed.getsockname()[1]
    closed.close()
    play(scene, eks_auth_endpoint=f"http://127.0.0.1:{port}")


def test_answer_without_association_closes_the_connection() -> None:
    async def scene(served: Served) -> None:
        raw = (
            f"GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: {make_token()}"
        )
        assert await served.raw(f"{raw}\r\n\r\n".encode()) is None
        served.stand_in.default = {}
        assert (await served.ask(make_token())).status == 200

    play(scene, stand_in=StandIn(default={"answer": "NoAssociation"}))


def test_due_entries_are_renewed_once_a_minute() -> None:
    clock = MovedClock()

    async def scene(served: Served) -> None:
        token = make_token(now=clock.now, exp=int(clock.now) + 86_400)
        first = (await served.ask(token)).access_key_id
        await eventually(lambda: clock.sleepers == 2, "both listeners wait for their sweep")
        clock.move(3 * 3600 + 60)
        await eventually(lambda: len(served.stand_in.calls) == 2, "the sweep renewed")
        await eventually(lambda: clock.sleepers == 2, "the sweep is over")
        assert (await served.ask(token)).access_key_id != first
        assert len(served.stand_in.calls) == 2

    play(scene, clock=clock)


def test_cached_credentials_are_served_until_their_last_15_s() -> None:
    clock = MovedClock()

    async def scene(served: Served) -> None:
        token = make_token(now=clock.now, exp=int(clock.now) + 86_400)
        assert (await served.ask(token)).status == 200
        served.stand_in.default = {"answer": "AccessDenied"}
        clock.now += LIFE_SECONDS - 16
        assert (await served.ask(token)).status == 200
        clock.now += 1
        assert (await served.ask(token)).status == 400

    play(scene, clock=clock)


def test_shared_cache_serves_one_pods_credentials_to_another() -> None:
    async def scene(served: Served) -> None:
        mine, other = make_token(), make_token(sub="system:serviceaccount:prod:sa")
        first = await served.ask(mine)
        assert (await served.ask(other)).access_key_id == first.access_key_id
        assert len(served.stand_in.calls) == 1
        assert (await served.ask("junk")).status == 400
        assert (await served.ask(make_token(exp=1))).status == 400

    for version in ("0.1.37", "0.2.1"):
        play(scene, faults=(AGENT_SHARES_CACHE.name,), version=version)


def test_call_is_signed_as_the_node() -> None:
    async def scene(served: Served) -> None:
        token = make_token()
        await served.ask(token)
        sent, headers = served.stand_in.calls[0]
        assert sent == token
        assert headers["X-Amz-Security-Token"] == "node-session"
        assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDNODE/")
        assert "/eu-west-1/eks-auth/aws4_request, SignedHeaders=" in headers["Authorization"]

    play(scene)


def test_node_without_credentials_says_so() -> None:
    async def none() -> NodeCredentials:
        raise NodeCredentialsError("no EC2 IMDS role found")

    async def scene(served: Served) -> None:
        reply = await served.ask(make_token())
        assert reply.status == 500
        assert reply.text.startswith("error getting credentials to cache: unable to fetch")
        assert reply.text.endswith("no EC2 IMDS role found\n")

    play(scene, node_credentials=none)


def test_old_release_answers_500_with_gos_words() -> None:
    async def scene(served: Served) -> None:
        reply = await served.ask(make_token())
        assert reply.status == 500
        assert "https response error StatusCode: 400, RequestID: 11111111" in reply.text
        assert reply.text.endswith("AccessDeniedException: lab message for AccessDenied\n")

    play(scene, version="0.0.25", stand_in=StandIn(default={"answer": "AccessDenied"}))


def test_retry_quota_is_shared_by_all_callers() -> None:
    async def scene(served: Served) -> None:
        callers = RETRY_QUOTA // (2 * RETRY_COST)
        for _ in range(callers):
            assert (await served.ask(make_token())).status == 500
        assert len(served.stand_in.calls) == 3 * callers
        assert (await served.ask(make_token())).status == 500
        assert len(served.stand_in.calls) == 3 * callers + 1

    play(scene, stand_in=StandIn(default={"answer": "InternalServer"}))


def test_client_that_hangs_up_gives_its_place_away() -> None:
    # On a clock that stands still nobody stops waiting for a request under way.
    clock = MovedClock()

    async def scene(served: Served) -> None:
        served.stand_in.held = asyncio.Event()
        token = make_token(now=clock.now)
        _, writer = await asyncio.open_connection(*served.addresses[0])
        writer.write(request(token))
        await eventually(lambda: len(served.stand_in.calls) == 1, "EKS Auth was asked")
        writer.close()
        await writer.wait_closed()
        again = asyncio.create_task(served.ask(token))
        await eventually(lambda: len(served.stand_in.calls) == 2, "the second one asks itself")
        served.stand_in.held.set()
        assert (await again).status == 200

    play(scene, clock=clock)


def test_close_while_a_request_is_under_way_ends_it() -> None:
    async def scene(served: Served) -> None:
        served.stand_in.held = asyncio.Event()
        raw = (
            f"GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: {make_token()}"
        )
        asked = asyncio.create_task(served.raw(f"{raw}\r\n\r\n".encode()))
        await eventually(lambda: len(served.stand_in.calls) == 1, "EKS Auth was asked")
        assert served.agent is not None
        await served.agent.close()
        served.stand_in.held.set()
        assert await asked is None
        assert not served.agent.ready
        with pytest.raises(ConnectionRefusedError):
            await served.ask(make_token())

    play(scene)


def test_log_tells_what_happened_and_no_secret() -> None:
    async def scene(served: Served) -> None:
        token = make_token()
        await served.ask(token)
        served.stand_in.default = {"answer": "AccessDenied"}
        await served.ask(make_token())
        messages = [line["msg"] for line in served.lines if "client-addr" in line]
        assert messages[0].startswith("handling new request request from 127.0.0.1:")
        assert messages[1:4] == [
            "Calling EKS Auth to fetch credentials",
            "Successfully fetched credentials from EKS Auth",
            "Storing creds in cache",
        ]
        failed = served.lines[-1]
        assert (failed["level"], failed["cluster-name"]) == ("error", "lab")
        assert failed["operation"] == "AssumeRoleForPodIdentity"
        assert failed["request-id"] == "11111111-2222-3333-4444-555555555555"
        everything = json.dumps(served.lines)
        for secret in (token, token.split(".")[1], "SECRET", "SESSION", "node-secret"):
            assert secret not in everything

    play(scene)


def test_probes_and_metrics() -> None:
    probe, metrics = listening(), listening()
    addresses = [probe.getsockname(), metrics.getsockname()]

    async def get(address: tuple[str, int], path: str) -> tuple[int, str]:
        reply = await send(address, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert reply is not None
        return reply.status, reply.text

    async def scene(served: Served) -> None:
        await served.ask(make_token())
        await served.ask("junk")
        for path in ("/healthz", "/readyz"):
            assert [await get(address, path) for address in addresses] == [(200, "")] * 2
        assert (await get(addresses[0], "/metrics"))[0] == 404
        _, text = await get(addresses[1], "/metrics")
        assert 'pod_identity_http_response{code="200"} 1\n' in text
        assert 'pod_identity_http_response{code="400"} 1\n' in text
        assert 'pod_identity_cache_state{state="miss"} 1\n' in text

    play(scene, probe=probe, metrics=metrics)


def test_probe_fails_when_the_network_does() -> None:
    def unreachable(*_: object) -> socket.socket:
        raise OSError("network is gone")

    async def scene(served: Served) -> None:
        assert served.agent is not None
        assert await served.agent.probe() == 200
        served.agent._connect = unreachable
        assert await served.agent.probe() == 500

    play(scene)


def test_without_retention_every_request_asks_eks_auth() -> None:
    async def scene(served: Served) -> None:
        token = make_token()
        await served.ask(token)
        await served.ask(token)
        assert len(served.stand_in.calls) == 2

    play(scene, settings=Settings(max_credential_retention_seconds=0))


def test_extra_host_is_accepted_and_named() -> None:
    async def scene(served: Served) -> None:
        assert (await served.ask(make_token(), host="127.0.0.1:8080")).status == 200
        reply = await served.ask(make_token(), host="localhost")
        assert "[169.254.170.23 fd00:ec2::23 127.0.0.1] address not localhost" in reply.text

    play(scene, settings=Settings(extra_hosts=("127.0.0.1",)))


def test_agent_that_never_started_closes_its_sockets() -> None:
    sockets = [listening(), listening()]
    agent = Agent(
        profile_of("0.1.37"),
        cluster_name="lab",
        region="eu-west-1",
        eks_auth_endpoint="http://127.0.0.1:1",
        node_credentials=node_credentials,
        listeners=[Listener("169.254.170.23", sockets[0])],
        connect=lambda info: socket.socket(info[0], info[1]),
        log=print,
        faults=ActiveFaults(),
        metrics=sockets[1],
    )
    for _ in range(2):
        asyncio.run(agent.close())
    assert [one.fileno() for one in sockets] == [-1, -1]


def test_unknown_release_is_refused() -> None:
    with pytest.raises(UsageError, match=r"9\.9\.9"):
        profile_of("9.9.9")
