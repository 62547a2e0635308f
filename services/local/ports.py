"""The ports of the stack: the documented ones, chosen ones, or any that are free."""

import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace

from services.local.errors import PortTakenError, StackError

HOST = "127.0.0.1"
_PORT_MAX = 65_535
# Below the range from which systems give ports to outgoing connections.
_BLOCKS = range(20_000, 32_000, 20)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on 127.0.0.1; the values are the documented ports."""

    ledger: int = 50051
    ledger_health: int = 50151
    psp_gateway: int = 50052
    psp_gateway_health: int = 50152
    psp_gateway_worker_health: int = 50154
    webhooks: int = 8080
    reconciliation: int = 50053
    reconciliation_health: int = 50153
    reconciliation_worker_health: int = 50155
    mock_psp: int = 8090
    temporal: int = 7233
    temporal_ui: int = 8233

    def named(self) -> Mapping[str, int]:
        """Return the ports by name."""
        return asdict(self)

    def changed(self, wanted: Mapping[str, int]) -> "Ports":
        """Return these ports with some others, by name.

        Raises:
            StackError: a name is none of ours, a number is no port, or two are the same.
        """
        known = [field.name for field in fields(Ports)]
        for name, port in wanted.items():
            if name not in known:
                raise StackError(f"there is no port {name!r}; there are {', '.join(known)}")
            if not 0 < port <= _PORT_MAX:
                raise StackError(f"{port} is no port; ports are 1 to {_PORT_MAX}")
        ports = replace(self, **wanted)
        by_number: dict[int, str] = {}
        for name, port in ports.named().items():
            other = by_number.setdefault(port, name)
            if other != name:
                raise StackError(f"{other} and {name} cannot both have port {port}")
        return ports


def address(port: int) -> str:
    """Return host:port."""
    return f"{HOST}:{port}"


def check_free(ports: Ports) -> None:
    """Check that nobody listens on the ports.

    Raises:
        PortTakenError: somebody does; the message says what to do.
    """
    for name, port in ports.named().items():
        if not _is_free(port):
            raise PortTakenError(
                f"port {port} ({name}) is taken by another program; stop that, or choose others: "
                f"vezne up --port {name}=NUMBER, or vezne up --free-ports"
            )


@contextmanager
def reserved() -> Iterator[Ports]:
    """Give ports that are free, and that no other stack takes while the block lasts.

    Raises:
        StackError: there are none.
    """
    guard, ports = _free_block()
    with guard:
        yield ports


def _free_block() -> tuple[socket.socket, Ports]:
    """Take a block of ports.

    Its first port is the lock of the rest: whoever listens on it has the block, and the system
    frees it with its holder, however that one ended.
    """
    count = len(fields(Ports))
    for base in random.sample(_BLOCKS, len(_BLOCKS)):
        guard = socket.socket()
        try:
            guard.bind((HOST, base))
            guard.listen()
        except OSError:
            guard.close()
            continue
        ports = Ports(*range(base + 1, base + 1 + count))
        if all(_is_free(port) for port in ports.named().values()):
            return guard, ports
        guard.close()
    raise StackError(f"no block of free ports is left from {_BLOCKS.start} to {_BLOCKS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
