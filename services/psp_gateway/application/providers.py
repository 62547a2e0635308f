"""What the gateway needs of a provider: small Protocols, one a capability.

A provider module builds a `Connection` for each of its provider accounts; a capability that it
lacks is None there.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from services.kernel.errors import DomainError
from services.kernel.money import Money
from services.psp_gateway.application.records import NO_DETAILS, Details, Identity
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.outcomes import Capability, Outcome
from services.psp_gateway.domain.reasons import CATEGORIES, Reason, refusal

_BASIS_POINTS = 10_000


class ProviderUnavailableError(DomainError):
    """A provider did not answer a question; nothing follows from it."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.UNAVAILABLE, CATEGORIES[Reason.UNAVAILABLE], message)


class VerificationError(Exception):
    """A delivery is not proven to be the provider's, is stale, or malformed: it changes nothing."""


class UnreadableError(Exception):
    """A proven delivery says what cannot be, such as an amount of zero: a person looks at it."""


# --- what a provider says ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a provider says of one object: in an answer, a webhook or a lookup."""

    object_type: ObjectType
    provider_object_id: str
    """The provider's id of the object; empty for a provider account."""
    facts_for: Callable[[Identity], Sequence[Fact]]
    """The facts that it tells, in order, once it is known which object of ours it is."""
    parent_object_id: str = ""
    """Of a refund or dispute, the provider's id of its deposit."""
    reference: str = ""
    """Our reference as the provider repeats it; of a dispute that of its deposit; empty if none."""
    made_at_provider: bool = False
    """Whether it is an object that we did not ask for, and may have no row for."""
    echo: Money | None = None
    """The amount that the provider repeats of a deposit; None where it names none."""
    details: Details = NO_DETAILS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call that asks for something came to."""

    outcome: Outcome
    notice: Notice | None = None
    """What the provider says of the object; None unless it is DONE or PENDING."""
    failure_code: str = ""
    failure_message: str = ""
    needs_funding: bool = False
    """Whether it was not taken because our balance there is too low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookItem:
    """One item of a verified delivery."""

    dedupe_key: str
    semantic_key: str
    event_type: str
    body: bytes
    signing_key: str
    headers: Mapping[str, str]
    """Those that are kept: an allow-list, never a signature."""
    lane: str
    """Items with the same are applied one after another, in the order in which they came."""


# --- what is asked of a provider -----------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAsk:
    """A deposit to ask for."""

    amount: Money
    reference: str
    source_token: str = ""
    return_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAsk:
    """A refund to ask for."""

    amount: Money
    reference: str
    deposit_object_id: str
    """The provider's id of the deposit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalAsk:
    """A withdrawal to ask for."""

    amount: Money
    reference: str
    destination_token: str


class Sends(Protocol):
    """Sends the bytes of an attempt; the same key and bytes ask for the same thing."""

    async def send(self, key: str, request: bytes) -> Answer:
        """Ask once. Whatever goes wrong is an outcome, never an error."""
        ...


class Deposits(Sends, Protocol):
    """Takes players' money in."""

    def request_of(self, ask: DepositAsk) -> bytes:
        """Return the bytes that ask for a deposit.

        Raises:
            DomainError: AMOUNT_NOT_REPRESENTABLE.
        """
        ...

    async def cancel(self, provider_object_id: str) -> Answer:
        """Cancel a deposit that was not captured."""
        ...


class Refunds(Sends, Protocol):
    """Gives deposits back."""

    def request_of(self, ask: RefundAsk) -> bytes:
        """Return the bytes that ask for a refund.

        Raises:
            DomainError: AMOUNT_NOT_REPRESENTABLE.
        """
        ...


class Withdrawals(Sends, Protocol):
    """Pays third parties."""

    def request_of(self, ask: WithdrawalAsk) -> bytes:
        """Return the bytes that ask for a withdrawal.

        Raises:
            DomainError: AMOUNT_NOT_REPRESENTABLE.
        """
        ...


class Query(Protocol):
    """Tells the state of an object."""

    answers_about: Collection[ObjectType]
    """The kinds of object that it can look up."""
    lookup_is_consistent: bool
    """Whether its lookup sees every finished write at once."""

    async def ask(
        self, object_type: ObjectType, provider_object_id: str, reference: str
    ) -> Notice | None:
        """Look an object up by the provider's id, or where that is empty by our reference.

        Returns: None if the provider does not know it.

        Raises:
            ProviderUnavailableError: there was no answer.
        """
        ...


class Webhooks(Protocol):
    """Verifies and reads what a provider delivers."""

    def verify(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[WebhookItem]:
        """Return the items of a delivery, all of them proven.

        Raises:
            VerificationError: one is not, or the delivery is stale or malformed.
        """
        ...

    def read(self, body: bytes) -> Notice | None:
        """Return what an item's stored body tells; None if it tells nothing that concerns us.

        Raises:
            UnreadableError: it is not what the provider documents; also by the notice's
                `facts_for`.
        """
        ...


class SettlementReports(Protocol):
    """Hands out settlement reports."""

    async def fetch(self, business_date: date) -> Sequence[bytes] | None:
        """Return the files of a date, or none if there are none; None: not there yet.

        Raises:
            ProviderUnavailableError: there was no answer.
        """
        ...


# --- provider accounts ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What the contract lets us expect: a share, rounded half up, and a fixed part."""

    basis_points: int
    fixed_minor: int

    def of(self, amount_minor: int) -> int:
        """Return the fee that is expected for an amount, in its minor units."""
        share = (amount_minor * self.basis_points + _BASIS_POINTS // 2) // _BASIS_POINTS
        return share + self.fixed_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One provider account: whose it is, its terms, and what its provider can do."""

    tenant_id: str
    at: ProviderAccount
    currencies: frozenset[str]
    bank_account: str
    """The slug of the bank account that it sweeps to."""
    report_format: str
    fee_terms: FeeTerms | None = None
    key_lifetime: timedelta
    """How long the provider remembers an idempotency key, less a margin for clocks."""
    deposits: Deposits | None = None
    refunds: Refunds | None = None
    withdrawals: Withdrawals | None = None
    query: Query | None = None
    webhooks: Webhooks | None = None
    reports: SettlementReports | None = None

    def sender(self, object_type: ObjectType) -> Sends | None:
        """Return what sends attempts about this kind of object."""
        senders: Mapping[ObjectType, Sends | None] = {
            ObjectType.DEPOSIT: self.deposits,
            ObjectType.REFUND: self.refunds,
            ObjectType.WITHDRAWAL: self.withdrawals,
        }
        return senders.get(object_type)


def missing(capability: Capability) -> DomainError:
    """Return the refusal of what a provider cannot do."""
    return refusal(
        Reason.CAPABILITY_MISSING,
        f"The provider does not do {capability.lower().replace('_', ' ')}",
        capability=capability,
    )


@dataclass(frozen=True, slots=True)
class Connections:
    """Every provider account of this process. A provider account belongs to one tenant."""

    by_account: Mapping[ProviderAccount, Connection] = field(default_factory=dict)

    @property
    def tenants(self) -> Sequence[str]:
        """The tenants that have a provider account."""
        return sorted({one.tenant_id for one in self.by_account.values()})

    def of(self, tenant_id: str, at: ProviderAccount) -> Connection:
        """Return a tenant's provider account.

        Raises:
            DomainError: PROVIDER_ACCOUNT_NOT_FOUND.
        """
        found = self.by_account.get(at)
        if found is None or found.tenant_id != tenant_id:
            raise refusal(
                Reason.PROVIDER_ACCOUNT_NOT_FOUND,
                f"The tenant has no provider account {at}",
                provider=at.provider,
                provider_account=at.provider_account,
            )
        return found
