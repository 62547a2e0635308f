"""The domain's words are the contract's: each enum has the same names, in the same order."""

from enum import Enum
from typing import Any

import pytest

from services.psp_gateway.domain import exceptions, facts, inbox, objects, outcomes, reasons
from vezne.psp_gateway.v1 import (
    deposit_pb2,
    dispute_pb2,
    event_pb2,
    operations_service_pb2,
    reason_pb2,
    refund_pb2,
    withdrawal_pb2,
)

PAIRS = [
    (reasons.Reason, reason_pb2.PspGatewayReason, "PSP_GATEWAY_REASON_"),
    (objects.DepositState, deposit_pb2.DepositState, "DEPOSIT_STATE_"),
    (objects.SettlementState, deposit_pb2.SettlementState, "SETTLEMENT_STATE_"),
    (objects.ReviewReason, deposit_pb2.ReviewReason, "REVIEW_REASON_"),
    (objects.RefundState, refund_pb2.RefundState, "REFUND_STATE_"),
    (objects.DisputeState, dispute_pb2.DisputeState, "DISPUTE_STATE_"),
    (objects.WithdrawalState, withdrawal_pb2.WithdrawalState, "WITHDRAWAL_STATE_"),
    (outcomes.Outcome, withdrawal_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_"),
    (exceptions.ExceptionKind, operations_service_pb2.ExceptionKind, "EXCEPTION_KIND_"),
    (exceptions.DecisionKind, operations_service_pb2.DecisionKind, "DECISION_KIND_"),
    (inbox.InboxEventState, operations_service_pb2.InboxEventState, "INBOX_EVENT_STATE_"),
    (facts.ObjectType, event_pb2.ObjectKind, "OBJECT_KIND_"),
]


@pytest.mark.parametrize(("ours", "theirs", "prefix"), PAIRS, ids=lambda one: str(one)[-40:])
def test_names_are_the_contracts(ours: type[Enum], theirs: Any, prefix: str) -> None:
    """What the domain calls a thing is what clients read, without a table in between."""
    names = [name.removeprefix(prefix) for name in theirs.keys()]  # noqa: SIM118 - no mapping.

    assert [one.name for one in ours] == names[1:]
