"""The ledger's reasons: one list in the contract and in the domain, and a rule for each."""

from services.kernel.errors import Category
from services.ledger.domain.reasons import RULES, Reason
from vezne.ledger.v1.reason_pb2 import LedgerReason

PREFIX = "LEDGER_REASON_"


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
