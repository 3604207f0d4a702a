import asyncio

import pytest

from conformance.emulator import hearers
from conformance.emulator.hearers import Hearers


def test_part_that_does_not_answer_keeps_nobody_from_hearing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearers, "WITHIN", 0.05)
    told: list[str] = []

    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    async def fails(_: str) -> None:
        raise ConnectionRefusedError("nobody home")

    async def hears(what: str) -> None:
        told.append(what)

    async def tell() -> dict[str, str]:
        everyone: Hearers[str] = Hearers()
        for part, hear in (("hung", hangs), ("dead", fails), ("well", hears), ("too", hears)):
            everyone.add(part, hear)
        return await everyone.tell("news")

    assert asyncio.run(tell()) == {
        "hung": "no answer within 0.05 s",
        "dead": "ConnectionRefusedError: nobody home",
    }
    assert told == ["news", "news"]


def test_who_leaves_hears_no_more() -> None:
    told: list[str] = []

    async def hears(what: str) -> None:
        told.append(what)

    everyone: Hearers[str] = Hearers()
    forget = everyone.add("one", hears)
    asyncio.run(everyone.tell("first"))
    forget()
    forget()
    asyncio.run(everyone.tell("second"))
    assert told == ["first"]
