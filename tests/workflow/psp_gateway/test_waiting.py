"""What a withdrawal waits for: people, money, the provider's word. Every wait is skipped here."""

from tests.fakes.temporal_desk import TemporalDesk
from tests.fakes.withdrawal_desk import AUTOMATIC, TWO_APPROVERS


async def sources(desk: TemporalDesk, withdrawal_id: str) -> dict[str, str]:
    """Return who brought each fact."""
    rows = await desk.stack.rows(
        "SELECT fact, source FROM psp_gateway.gateway_events WHERE object_id = $1", withdrawal_id
    )
    return {row["fact"]: row["source"] for row in rows}


async def test_a_withdrawal_is_paid_by_a_poll_when_its_webhook_never_comes(
    hasty_desk: TemporalDesk,
) -> None:
    """The workflow asks by itself, slower and slower, and hears that it is paid."""
    desk = hasty_desk
    await desk.fund("p1", 10_000)

    withdrawal_id = await desk.withdraw("p1", AUTOMATIC, words=["webhook_never"])

    assert await desk.ended(withdrawal_id) == "PAID"
    await desk.until(withdrawal_id, "PAID")
    assert (await sources(desk, withdrawal_id))["paid.1"] == "POLL"
    await desk.in_the_books(lost=withdrawal_id)


async def test_a_review_expires_when_nobody_decides(hasty_desk: TemporalDesk) -> None:
    """After three days the player has his money again."""
    desk = hasty_desk
    await desk.fund("p2", 70_000)

    withdrawal_id = await desk.withdraw("p2", TWO_APPROVERS)

    assert await desk.ended(withdrawal_id) == "EXPIRED"
    await desk.until(withdrawal_id, "EXPIRED")
    assert await desk.stack.cash("p2") == 70_000
    await desk.in_the_books()


async def test_what_was_not_sent_is_tried_again_in_a_new_attempt(hasty_desk: TemporalDesk) -> None:
    """The provider took nothing, for certain; the second attempt is paid, the money moved once."""
    desk = hasty_desk
    await desk.fund("p3", 10_000)

    withdrawal_id = await desk.withdraw("p3", AUTOMATIC, words=["rate_limited"])

    assert await desk.ended(withdrawal_id) == "PAID"
    paid = await desk.until(withdrawal_id, "PAID")
    assert [attempt.failure_code for attempt in paid.attempts] == ["rate_limited", ""]
    assert await desk.stack.cash("p3") == 10_000 - AUTOMATIC
    await desk.in_the_books()


async def test_an_unknown_outcome_is_sent_again_under_its_key(hasty_desk: TemporalDesk) -> None:
    """No answer came: the same bytes under the same key are one transfer, and one attempt."""
    desk = hasty_desk
    await desk.fund("p4", 10_000)

    for word in ("timeout_before", "timeout_after", "error_before", "truncated", "conflict"):
        withdrawal_id = await desk.withdraw("p4", 1_000, words=[word, "webhook_never"])

        assert await desk.ended(withdrawal_id) == "PAID", word
        paid = await desk.until(withdrawal_id, "PAID")
        assert len(paid.attempts) == 1, word
        assert "outcome_unknown.1" in await desk.stack.facts_of(withdrawal_id), word
        await desk.in_the_books(lost=withdrawal_id)
    assert await desk.stack.cash("p4") == 10_000 - 5 * 1_000


async def test_a_failure_that_is_replayed_for_ever_is_asked_about(hasty_desk: TemporalDesk) -> None:
    """The provider answers every replay with the same 500, and its lookup says that it paid."""
    desk = hasty_desk
    await desk.fund("p5", 10_000)

    withdrawal_id = await desk.withdraw("p5", AUTOMATIC, words=["error_after", "webhook_never"])

    assert await desk.ended(withdrawal_id) == "PAID"
    await desk.until(withdrawal_id, "PAID")
    assert (await sources(desk, withdrawal_id))["paid.1"] == "POLL"
    await desk.in_the_books(lost=withdrawal_id)


async def test_an_outcome_that_nobody_can_tell_waits_for_a_person(hasty_desk: TemporalDesk) -> None:
    """Silence is never a failure: a person is told, the money waits, and the provider is asked.

    When it answers again and does not know the attempt, that one was not sent; another is paid.
    """
    desk = hasty_desk
    await desk.fund("p6", 10_000)
    await desk.stack.admin("outage", {"seconds": 86_400})

    withdrawal_id = await desk.withdraw("p6", AUTOMATIC)

    waiting = await desk.until_waiting(withdrawal_id, "EXCEPTION")
    assert await desk.state(withdrawal_id) == "SUBMIT_UNKNOWN"
    assert "UNKNOWN_OUTCOME" in await desk.stack.exceptions(withdrawal_id)
    assert len(waiting.attempts) == 1
    await desk.in_the_books()

    await desk.stack.admin("outage", {"seconds": 1})
    assert await desk.ended(withdrawal_id) == "PAID"
    paid = await desk.until(withdrawal_id, "PAID")
    assert len(paid.attempts) == 2
    await desk.in_the_books()


async def test_what_the_provider_never_ends_waits_for_a_person(hasty_desk: TemporalDesk) -> None:
    """It was taken, and nothing more is heard: after days people are told, and it stays open."""
    desk = hasty_desk
    await desk.fund("p7", 10_000)

    withdrawal_id = await desk.withdraw("p7", AUTOMATIC, words=["transfer_never_final"])

    waiting = await desk.until_waiting(withdrawal_id, "EXCEPTION")
    assert await desk.state(withdrawal_id) == "SUBMITTED"
    assert "UNKNOWN_OUTCOME" in await desk.stack.exceptions(withdrawal_id)
    await desk.in_the_books()

    # The provider pays it after all, and tells: nobody had guessed.
    await desk.stack.admin(f"transfers/{waiting.attempts[0].provider_object_id}/pay")
    assert await desk.ended(withdrawal_id) == "PAID"
    await desk.in_the_books()


async def test_a_balance_that_is_too_low_waits_for_funding(hasty_desk: TemporalDesk) -> None:
    """It is no failure of the player's: people are told, and it goes on when there is money."""
    desk = hasty_desk
    await desk.fund("p8", 10_000)

    withdrawal_id = await desk.withdraw("p8", AUTOMATIC, words=["balance_too_low"])

    assert await desk.ended(withdrawal_id) == "PAID"
    paid = await desk.until(withdrawal_id, "PAID")
    assert [attempt.failure_code for attempt in paid.attempts] == ["balance_insufficient", ""]
    assert "FUNDING_NEEDED" in await desk.stack.exceptions(withdrawal_id)
    assert await desk.stack.cash("p8") == 10_000 - AUTOMATIC
    await desk.in_the_books()
