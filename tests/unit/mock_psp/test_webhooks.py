"""Signatures by the Standard Webhooks scheme."""

import pytest

from services.local.mock_psp.webhooks import (
    Dispatch,
    Forgery,
    decoded_secret,
    encoded_secret,
    signed_headers,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY, OLD_KEY = decoded_secret(SECRET), b"o" * 32


def dispatch(forgery: Forgery = Forgery.NONE) -> Dispatch:
    return Dispatch(
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        event_type="test",
        object_id="o",
        reference="r",
        body=b'{"test": 2432232314}',
        forgery=forgery,
    )


def signature(forgery: Forgery = Forgery.NONE, old_key: bytes | None = None) -> str:
    return signed_headers(dispatch(forgery), 1614265330, key=KEY, old_key=old_key)[
        "webhook-signature"
    ]


def test_the_official_vector() -> None:
    """The specification's own example signs to its own signature."""
    headers = signed_headers(dispatch(), 1614265330, key=KEY, old_key=None)

    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_keys_sign_while_keys_change() -> None:
    """With an old key there are two signatures, the current one first."""
    current, old = signature(old_key=OLD_KEY).split(" ")

    assert current == signature()
    assert old != current


@pytest.mark.parametrize("old_key", [None, OLD_KEY])
def test_forgeries_have_no_sound_signature(old_key: bytes | None) -> None:
    """Neither a bad signature nor one by the old key alone is that of the current key."""
    assert signature() not in signature(Forgery.BAD_SIGNATURE, old_key)
    assert signature() not in signature(Forgery.OLD_KEY, old_key)


def test_a_future_timestamp_is_signed_well() -> None:
    """Only the time is wrong: a day ahead, and covered by the signature."""
    ahead = signed_headers(dispatch(Forgery.FUTURE_TIMESTAMP), 1614265330, key=KEY, old_key=None)
    honest = signed_headers(dispatch(), 1614265330 + 86_400, key=KEY, old_key=None)

    assert ahead == honest


def test_secrets_are_checked() -> None:
    """A secret has its prefix, sound base64, and 24 to 64 bytes."""
    assert decoded_secret(encoded_secret(b"k" * 24)) == b"k" * 24
    for wrong in (
        SECRET.removeprefix("whsec_"),
        "whsec_???",
        encoded_secret(b"k" * 23),
        encoded_secret(b"k" * 65),
        "",
    ):
        with pytest.raises(ValueError, match=r"secret|base64|padding|Only"):
            decoded_secret(wrong)
