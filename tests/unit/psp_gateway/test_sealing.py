"""Stored bodies: encrypted, bound to their event, and unreadable with another key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.psp_gateway.adapters.sealing import AesGcmSealer
from services.psp_gateway.application.inbox import SealBrokenError

SEALER = AesGcmSealer(bytes(32))


@given(content=st.binary(max_size=500), bound_to=st.binary(max_size=32))
def test_what_is_sealed_opens_again(content: bytes, bound_to: bytes) -> None:
    """Any content comes back as it was, and no two seals of it are alike."""
    sealed = SEALER.seal(content, bound_to)

    assert SEALER.open(sealed, bound_to) == content
    assert sealed != SEALER.seal(content, bound_to)
    assert len(content) < 8 or content not in sealed


@given(flipped=st.integers(min_value=0))
def test_a_changed_body_does_not_open(flipped: int) -> None:
    """One bit anywhere breaks the seal."""
    sealed = bytearray(SEALER.seal(b"the body", b"event"))
    at = flipped % (len(sealed) * 8)
    sealed[at // 8] ^= 1 << (at % 8)

    with pytest.raises(SealBrokenError):
        SEALER.open(bytes(sealed), b"event")


def test_a_body_belongs_to_its_event_and_key() -> None:
    """Moved to another event, or under another key, it does not open; nor does anything else."""
    sealed = SEALER.seal(b"the body", b"event")

    for attempt in (
        lambda: SEALER.open(sealed, b"other"),
        lambda: AesGcmSealer(bytes([1]) * 32).open(sealed, b"event"),
        lambda: SEALER.open(b"", b"event"),
        lambda: SEALER.open(b"\x01short", b"event"),
    ):
        with pytest.raises(SealBrokenError):
            attempt()
