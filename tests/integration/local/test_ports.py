"""The ports of the stack."""

import socket

import pytest

from services.local.errors import PortTakenError, StackError
from services.local.ports import HOST, Ports, check_free, reserved


def test_reserved_blocks_never_meet() -> None:
    """Two stacks that reserve ports at once get different ones, and all of them can be had."""
    with reserved() as first, reserved() as second:
        assert not set(first.named().values()) & set(second.named().values())
        check_free(first)
        check_free(second)


def test_a_block_is_free_again_when_it_is_given_back() -> None:
    """What was reserved can be listened on afterwards, its lock too."""
    with reserved() as ports:
        guard = ports.ledger - 1
        with pytest.raises(OSError, match="in use"), socket.socket() as probe:
            probe.bind((HOST, guard))
    with socket.socket() as probe:
        probe.bind((HOST, guard))


def test_a_taken_port_is_named() -> None:
    """A port that somebody listens on is refused with its name and number."""
    with reserved() as ports, socket.socket() as other:
        other.bind((HOST, ports.webhooks))
        other.listen()

        with pytest.raises(PortTakenError, match=rf"port {ports.webhooks} \(webhooks\) is taken"):
            check_free(ports)


@pytest.mark.parametrize("wanted", [{"nothing": 5}, {"ledger": 0}, {"ledger": 65_536}])
def test_wrong_ports_are_refused(wanted: dict[str, int]) -> None:
    """An unknown name and a number that is no port are refused."""
    with pytest.raises(StackError):
        Ports().changed(wanted)


def test_two_cannot_have_one_port() -> None:
    """A chosen port that another part has is refused with both names."""
    with pytest.raises(StackError, match="ledger and mock_psp cannot both have port 8090"):
        Ports().changed({"ledger": 8090})

    assert Ports().changed({"ledger": 8090, "mock_psp": 50051}).ledger == 8090
