"""Ids that sort by time."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.kernel.ids import uuid7


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**90))
def test_uuid7_has_the_bits_of_the_standard(unix_ms: int, random_bits: int) -> None:
    """Time, version and variant stand where RFC 9562 puts them."""
    made = UUID(uuid7(unix_ms, random_bits))

    assert made.version == 7
    assert made.int >> 80 == unix_ms
    assert made.variant == "specified in RFC 4122"


@given(st.integers(0, 2**48 - 2), st.integers(0), st.integers(0))
def test_uuid7_sorts_by_time(unix_ms: int, first: int, second: int) -> None:
    """A later millisecond gives a greater id, whatever the random bits."""
    assert uuid7(unix_ms, first) < uuid7(unix_ms + 1, second)
