"""The JSON that the mock PSP answers with and delivers, as far as it concerns us."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.kernel.money import INT64_MAX, currency

# Symmetric, so that a fee and its mirror both fit.
Minor = Annotated[int, Field(strict=True, ge=-INT64_MAX, le=INT64_MAX)]
Positive = Annotated[int, Field(strict=True, gt=0, le=INT64_MAX)]
Code = Annotated[str, AfterValidator(lambda code: currency(code).code)]
# No control characters: a database does not take NUL, and no id needs another.
Key = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Id = Annotated[Key, Field(min_length=1)]
# Far from the ends of the calendar, where a change of the zone would leave it.
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]


class _Shape(BaseModel):
    # A field that is new to us changes nothing that we rely on.
    model_config = ConfigDict(frozen=True, extra="ignore")


class NextAction(_Shape):
    """What the player must do."""

    url: Annotated[str, Field(max_length=2048)]


class Intent(_Shape):
    """A payment intent: our deposit."""

    id: Id
    reference: Key
    amount_minor: Positive
    currency: Code
    state: str
    code: str
    captured_minor: Minor
    fee_minor: Minor
    next_action: NextAction | None

    @model_validator(mode="after")
    def _what_was_captured_is_something(self) -> Self:
        if self.state in ("succeeded", "failed") and self.captured_minor <= 0:
            raise ValueError("nothing was captured")
        return self


class Refund(_Shape):
    """A refund."""

    id: Id
    payment_intent_id: Key
    reference: Key
    amount_minor: Positive
    currency: Code
    state: str
    code: str
    fee_minor: Minor
    origin: str


class TransferReturn(_Shape):
    """What came back of a transfer."""

    id: Id
    amount_minor: Positive


class Transfer(_Shape):
    """A transfer: an attempt of our withdrawal."""

    id: Id
    reference: Key
    amount_minor: Positive
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

    object_id: Id
    movement_id: Id
    payment_intent_id: Key
    reference: Key
    currency: Code
    amount_minor: Minor
    fee_minor: Minor
    number: Annotated[int, Field(strict=True, ge=0, le=INT64_MAX)]
    state: str
    code: str
    origin: str


class Event(_Shape):
    """A webhook's body."""

    id: Id
    type: Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]
    created: Moment
    account: str
    mode: str
    data: EventData
