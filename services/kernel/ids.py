"""Ids: random ones that sort by time, and the shapes of those that callers choose."""

import re

TENANT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
REQUEST_ID = re.compile(r"[!-~]{1,128}")
SLUG = re.compile(r"[a-z0-9_.-]{1,64}")

_RANDOM_BITS = 74
_VERSION_7 = 0x7
_VARIANT = 0b10


def uuid7(unix_ms: int, random_bits: int) -> str:
    """Build a UUID of version 7 (RFC 9562, section 5.7), as text.

    Args:
        unix_ms: milliseconds since 1970-01-01T00:00:00Z, 48 bits; the id sorts by it.
        random_bits: at least 74 random bits, of which the lowest 74 are used.
    """
    random_bits &= (1 << _RANDOM_BITS) - 1
    rand_a, rand_b = random_bits >> 62, random_bits & ((1 << 62) - 1)
    value = (unix_ms & ((1 << 48) - 1)) << 80
    value |= _VERSION_7 << 76 | rand_a << 64 | _VARIANT << 62 | rand_b
    # Not through uuid.UUID: this is in the hot path, and its text is all that is wanted.
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
