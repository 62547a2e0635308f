"""Reasons: one list in contract and domain, a rule for each, and tests that meet them."""

from pathlib import Path

from services.kernel.errors import Category
from services.ledger.domain.reasons import RULES, Reason
from services.psp_gateway.domain.reasons import Reason as GatewayReason
from vezne.ledger.v1.reason_pb2 import LedgerReason

PREFIX = "LEDGER_REASON_"
TESTS = Path(__file__).parents[1]


def test_the_domain_has_the_contracts_reasons_in_its_order() -> None:
    """Names, spelling and order are the same; the order is the precedence."""
    names, numbers = zip(*LedgerReason.items(), strict=True)

    assert [*numbers] == [*range(len(numbers))]
    assert [name.removeprefix(PREFIX) for name in names] == ["UNSPECIFIED", *Reason]
    assert [reason.name for reason in Reason] == [reason.value for reason in Reason]


def test_every_reason_has_a_rule() -> None:
    """A category for each, in the order of the reasons."""
    assert list(RULES) == list(Reason)


def test_only_what_is_final_is_remembered() -> None:
    """A refusal that may pass later, or of shape, is never remembered under its request id."""
    remembered = {reason for reason in Reason if RULES[reason].remembered}

    assert {RULES[reason].category for reason in remembered} == {Category.STATE, Category.RANGE}
    assert remembered == {
        Reason.CURRENCY_MISMATCH,
        Reason.EFFECTIVE_TIME_OUT_OF_WINDOW,
        Reason.ACCOUNT_CLOSED,
        Reason.ACCOUNT_FROZEN,
        Reason.OUT_OF_RANGE,
        Reason.INSUFFICIENT_AVAILABLE,
    }


# The contract says of each that no RPC of this release answers it, and why.
NOT_ANSWERED_YET = {
    GatewayReason.QUEUE_FULL,
    GatewayReason.REQUEST_TOO_LARGE,
    GatewayReason.PROVIDER_PAUSED,
    GatewayReason.AMOUNT_NOT_REPRESENTABLE,
}


def test_every_reason_of_the_gateway_is_met_by_a_test() -> None:
    """Each that a client can cause is caused in a test; what is none's yet is named as such."""
    folders = [TESTS / level / "psp_gateway" for level in ("contract", "workflow")]
    told = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))

    unmet = {reason for reason in GatewayReason if f'"{reason}"' not in told}
    assert unmet == NOT_ANSWERED_YET
