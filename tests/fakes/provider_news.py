"""What the mock provider tells, as the letters that a gateway gets.

Its webhooks are written by the mock PSP and read by the gateway's module for it. Beside each letter
stands what the provider's own rows did to its pots, worked out from its event alone, so that the
books on both sides can be compared at any moment.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.kernel.movements import Pot
from services.local.mock_psp.books import Event, EventType
from services.local.mock_psp.webhooks import dispatch_of
from services.psp_gateway.adapters.providers.mock import reading, shapes
from services.psp_gateway.application.providers import Notice
from services.psp_gateway.application.records import Identity
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType

AT = ProviderAccount("mock", "main")
BANK = "house-bank"

_E = EventType
_ARRIVES = frozenset(
    {
        _E.PAYMENT_INTENT_SUCCEEDED,
        _E.REFUND_FAILED,
        _E.DISPUTE_FUNDS_REINSTATED,
        _E.TRANSFER_RETURNED,
        _E.RESERVE_RELEASED,
        _E.SWEEP_FAILED,
        _E.TOP_UP_SUCCEEDED,
    }
)
_LEAVES = frozenset(
    {
        _E.PAYMENT_INTENT_FAILED,
        _E.REFUND_SUCCEEDED,
        _E.DISPUTE_FUNDS_WITHDRAWN,
        _E.TRANSFER_PAID,
        _E.RESERVE_KEPT,
        _E.SWEEP_CREATED,
    }
)
_RESERVES = frozenset({_E.RESERVE_KEPT, _E.RESERVE_RELEASED})


@dataclass
class Letter:
    """Some news on its way to us, and what its rows did to the provider's pots, in minor units."""

    letter_id: str
    notice: Notice
    moved_minor: int = 0
    """What arrived in pending and available; what is in transit depends on a sweep's end."""
    fee_minor: int = 0
    is_reserve: bool = False
    told: Sequence[facts.Fact] = field(default=(), init=False)
    """The facts that it tells, once it is known about which object of ours."""

    def facts_for(self, identity: Identity) -> Sequence[facts.Fact]:
        """Return the facts that it tells of an object of ours."""
        self.told = self.told or list(self.notice.facts_for(identity))
        return self.told

    def pots_of(self, fact: facts.Fact) -> Counter[Pot]:
        """Return what one of its facts did to the pots, by pot."""
        if isinstance(fact, facts.FeeFact):
            return Counter({Pot.PROVIDER: -self.fee_minor})
        kept = -self.moved_minor if self.is_reserve else 0
        return Counter({Pot.PROVIDER: self.moved_minor, Pot.ROLLING_RESERVE: kept})


def letter_of(event: Event, bank_fee_minor: int = 0) -> Letter | None:
    """Return the letter that tells an event; None if it tells nothing that concerns us."""
    if event.event_type is EventType.SWEEP_PAID:
        # Our bank's statement says it, not the provider.
        return Letter(event.event_id, _of_statement(event, bank_fee_minor))
    body = dispatch_of(event, AT.provider_account, "test").body
    notice = reading.of_event(shapes.Event.model_validate_json(body), BANK)
    if notice is None:
        return None
    came_back = event.event_type is not _E.REFUND_FAILED or event.state == "failed_after_success"
    arrives = event.event_type in _ARRIVES and came_back
    sign = arrives - (event.event_type in _LEAVES)
    return Letter(
        event.event_id,
        notice,
        moved_minor=sign * event.amount_minor,
        fee_minor=event.fee_minor,
        is_reserve=event.event_type in _RESERVES,
    )


def available_letter(letter_id: str, intent_id: str, told: facts.DepositAvailable) -> Letter:
    """Return the report's line of a deposit that became available with nothing left of it."""
    notice = Notice(
        object_type=ObjectType.DEPOSIT,
        provider_object_id=intent_id,
        facts_for=lambda _ours: [told],
    )
    return Letter(letter_id, notice)


def _of_statement(event: Event, bank_fee_minor: int) -> Notice:
    fact = facts.SweepBanked(
        object_id=str(AT),
        occurred_at=event.created_at,
        row_id=event.movement_key,
        bank_fee_minor=bank_fee_minor,
        bank_account=BANK,
    )
    return Notice(
        object_type=ObjectType.PROVIDER_ACCOUNT,
        provider_object_id="",
        facts_for=lambda _ours: [fact],
    )
