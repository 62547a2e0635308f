"""The verifier of Standard Webhooks: the specification's vector, and every near miss."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.psp_gateway.adapters.providers.standard_webhooks import (
    KeyFormatError,
    SigningKey,
    Verified,
    read_key,
    verify,
)
from services.psp_gateway.application.providers import VerificationError

# The test vector of the Standard Webhooks specification's reference libraries.
SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(TIMESTAMP, UTC)

KEY = read_key("current", SECRET)
HEADERS = {
    "webhook-id": ID,
    "webhook-timestamp": str(TIMESTAMP),
    "webhook-signature": SIGNATURE,
}


def test_the_specifications_vector_passes() -> None:
    """The published signature of the published message is accepted, and the key is named."""
    assert verify([KEY], HEADERS, BODY, NOW) == Verified(ID, "current")


NEAR_MISSES = [
    ("the signature differs in its last character", {"webhook-signature": SIGNATURE[:-2] + "A="}),
    ("the signature lacks its padding", {"webhook-signature": SIGNATURE[:-1]}),
    ("the signature has a letter after its padding", {"webhook-signature": SIGNATURE + "x"}),
    ("the signature is cut short", {"webhook-signature": SIGNATURE[:20]}),
    ("the signature has no scheme", {"webhook-signature": SIGNATURE.removeprefix("v1,")}),
    ("the signature is of an unknown scheme", {"webhook-signature": "v2" + SIGNATURE[2:]}),
    ("the signature's scheme is in capitals", {"webhook-signature": "V" + SIGNATURE[1:]}),
    ("the scheme is that of ed25519", {"webhook-signature": "v1a" + SIGNATURE[2:]}),
    ("the signature is empty", {"webhook-signature": "v1,"}),
    ("there is no signature", {"webhook-signature": ""}),
    ("there are too many signatures", {"webhook-signature": "v1,x " * 900 + SIGNATURE}),
    ("the signature is no ASCII", {"webhook-signature": "v1,gö"}),
    ("the id is another", {"webhook-id": ID + "x"}),
    ("the id is empty", {"webhook-id": ""}),
    ("the id has a dot, which separates what is signed", {"webhook-id": "msg.1"}),
    ("the id is endless", {"webhook-id": "m" * 256}),
    ("the timestamp is another", {"webhook-timestamp": str(TIMESTAMP + 1)}),
    ("the timestamp is missing", {"webhook-timestamp": ""}),
    ("the timestamp is a fraction", {"webhook-timestamp": f"{TIMESTAMP}.0"}),
    ("the timestamp has a sign", {"webhook-timestamp": f"+{TIMESTAMP}"}),
    ("the timestamp has a space", {"webhook-timestamp": f" {TIMESTAMP}"}),
    ("the timestamp has a leading zero", {"webhook-timestamp": f"0{TIMESTAMP}"}),
    ("the timestamp is in another script's digits", {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"}),
    ("the timestamp is no moment", {"webhook-timestamp": "999999999999"}),
    ("the timestamp is a text", {"webhook-timestamp": "yesterday"}),
]


@pytest.mark.parametrize(("why", "changed"), NEAR_MISSES, ids=[why for why, _ in NEAR_MISSES])
def test_a_near_miss_is_refused(why: str, changed: dict[str, str]) -> None:
    """What differs in one thing only from a sound delivery is refused, and never crashes."""
    assert why
    with pytest.raises(VerificationError):
        verify([KEY], {**HEADERS, **changed}, BODY, NOW)


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_missing_header_is_refused(name: str) -> None:
    """Without one of the three headers nothing is proven."""
    with pytest.raises(VerificationError):
        verify([KEY], {key: HEADERS[key] for key in HEADERS if key != name}, BODY, NOW)


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], b"", b"\xff\xfe"])
def test_another_body_is_refused(body: bytes) -> None:
    """The raw bytes are what is signed: one more, one less or none is another delivery."""
    with pytest.raises(VerificationError):
        verify([KEY], HEADERS, body, NOW)


@pytest.mark.parametrize(
    ("away_s", "passes"),
    [(300, True), (-300, True), (301, False), (-301, False), (31_536_000, False)],
)
def test_the_window_is_five_minutes_both_ways(away_s: int, passes: bool) -> None:
    """A timestamp from the future is refused as one from the past is."""
    now = NOW + timedelta(seconds=away_s)
    if passes:
        assert verify([KEY], HEADERS, BODY, now).kid == "current"
        return
    with pytest.raises(VerificationError):
        verify([KEY], HEADERS, BODY, now)


def test_a_good_signature_among_others_passes() -> None:
    """Malformed tokens, other schemes and other keys' signatures beside it change nothing."""
    other = "v1," + base64.b64encode(bytes(32)).decode()
    tokens = f"nonsense v1 v1, v1,%%% v2,abc v1a,AAAA {other} {SIGNATURE} {other}"

    assert verify([KEY], {**HEADERS, "webhook-signature": tokens}, BODY, NOW).kid == "current"


def _signed(secret: bytes, body: bytes = BODY) -> dict[str, str]:
    content = f"{ID}.{TIMESTAMP}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, content, "sha256")).decode()
    return {**HEADERS, "webhook-signature": f"v1,{signature}"}


def test_a_key_counts_while_it_is_valid() -> None:
    """In a change of keys both count; before its time and after it a key proves nothing."""
    secret = bytes(range(32))
    early = SigningKey("early", secret, not_before=NOW + timedelta(seconds=1))
    late = SigningKey("late", secret, not_after=NOW)
    between = SigningKey("between", secret, None, NOW, NOW + timedelta(seconds=1))

    assert verify([early, late, KEY, between], _signed(secret), BODY, NOW).kid == "between"
    with pytest.raises(VerificationError):
        verify([early, late], _signed(secret), BODY, NOW)
    with pytest.raises(VerificationError):
        verify([], HEADERS, BODY, NOW)


def test_ed25519_is_verified_with_the_public_key() -> None:
    """A `v1a` token is proven by its public key, and by no other."""
    private, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = read_key(
        "asymmetric", b"whpk_" + base64.b64encode(private.public_key().public_bytes_raw())
    )
    content = f"{ID}.{TIMESTAMP}.".encode() + BODY

    def headers(signer: Ed25519PrivateKey) -> dict[str, str]:
        token = base64.b64encode(signer.sign(content)).decode()
        return {**HEADERS, "webhook-signature": f"v1,AAAA v1a,{token}"}

    assert verify([KEY, public], headers(private), BODY, NOW).kid == "asymmetric"
    with pytest.raises(VerificationError):
        verify([KEY, public], headers(stranger), BODY, NOW)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"whsec_",
        b"whsec_AAAA",
        b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS*",
        b"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b"whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b"whsec_" + base64.b64encode(bytes(65)),
    ],
)
def test_a_malformed_key_is_refused_and_never_shown(text: bytes) -> None:
    """A key that is none stops the start, and its message does not hold it."""
    with pytest.raises(KeyFormatError) as refused:
        read_key("current", text)

    assert "current" in str(refused.value)
    assert len(text) < 8 or text.decode() not in str(refused.value)


@given(header=st.text(max_size=300), body=st.binary(max_size=64), timestamp=st.text(max_size=20))
def test_nothing_but_a_verdict_comes_of_any_delivery(
    header: str, body: bytes, timestamp: str
) -> None:
    """Whatever is sent, it is proven or refused: nothing crashes the door."""
    headers = {"webhook-id": ID, "webhook-timestamp": timestamp, "webhook-signature": header}

    with pytest.raises(VerificationError):
        verify([KEY], headers, body, NOW)


@given(body=st.binary(max_size=200))
def test_any_signed_body_passes(body: bytes) -> None:
    """The body is bytes to us: no encoding and no JSON is asked of it."""
    secret = bytes(range(24))

    assert verify([SigningKey("any", secret)], _signed(secret, body), body, NOW).webhook_id == ID
