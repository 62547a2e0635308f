"""Records to protobuf."""

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel import money as kernel
from services.kernel.clock import to_micros
from services.psp_gateway.application.object_records import (
    DepositRecord,
    DisputeRecord,
    RefundRecord,
    RoundRecord,
    WithdrawalRecord,
)
from services.psp_gateway.application.records import Attempt
from services.psp_gateway.domain.objects import DepositState
from services.psp_gateway.workflows.models import WithdrawalRef
from vezne.psp_gateway.v1 import deposit_pb2, dispute_pb2, refund_pb2, withdrawal_pb2
from vezne.type.v1.money_pb2 import Money


def money(amount: kernel.Money | None) -> Money | None:
    """Build an amount."""
    if amount is None:
        return None
    return Money(currency_code=amount.currency_code, minor_units=amount.minor_units)


def moment(at: datetime | None) -> Timestamp | None:
    """Build a timestamp."""
    if at is None:
        return None
    seconds, micros = divmod(to_micros(at), 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)


def named(enum: Any, name: str | None) -> Any:
    """Return the value of the contract's enum with our name; 0 for an empty one."""
    prefix = enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return enum.Value(f"{prefix}{name}") if name else 0


def deposit(record: DepositRecord, *, with_action: bool) -> deposit_pb2.Deposit:
    """Build a deposit; in a list without what only the player may have."""
    found, standing = record.deposit, record.standing
    details = standing.details
    captured = found.captured
    fee = record.expected_fee_minor
    built = deposit_pb2.Deposit(
        deposit_id=found.deposit_id,
        request_id=record.request_id,
        player_id=found.player_id,
        provider=found.at.provider,
        provider_account=found.at.provider_account,
        amount=money(found.asked),
        captured_amount=money(captured),
        refunded_minor=record.refunded_minor,
        state=named(deposit_pb2.DepositState, found.state),
        settlement_state=named(deposit_pb2.SettlementState, found.settlement if captured else None),
        capture_mode=deposit_pb2.CAPTURE_MODE_AUTOMATIC,
        review_reason=named(deposit_pb2.ReviewReason, found.review_reason),
        reference=found.reference,
        provider_object_id=details.provider_object_id,
        provider_state=details.provider_state,
        failure_code=details.failure_code,
        failure_message=details.failure_message,
        expected_fee=(
            money(kernel.Money(captured.currency_code, fee))
            if captured and fee is not None
            else None
        ),
        postings_pending=standing.postings_pending,
        event_sequence=standing.event_sequence,
        metadata=record.metadata,
        expire_time=moment(record.expire_at if found.state in _WAITS else None),
        create_time=moment(standing.created_at),
        update_time=moment(standing.updated_at),
    )
    if with_action and found.state is DepositState.REQUIRES_ACTION and details.next_action_url:
        built.next_action.redirect.url = details.next_action_url
    return built


_WAITS = frozenset(
    {
        DepositState.CREATED,
        DepositState.SUBMITTING,
        DepositState.SUBMIT_UNKNOWN,
        DepositState.REQUIRES_ACTION,
    }
)


def refund(record: RefundRecord) -> refund_pb2.Refund:
    """Build a refund."""
    found, asked, standing = record.refund, record.asked, record.standing
    details = standing.details
    return refund_pb2.Refund(
        refund_id=found.refund_id,
        request_id=asked.request_id,
        deposit_id=found.deposit_id,
        player_id=record.player_id,
        provider=record.at.provider,
        provider_account=record.at.provider_account,
        amount=money(found.amount),
        state=named(refund_pb2.RefundState, found.state),
        made_at_provider=not asked.request_id,
        requested_by=asked.requested_by,
        comment=asked.comment,
        reference=asked.reference,
        provider_object_id=details.provider_object_id,
        provider_state=details.provider_state,
        failure_code=details.failure_code,
        failure_message=details.failure_message,
        ledger_reason=record.ledger_reason,
        postings_pending=standing.postings_pending,
        event_sequence=standing.event_sequence,
        create_time=moment(standing.created_at),
        update_time=moment(standing.updated_at),
    )


def dispute(record: DisputeRecord) -> dispute_pb2.Dispute:
    """Build a dispute with its rounds."""
    found, standing = record.dispute, record.standing
    details = standing.details
    return dispute_pb2.Dispute(
        dispute_id=found.dispute_id,
        deposit_id=found.deposit_id,
        player_id=record.player_id,
        provider=record.at.provider,
        provider_account=record.at.provider_account,
        provider_object_id=details.provider_object_id,
        state=named(dispute_pb2.DisputeState, found.state),
        amount=money(details.in_question or found.amount),
        rounds=[_round(one) for one in record.rounds],
        reason_code=details.reason_code,
        provider_state=details.provider_state,
        evidence_due_time=moment(details.evidence_due_at),
        postings_pending=standing.postings_pending,
        event_sequence=standing.event_sequence,
        create_time=moment(standing.created_at),
        update_time=moment(standing.updated_at),
    )


def _round(one: RoundRecord) -> dispute_pb2.DisputeRound:
    fee = one.fee_minor
    return dispute_pb2.DisputeRound(
        round_number=one.round_number,
        state=named(dispute_pb2.DisputeState, one.state),
        withdrawn_amount=money(one.withdrawn),
        reinstated_minor=one.reinstated_minor,
        frozen_minor=one.frozen_minor,
        fee=money(kernel.Money(one.withdrawn.currency_code, fee)) if fee is not None else None,
        open_time=moment(one.opened_at),
        end_time=moment(one.ended_at),
    )


def withdrawal(tenant_id: str, record: WithdrawalRecord) -> withdrawal_pb2.Withdrawal:
    """Build a withdrawal with what was decided about it and its attempts."""
    found, standing = record.withdrawal, record.standing
    return withdrawal_pb2.Withdrawal(
        withdrawal_id=found.withdrawal_id,
        request_id=record.request_id,
        player_id=found.player_id,
        provider=record.at.provider,
        provider_account=record.at.provider_account,
        amount=money(found.amount),
        player_fee_minor=found.fee_minor,
        destination_token=record.destination_token,
        state=named(withdrawal_pb2.WithdrawalState, found.state),
        waiting_for=named(withdrawal_pb2.WithdrawalWait, record.waiting_for),
        requested_by=found.requested_by,
        approvals_required=record.approvals_required,
        decisions=[
            withdrawal_pb2.WithdrawalDecision(
                decided_by=one.decided_by,
                kind=named(withdrawal_pb2.WithdrawalDecisionKind, one.kind),
                comment=one.comment,
                create_time=moment(one.decided_at),
            )
            for one in record.decisions
        ],
        approval_expire_time=moment(record.approval_expires_at),
        attempts=[_attempt(one) for one in record.attempts],
        ledger_reason=record.ledger_reason,
        returned_minor=found.returned_minor,
        postings_pending=standing.postings_pending,
        event_sequence=standing.event_sequence,
        workflow_id=WithdrawalRef(
            tenant_id=tenant_id, withdrawal_id=found.withdrawal_id
        ).workflow_id,
        metadata=record.metadata,
        create_time=moment(standing.created_at),
        update_time=moment(standing.updated_at),
    )


def _attempt(one: Attempt) -> withdrawal_pb2.WithdrawalAttempt:
    return withdrawal_pb2.WithdrawalAttempt(
        attempt_number=one.number,
        provider=one.at.provider,
        provider_account=one.at.provider_account,
        reference=one.reference,
        provider_object_id=one.provider_object_id,
        outcome=named(withdrawal_pb2.AttemptOutcome, one.outcome),
        provider_state=one.provider_state,
        failure_code=one.failure_code,
        failure_message=one.failure_message,
        create_time=moment(one.created_at),
        end_time=moment(one.ended_at),
    )
