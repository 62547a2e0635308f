"""Decides what is delivered of each event, by the plan of its object."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from services.local.mock_psp.agenda import Agenda
from services.local.mock_psp.books import Event
from services.local.mock_psp.scenarios import Delivery, Plan
from services.local.mock_psp.webhooks import Dispatch, Forgery, dispatch_of

UNKNOWN_TYPE = "risk.score_updated"
"""The event type of `webhook_unknown_type`, documented nowhere else."""

_DELAY = timedelta(days=30)
_HELD_AT_MOST = timedelta(hours=1)
_COPIES = 3
_FORGERIES = {
    Delivery.BAD_SIGNATURE: Forgery.BAD_SIGNATURE,
    Delivery.OLD_KEY: Forgery.OLD_KEY,
    Delivery.FUTURE_TIMESTAMP: Forgery.FUTURE_TIMESTAMP,
}


class Courier:
    """Turns events into webhooks and keeps them until the server takes them.

    Args:
        provider_account: named in each webhook.
        mode: `test` or `live`, named in each webhook.
        agenda: for what is delivered later.
        plan_of: the plan of the object with a reference.
    """

    def __init__(
        self, provider_account: str, mode: str, agenda: Agenda, plan_of: Callable[[str], Plan]
    ) -> None:
        self._provider_account = provider_account
        self._mode = mode
        self._agenda = agenda
        self._plan_of = plan_of
        self._outbox: list[Dispatch] = []
        self._held: dict[str, Dispatch] = {}

    def take(self) -> Sequence[Dispatch]:
        """Return the webhooks that are due, in order, and forget them."""
        taken, self._outbox = self._outbox, []
        return taken

    def send(self, events: Iterable[Event], now: datetime) -> None:
        """Send what the plan of each event's object says."""
        for event in events:
            self._send(event, now)

    def _send(self, event: Event, now: datetime) -> None:
        delivery = self._plan_of(event.reference).delivery
        dispatch = self._dispatch(event)
        match delivery:
            case Delivery.DUPLICATED:
                self._outbox.append(replace(dispatch, copies=_COPIES))
            case Delivery.TWO_IDS:
                other = self._dispatch(event, webhook_id=f"{event.event_id}_again")
                self._outbox += [dispatch, other]
            case Delivery.REORDERED:
                self._reorder(dispatch, now)
            case Delivery.DELAYED:
                self._agenda.add(now + _DELAY, lambda _at: self._outbox.append(dispatch))
            case Delivery.NEVER:
                self._outbox.append(replace(dispatch, withheld=True))
            case Delivery.WITH_UNKNOWN_TYPE:
                other = self._dispatch(
                    event, webhook_id=f"{event.event_id}_risk", event_type=UNKNOWN_TYPE
                )
                self._outbox += [other, dispatch]
            case _:
                forgery = _FORGERIES.get(delivery, Forgery.NONE)
                self._outbox.append(replace(dispatch, forgery=forgery))

    def _reorder(self, dispatch: Dispatch, now: datetime) -> None:
        """Hold every other webhook of an object until the next one has gone before it."""
        earlier = self._held.pop(dispatch.object_id, None)
        if earlier is not None:
            self._outbox += [dispatch, earlier]
            return
        self._held[dispatch.object_id] = dispatch

        def give_up(_at: datetime) -> None:
            if self._held.get(dispatch.object_id) is dispatch:
                self._outbox.append(self._held.pop(dispatch.object_id))

        self._agenda.add(now + _HELD_AT_MOST, give_up)

    def _dispatch(
        self, event: Event, webhook_id: str | None = None, event_type: str | None = None
    ) -> Dispatch:
        return dispatch_of(
            event,
            self._provider_account,
            self._mode,
            webhook_id=webhook_id,
            event_type=event_type,
        )
