import socket
import threading
from collections.abc import Callable

import pytest

from conformance.probes import runner
from conformance.probes.flooding import flood

REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\nempty\n"
TURNED_AWAY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 9\r\n\r\ntoo many\n"

Answer = Callable[[socket.socket], None]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    monkeypatch.setenv(runner.FULL_URI, f"http://127.0.0.1:{port}/v1/credentials")
    return server


def answering(server: socket.socket, answer: Answer) -> threading.Thread:
    def serve() -> None:
        with server, server.accept()[0] as connection:
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_answers_are_counted_by_status(listening: socket.socket) -> None:
    asked = bytearray()

    def answer(connection: socket.socket) -> None:
        while b"Connection: close" not in asked:
            asked.extend(connection.recv(1 << 16))
        connection.sendall(REFUSED * 2 + TURNED_AWAY * 3)

    thread = answering(listening, answer)
    told = flood(runner, 5)
    thread.join()

    assert told["Statuses"] == {"400": 2, "429": 3}
    assert told["Texts"] == {"400": "empty\n", "429": "too many\n"}
    assert asked.count(b"GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1:") == 5
    assert b"Authorization" not in asked


def test_nobody_who_listens_is_no_answer(listening: socket.socket) -> None:
    listening.close()

    assert flood(runner, 5).status == 0
