"""What a line of a settlement report tells, and which lines only a person can book."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.kernel.movements import SIGN_OF, MovementKind
from services.psp_gateway.application.providers import Connection
from services.psp_gateway.application.records import Identity
from services.psp_gateway.application.report_lines import OBJECT_OF, Booked, Unbookable, facts_of
from services.psp_gateway.domain.exceptions import ExceptionKind
from tests.fakes.provider_news import AT, BANK
from tests.fakes.recon_days import line

CONNECTION = Connection(
    tenant_id="acme",
    at=AT,
    currencies=frozenset({"EUR"}),
    bank_account=BANK,
    report_format="mock",
    key_lifetime=timedelta(hours=23),
)


def told(kind: MovementKind, gross_minor: int, net_currency: str = "EUR") -> Booked | Unbookable:
    """Return what a line of an object of ours tells."""
    one = replace(line(1, kind, "mv_1", gross_minor), net_currency=net_currency)
    return facts_of(one, CONNECTION, Identity(OBJECT_OF[kind], "ours", 1), 1)


@pytest.mark.parametrize("kind", SIGN_OF)
def test_a_line_of_the_wrong_sign_is_for_people(kind: MovementKind) -> None:
    """Money that went the other way, or not at all, is never booked as if it had gone this way."""
    right = 500 * SIGN_OF[kind]

    assert isinstance(told(kind, right), Booked)
    for wrong in (-right, 0):
        found = told(kind, wrong)
        assert isinstance(found, Unbookable)
        assert found.kind is ExceptionKind.REPORT_UNCLASSIFIED_LINE


@pytest.mark.parametrize("kind", OBJECT_OF)
def test_a_line_in_two_currencies_is_for_people(kind: MovementKind) -> None:
    """What the provider has exchanged on the way has no one amount that could be booked."""
    found = told(kind, 500 * SIGN_OF.get(kind, 1), net_currency="USD")

    assert isinstance(found, Unbookable)
    assert found.kind is ExceptionKind.REPORT_UNCLASSIFIED_LINE
