"""Ports: listening on them, with one clear sentence where that is not possible."""

import socket

import grpc
import prometheus_client

from services.platform.failures import CannotRunError


class PortTakenError(CannotRunError):
    """Another program listens on the port already; the message says which port."""


BACKLOG = 2048


def listen(host: str, port: int, variable: str) -> socket.socket:
    """Listen for an HTTP server; 0 takes any free port.

    Raises:
        PortTakenError: the port is in use; `variable` is the setting that changes it.
    """
    # The protocol is named so that asyncio knows it for TCP and turns Nagle's algorithm off on what
    # is accepted: otherwise each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _taken(host, port, variable, error.strerror or str(error)) from error
    return listener


def bind(server: grpc.aio.Server, host: str, port: int, variable: str) -> int:
    """Let a server listen; return the real port.

    Raises:
        PortTakenError: the port is in use; `variable` is the setting that changes it.
    """
    try:
        return server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise _taken(host, port, variable, "another program has it") from error


def serve_metrics(host: str, port: int, variable: str) -> int:
    """Serve /metrics over HTTP, in a thread that ends with the process; return the real port.

    Raises:
        PortTakenError: the port is in use.
    """
    try:
        server, _ = prometheus_client.start_http_server(port, host)
    except OSError as error:
        raise _taken(host, port, variable, error.strerror or str(error)) from error
    return server.server_port


def _taken(host: str, port: int, variable: str, why: str) -> PortTakenError:
    return PortTakenError(
        f"{host}:{port} cannot be listened on: {why}; stop what listens there, or set {variable} "
        "to another port (0 takes any free one)"
    )
