"""AWS as a cluster process meets it: node credentials on a Unix socket, EKS Auth at the hub."""

import base64
import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]
ACCOUNT = "arn:aws:eks:us-west-2:111122223333"


class Aws:
    """Node credentials on a Unix socket, EKS Auth at the hub."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[Json] = []
        self.instances: list[Json] = []
        self.socket_path = folder / "aws.sock"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self.socket_path))
        self.socket_path.chmod(0o777)
        listening.listen()
        self._servers: list[ThreadingHTTPServer] = []
        self.serve(listening)

    def serve(self, listening: socket.socket) -> None:
        aws = self
        listening.setblocking(True)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(aws.answer(self.path, body, dict(self.headers))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listening
        # A Unix socket's peer has no address to tell.
        server.get_request = lambda: (listening.accept()[0], ("", 0))  # type: ignore[method-assign]
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, body: Json, headers: dict[str, str]) -> Json:
        until = datetime.now(UTC) + timedelta(hours=6)
        if path == "/instance-credentials":
            self.instances.append(body)
            return {
                "AccessKeyId": "ASIANODE",
                "SecretAccessKey": "node-secret",
                "Token": "node-session",
                "Expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}",
            }
        payload = body["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        self.calls.append({"claims": claims, "path": path, "headers": headers})
        identity = claims["kubernetes.io"]
        return {
            "assumedRoleUser": {
                "arn": "arn:aws:sts::111122223333:assumed-role/reader/eks-lab",
                "assumeRoleId": "AROAX:eks-lab",
            },
            "audience": "pods.eks.amazonaws.com",
            "credentials": {
                "accessKeyId": f"ASIA-{identity['namespace']}-{identity['serviceaccount']['name']}",
                "secretAccessKey": "pod-secret",
                "sessionToken": "pod-session",
                "expiration": until.timestamp(),
            },
            "podIdentityAssociation": {
                "associationArn": f"{ACCOUNT}:podidentityassociation/lab/a-1",
                "associationId": "a-1",
            },
            "subject": {
                "namespace": identity["namespace"],
                "serviceAccount": identity["serviceaccount"]["name"],
            },
        }

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
