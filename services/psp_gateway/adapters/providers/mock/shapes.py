"""The JSON that the mock PSP answers with and delivers, as far as it concerns us."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.kernel.money import INT64_MAX

# Symmetric, so that a fee and its mirror both fit.
Minor = Annotated[int, Field(strict=True, ge=-INT64_MAX, le=INT64_MAX)]
Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{2,7}$")]
# No control characters: a database does not take NUL, and no id needs another.
Key = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Shape(BaseModel):
    # A field that is new to us changes nothing that we rely on.
    model_config = ConfigDict(frozen=True, extra="ignore")


class NextAction(_Shape):
    """What the player must do."""

    url: Annotated[str, Field(max_length=2048)]


class Intent(_Shape):
    """A payment intent: our deposit."""

    id: Key
    reference: Key
    amount_minor: Minor
    currency: Code
    state: str
    code: str
    captured_minor: Minor
    fee_minor: Minor
    next_action: NextAction | None


class Refund(_Shape):
    """A refund."""

    id: Key
    payment_intent_id: Key
    reference: Key
    amount_minor: Minor
    currency: Code
    state: str
    code: str
    fee_minor: Minor
    origin: str


class TransferReturn(_Shape):
    """What came back of a transfer."""

    id: Key
    amount_minor: Minor


class Transfer(_Shape):
    """A transfer: an attempt of our withdrawal."""

    id: Key
    reference: Key
    amount_minor: Minor
    currency: Code
    state: str
    code: str
    returns: tuple[TransferReturn, ...]


class Found(_Shape):
    """A list that a lookup by reference is answered with."""

    data: tuple[dict[str, object], ...]


class Problem(_Shape):
    """Why a call was refused."""

    code: str = ""
    message: str = ""


class Refused(_Shape):
    """The body of a refusal."""

    error: Problem


class EventData(_Shape):
    """What a webhook is about."""

    object_id: Key
    movement_id: Key
    payment_intent_id: Key
    reference: Key
    currency: Code
    amount_minor: Minor
    fee_minor: Minor
    number: Minor
    state: str
    code: str
    origin: str


class Event(_Shape):
    """A webhook's body."""

    id: Key
    type: Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]
    created: datetime
    account: str
    mode: str
    data: EventData
