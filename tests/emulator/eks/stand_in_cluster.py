"""
A cluster process that only pretends: keys over TLS, and a control API that notes what it is asked.

Run as `python -I -S stand_in_cluster.py KEYS --dir DIR --lifeline-fd N`, as EKS runs the real
one; `KEYS` is a folder made by `stand_in_keys`. It imports nothing but the standard library,
so that it is there in a tenth of a second: every second test starts one.
Names decide what goes wrong: a cluster `stillborn` ends before it is ready, a node group
or add-on configuration with `broken` in it is refused, one with `changed by somebody` is a
conflict unless it is to be overwritten. A cluster `hubbed` has pods with a way to AWS.
"""

import base64
import json
import os
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = tuple[int, object]


class Server(ThreadingHTTPServer):
    """On a socket that is listening already; `answer` says what, `asked` notes it."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, asked: Path, stop: threading.Event) -> None:
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.stop = stop
        self._asked = asked.open("a", buffering=1)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        # The peer of a Unix socket has no address to tell.
        return self.socket.accept()[0], ("", 0)

    def note(self, *what: object) -> None:
        self._asked.write(json.dumps(what) + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        status, told = self._keys() if self.path == "/openid/v1/jwks" else self._control(body)
        text = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 -- named by BaseHTTPRequestHandler

    def _keys(self) -> Answer:
        self.server.note("GET", "jwks", self.headers["Authorization"])
        return 200, json.loads((KEYS / "jwks.json").read_text())

    def _control(self, body: str) -> Answer:
        self.server.note(self.command, self.path, json.loads(body or "null"))
        if self.path == "/stop":
            self.server.stop.set()
        if "broken" in self.path + body:
            return 500, {"error": "broken, as asked"}
        if "changed by somebody" in body and '"NONE"' in body:
            return 409, {"error": "Conflicts found"}
        return 200, {"ok": True, "parts": {"api": "ok"}}

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _watch(lifeline: int, stop: threading.Event) -> None:
    os.read(lifeline, 1)
    stop.set()


def _give_out(door: socket.socket) -> None:
    hub = socket.create_server(("127.0.0.1", 0))
    while True:
        visitor, _ = door.accept()
        with visitor:
            socket.send_fds(visitor, [b"hub"], [hub.fileno()])


def main(folder: Path, lifeline: int) -> None:
    config = json.loads((folder / "config.json").read_text())
    if config["name"] == "stillborn":
        sys.exit("no network today")
    stop = threading.Event()
    threading.Thread(target=_watch, args=(lifeline, stop), daemon=True).start()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(KEYS / "tls.pem")
    api = socket.create_server(("127.0.0.1", 0))
    port = api.getsockname()[1]
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(folder / "control.sock"))
    control.listen()
    for listening in (tls.wrap_socket(api, server_side=True), control):
        server = Server(listening, folder / "asked.ndjson", stop)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hubbed = config["name"] == "hubbed"
    if hubbed:
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(folder / "hub.sock"))
        door.listen()
        threading.Thread(target=_give_out, args=(door,), daemon=True).start()
    ready = {
        "endpoint": f"https://127.0.0.1:{port}",
        "ca": base64.b64encode((KEYS / "ca.pem").read_bytes()).decode(),
        "network": "root" if hubbed else "loopback",
        "admin_token": "stand-in-admin",
        "aws_endpoint": f"http://127.0.0.1:{config['aws_port']}",
    }
    print(json.dumps(ready), flush=True)
    stop.wait()
    os._exit(0)


if __name__ == "__main__":
    KEYS = Path(sys.argv[1])
    main(Path(sys.argv[3]), int(sys.argv[5]))
