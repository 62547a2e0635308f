"""What a line of a settlement report tells: facts of an object, or something for a person.

A posting made from a line is keyed by what moved, as the provider names it, so a file that is sent
twice, or a webhook that told it before, posts once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from services.formats.report import ReportLine
from services.kernel.money import Money
from services.kernel.movements import FEE_OF, SIGN_OF, MovementKind
from services.psp_gateway.application.providers import Connection
from services.psp_gateway.application.records import Identity
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.exceptions import ExceptionKind
from services.psp_gateway.domain.facts import Fact, ObjectType

K = MovementKind

OBJECT_OF = {
    K.CAPTURE: ObjectType.DEPOSIT,
    K.CAPTURE_FEE: ObjectType.DEPOSIT,
    K.CAPTURE_FAILURE: ObjectType.DEPOSIT,
    K.REFUND: ObjectType.REFUND,
    K.REFUND_FEE: ObjectType.REFUND,
    K.REFUND_FAILURE: ObjectType.REFUND,
    K.DISPUTE: ObjectType.DISPUTE,
    K.DISPUTE_FEE: ObjectType.DISPUTE,
    K.DISPUTE_REVERSAL: ObjectType.DISPUTE,
    K.WITHDRAWAL: ObjectType.WITHDRAWAL,
    K.WITHDRAWAL_FEE: ObjectType.WITHDRAWAL,
    K.WITHDRAWAL_RETURN: ObjectType.WITHDRAWAL,
    K.ROLLING_RESERVE: ObjectType.PROVIDER_ACCOUNT,
    K.ROLLING_RESERVE_RELEASE: ObjectType.PROVIDER_ACCOUNT,
    K.ACCOUNT_FEE: ObjectType.PROVIDER_ACCOUNT,
    K.TOP_UP: ObjectType.PROVIDER_ACCOUNT,
    K.SWEEP: ObjectType.PROVIDER_ACCOUNT,
    K.SWEEP_FAILURE: ObjectType.PROVIDER_ACCOUNT,
}
"""Whose money a line moves; a kind that is not here is for a person."""

_FEE_KINDS = frozenset(FEE_OF.values())


@dataclass(frozen=True, slots=True)
class Booked:
    """What a line comes to: facts, in order."""

    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Unbookable:
    """A line that only a person can book, and why."""

    kind: ExceptionKind
    why: str


def facts_of(
    line: ReportLine, connection: Connection, ours: Identity, round_number: int
) -> Booked | Unbookable:
    """Return what a line tells of the object that it belongs to.

    Args:
        line: of the report.
        connection: the provider account.
        ours: the object.
        round_number: of a dispute, the round that the line's movement is; else 0.
    """
    if line.gross_currency != line.net_currency:
        return Unbookable(ExceptionKind.REPORT_UNCLASSIFIED_LINE, "It is in two currencies")
    if _has_wrong_sign(line):
        return Unbookable(
            ExceptionKind.REPORT_UNCLASSIFIED_LINE, f"A {line.kind} has the other sign"
        )
    told = _TOLD[OBJECT_OF[line.kind]]
    return Booked(list(told(line, connection, ours, round_number)))


def _has_wrong_sign(line: ReportLine) -> bool:
    return line.kind in SIGN_OF and line.gross_minor * SIGN_OF[line.kind] <= 0


def _common(line: ReportLine, ours: Identity) -> dict[str, Any]:
    return {"object_id": ours.object_id, "occurred_at": line.occurred_at}


def _amount(line: ReportLine) -> Money:
    return Money(line.gross_currency, abs(line.gross_minor))


def _key(line: ReportLine) -> str:
    return line.movement_key or line.row_id


def _fee(
    fact_type: type[facts.FeeFact], line: ReportLine, common: dict[str, Any]
) -> Iterator[Fact]:
    """Yield the fee of a line: its own, or what the line itself is."""
    charged = -line.gross_minor + line.fee_minor if line.kind in _FEE_KINDS else line.fee_minor
    if charged:
        yield fact_type(
            **common,
            movement_kind=line.kind,
            fee=Money(line.net_currency, charged),
            movement_key=_key(line),
        )


def _of_deposit(
    line: ReportLine, _connection: Connection, ours: Identity, _round: int
) -> Iterator[Fact]:
    common, amount = _common(line, ours), _amount(line)
    if line.kind is K.CAPTURE:
        yield facts.DepositCaptured(**common, amount=amount, capture_key=_key(line))
    if line.kind is K.CAPTURE_FAILURE:
        yield facts.DepositCaptureFailed(**common, amount=amount, failure_key=_key(line))
    yield from _fee(facts.DepositFee, line, common)
    if line.kind is K.CAPTURE:
        if line.available_at is not None:
            yield facts.DepositAvailable(**common)
        if line.sweep_key:
            yield facts.DepositSwept(**common, row_id=line.sweep_key)


def _of_refund(
    line: ReportLine, _connection: Connection, ours: Identity, _round: int
) -> Iterator[Fact]:
    common, amount = _common(line, ours), _amount(line)
    if line.kind is K.REFUND:
        went_out = facts.RefundSucceeded if ours.attempt_number else facts.RefundMadeAtProvider
        yield went_out(**common, amount=amount, refund_key=_key(line))
    if line.kind is K.REFUND_FAILURE:
        yield facts.RefundFailedAfterSuccess(**common, amount=amount, failure_key=_key(line))
    yield from _fee(facts.RefundFee, line, common)


def _of_dispute(
    line: ReportLine, _connection: Connection, ours: Identity, round_number: int
) -> Iterator[Fact]:
    common = _common(line, ours)
    in_round = {**common, "round_number": round_number, "movement_key": _key(line)}
    if line.kind is K.DISPUTE:
        yield facts.DisputeFundsWithdrawn(**in_round, amount=_amount(line))
    if line.kind is K.DISPUTE_REVERSAL:
        yield facts.DisputeReinstated(**in_round, amount=_amount(line))
    yield from _fee(facts.DisputeFee, line, common)


def _of_withdrawal(
    line: ReportLine, _connection: Connection, ours: Identity, _round: int
) -> Iterator[Fact]:
    common = {**_common(line, ours), "attempt": ours.attempt_number}
    if line.kind is K.WITHDRAWAL:
        yield facts.WithdrawalPaid(**common, amount=_amount(line), withdrawal_key=_key(line))
    if line.kind is K.WITHDRAWAL_RETURN:
        yield facts.WithdrawalReturned(**common, row_id=_key(line), amount=_amount(line))
    yield from _fee(facts.WithdrawalCost, line, common)


def _of_account(
    line: ReportLine, connection: Connection, ours: Identity, _round: int
) -> Iterator[Fact]:
    row = {**_common(line, ours), "row_id": _key(line)}
    moved = {**row, "amount": _amount(line), "movement_key": _key(line)}
    fee_of = {
        **_common(line, ours),
        "movement_kind": line.kind,
        "movement_key": _key(line),
    }
    match line.kind:
        case K.ROLLING_RESERVE:
            yield facts.RollingReserveKept(**moved)
        case K.ROLLING_RESERVE_RELEASE:
            yield facts.RollingReserveReleased(**moved)
        case K.TOP_UP:
            yield facts.ToppedUp(**moved, bank_account=connection.bank_account)
        case K.SWEEP:
            # What left the provider is what came onto its way to the bank.
            amount = Money(line.gross_currency, -line.gross_minor)
            yield facts.SweepSent(**row, amount=amount)
        case K.SWEEP_FAILURE:
            yield facts.SweepFailed(**row, movement_key=_key(line))
        case K.ACCOUNT_FEE:
            fee = Money(line.net_currency, -line.net_minor)
            yield facts.AccountFee(**fee_of, fee=fee)
            return
    if line.fee_minor:
        yield facts.AccountFee(**fee_of, fee=Money(line.net_currency, line.fee_minor))


_TOLD = {
    ObjectType.DEPOSIT: _of_deposit,
    ObjectType.REFUND: _of_refund,
    ObjectType.DISPUTE: _of_dispute,
    ObjectType.WITHDRAWAL: _of_withdrawal,
    ObjectType.PROVIDER_ACCOUNT: _of_account,
}
