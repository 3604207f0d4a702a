"""
Serving the provider over gRPC, inside a process that has other things to do.

Terraform attaches to a running provider by TF_REATTACH_PROVIDERS. Three traps were
found by falling into them. If Terraform cannot reach the socket it kills the process
that the variable names, so it names a child of ours that only waits to be killed. A
server that is not referenced any more stops answering, so the doorman holds it. And
a provider that is configured twice keeps the last configuration: two provider blocks
for two accounts would be one, so each connection gets a provider of its own.

The socket lies in a folder of mode 0700: Terraform's client certificate uses a curve
that gRPC's TLS does not know, so the folder is what keeps others out.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc

from conformance.errors import HarnessError
from conformance.terraform.provider import protocol
from conformance.terraform.provider.awscc import AWSCC
from conformance.terraform.provider.catalogue import AWS, Catalogue
from conformance.terraform.provider.connection import Settings
from conformance.terraform.provider.doorman import Doorman
from conformance.terraform.provider.service import Provider

REGISTRIES: Final = ("registry.terraform.io", "registry.opentofu.org")
"""Where Terraform and OpenTofu take a provider from that names no registry."""

CATALOGUES: Final = (AWS, AWSCC)
"""Every provider that is served."""

# Terraform works on 10 resources at a time; StopProvider must find a thread as well.
_THREADS: Final = 16
_SOCKET_PATH_LIMIT: Final = 107
_SOCKET_NAME: Final = len("/conformance-12345678/awscc.123")


@contextmanager
def serve(settings: Settings, *near: Path | None) -> Iterator[dict[str, str]]:
    """
    A provider for one run of Terraform; yields the environment that attaches to it.

    Terraform needs no `init` with it. The socket lies in a folder of its own inside the
    first of `near` whose path is short enough, so that it goes with it even after a kill.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="conformance-", dir=_short_folder(*near))
        )
        sockets: dict[str, str] = {}
        for catalogue in CATALOGUES:
            place = f"{folder}/{catalogue.source.rpartition('/')[2]}"
            make = partial(_new_server, settings, catalogue)
            stack.enter_context(closing(Doorman(place, make)))
            sockets[catalogue.source] = place
        sacrifice = subprocess.Popen(
            ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield {"TF_REATTACH_PROVIDERS": reattach(sockets, sacrifice.pid)}
        finally:
            sacrifice.kill()
            sacrifice.communicate()


def _new_server(settings: Settings, catalogue: Catalogue) -> grpc.Server:
    return make_server(Provider(settings, catalogue))


def make_server(provider: Provider, stop: Callable[[], None] | None = None) -> grpc.Server:
    """A server, not listening yet; `stop` is called when Terraform is done with a plugin."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="terraform-provider"),
        # A world of large objects must not fail on gRPC's default of 4 MB.
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(
            _answer(name, method),
            request_deserializer=protocol.MESSAGES[f"{name}.Request"].FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for name, method in provider.handlers().items()
    }
    generic = [grpc.method_handlers_generic_handler(protocol.SERVICE, handlers)]
    if stop is not None:
        generic.append(_controller(stop))
    server.add_generic_rpc_handlers(generic)
    return server


def reattach(sockets: Mapping[str, str], pid: int) -> str:
    """
    The value of TF_REATTACH_PROVIDERS for these sockets, by provider source.

    `pid` is what Terraform kills when it finds no socket.
    """
    entries = {
        f"{registry}/{source}": {
            "Protocol": "grpc",
            "ProtocolVersion": protocol.VERSION,
            "Pid": pid,
            "Test": True,
            "Addr": {"Network": "unix", "String": socket},
        }
        for registry in REGISTRIES
        for source, socket in sockets.items()
    }
    return json.dumps(entries)


def _answer(name: str, method: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def answer(request: Any, _context: Any) -> Any:
        return method(request)

    answer.__name__ = name
    return answer


def _controller(stop: Callable[[], None]) -> grpc.GenericRpcHandler:
    # go-plugin asks a plugin to end by this call and kills it after two seconds.
    def shutdown(_request: bytes, _context: Any) -> bytes:
        stop()
        return b""

    handler: dict[str, Any] = {"Shutdown": grpc.unary_unary_rpc_method_handler(shutdown)}
    return grpc.method_handlers_generic_handler("plugin.GRPCController", handler)


def _short_folder(*near: Path | None) -> Path:
    fall_back = Path("/tmp")  # noqa: S108  # what is made in it has mode 0700
    for folder in (*near, Path(tempfile.gettempdir()), fall_back):
        if folder is None or not folder.is_dir():
            continue
        if len(os.fsencode(folder)) + _SOCKET_NAME <= _SOCKET_PATH_LIMIT:
            return folder
    raise HarnessError(
        "provider: no folder for temporary files has a path short enough for a socket",
        saw=tempfile.gettempdir(),
        try_="TMPDIR=/tmp",
    )
