import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from conformance.cluster.apiserver.logs import LogRequest
from conformance.cluster.nodes.logs import ContainerLog

ALL = LogRequest("n", "p", "u", "node", "c")


async def read(log: ContainerLog, request: LogRequest = ALL) -> bytes:
    return b"".join([piece async for piece in log.read(request)])


def test_tail_since_and_limit(tmp_path: Path) -> None:
    async def check() -> None:
        log = ContainerLog(tmp_path / "log")
        log.write([b"a", b"b"], "stdout")
        between = datetime.now(UTC)
        log.write([b"c"], "stderr")
        assert await read(log) == b"a\nb\nc\n"
        assert await read(log, replace(ALL, tail_lines=2)) == b"b\nc\n"
        assert await read(log, replace(ALL, tail_lines=0)) == b""
        assert await read(log, replace(ALL, since=between)) == b"c\n"
        assert await read(log, replace(ALL, limit_bytes=3)) == b"a\nb"
        log.close()

    asyncio.run(check())


def test_a_follower_sees_what_comes_and_then_the_end(tmp_path: Path) -> None:
    async def check() -> None:
        log = ContainerLog(tmp_path / "log")
        log.write([b"before"], "stdout")
        reading = asyncio.create_task(read(log, replace(ALL, follow=True, tail_lines=1)))
        for _ in range(3):
            await asyncio.sleep(0)
        log.write([b"after"], "stdout")
        log.close()
        assert await reading == b"before\nafter\n"

    asyncio.run(check())


def test_a_last_line_without_end_stays_without(tmp_path: Path) -> None:
    async def check() -> None:
        log = ContainerLog(tmp_path / "log")
        reader, writer = os.pipe()
        os.write(writer, b"one\n\ntwo \xff")
        os.close(writer)
        await log.pump(os.fdopen(reader, "rb", buffering=0), "stdout")
        log.close()
        assert await read(log) == b"one\n\ntwo \xff"

    asyncio.run(check())
