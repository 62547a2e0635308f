"""Stories of the gateway's workflows, as their activities would tell them.

Only what a workflow sees is here: the standings that its activities answer with, in order, and
what others send it meanwhile. `tests/workflow/psp_gateway/record.py` plays each, and keeps its
history.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from services.psp_gateway.workflows import signatures
from services.psp_gateway.workflows.models import (
    Attempt,
    DecisionKind,
    NextStep,
    PersonsDecision,
    Standing,
    WithdrawalRef,
)
from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow

OF = WithdrawalRef(tenant_id="acme", withdrawal_id="018f3b6e-0000-7000-8000-000000000001")
SOON_S, LATE_S = 0.05, 3_600.0

Handle = WorkflowHandle[WithdrawalWorkflow, str]


@dataclass(frozen=True)
class Deed:
    """What somebody does from outside once so many activities have answered."""

    after: int
    do: Callable[[Handle], Awaitable[Any]]


@dataclass(frozen=True)
class Story:
    """What the activities answer, in order, None for a failure that is tried again; and deeds."""

    answers: Sequence[Standing | None]
    deeds: Sequence[Deed] = ()


class Teller:
    """Activities that answer as a story goes."""

    def __init__(self, story: Story) -> None:
        self._answers = list(story.answers)
        self.told = 0

    def activities(self) -> Sequence[Callable[..., Awaitable[Standing]]]:
        """Return an activity for each signature of a withdrawal's step."""

        def telling(name: str) -> Callable[..., Awaitable[Standing]]:
            @activity.defn(name=name)
            async def tell(_of: WithdrawalRef) -> Standing:
                return self._next()

            return tell

        @activity.defn(name=signatures.decide_withdrawal.__name__)
        async def decide(
            _of: WithdrawalRef, _kind: DecisionKind, _decision: PersonsDecision
        ) -> Standing:
            return self._next()

        steps = (
            signatures.look_at_withdrawal,
            signatures.reserve_withdrawal,
            signatures.ask_withdrawal_rules,
            signatures.expire_withdrawal,
            signatures.submit_withdrawal,
            signatures.give_withdrawal_up,
            signatures.ask_provider,
        )
        return [*(telling(one.__name__) for one in steps), decide]

    def _next(self) -> Standing:
        answer = self._answers.pop(0)
        self.told += 1
        if answer is None:
            raise ApplicationError("What comes first is not in the ledger yet; retry")
        return answer


def _at(sequence: int, state: str, step: NextStep, pause_s: float = 0.0, **others: Any) -> Standing:
    return Standing(
        state=state,
        event_sequence=sequence,
        step=step,
        pause_s=pause_s,
        why=f"It is {state}",
        amount="25.00 EUR",
        provider_account="mock/main",
        in_review=state == "IN_REVIEW",
        cancellable=state in ("REQUESTED", "RESERVED", "IN_REVIEW", "APPROVED"),
        **others,
    )


def _attempt(number: int, outcome: str) -> Attempt:
    return Attempt(
        number=number,
        provider_account="mock/main",
        outcome=outcome,
        provider_state="",
        failure_code="",
    )


def _person(name: str) -> PersonsDecision:
    return PersonsDecision(decision_id=f"d-{name}", decided_by=name)


async def _news(handle: Handle) -> None:
    await handle.signal(WithdrawalWorkflow.something_happened)


def _update(update: Any, name: str) -> Callable[[Handle], Awaitable[Any]]:
    async def do(handle: Handle) -> None:
        await handle.execute_update(update, _person(name))

    return do


_REQUESTED = _at(1, "REQUESTED", "RESERVE")
_RESERVED = _at(2, "RESERVED", "ASK_RULES")
_APPROVED = _at(3, "APPROVED", "SUBMIT")
_SUBMITTED = _at(5, "SUBMITTED", "ASK_PROVIDER", LATE_S, attempts=[_attempt(1, "PENDING")])
_PAID = _at(6, "PAID", "NOTHING", attempts=[_attempt(1, "PENDING")])
_FIRST = (_REQUESTED, _RESERVED, _APPROVED)
_IN_REVIEW = _at(
    3, "IN_REVIEW", "EXPIRE", LATE_S, may_not_approve={"carla": "APPROVER_IS_REQUESTER"}
)
_HALF_APPROVED = _at(
    4,
    "IN_REVIEW",
    "EXPIRE",
    LATE_S,
    may_not_approve={"carla": "APPROVER_IS_REQUESTER", "boris": "ALREADY_APPROVED"},
    decision_ids=["d-boris"],
)
_REVIEWED = (_REQUESTED, _RESERVED, _IN_REVIEW)

STORIES: Mapping[str, Story] = {
    "paid_by_webhook": Story((*_FIRST, _SUBMITTED, _PAID), (Deed(4, _news),)),
    "paid_by_poll": Story(
        (
            *_FIRST,
            _at(5, "SUBMITTED", "ASK_PROVIDER", SOON_S),
            _at(5, "SUBMITTED", "ASK_PROVIDER", SOON_S),
            _PAID,
        )
    ),
    "refused_by_the_ledger": Story((_REQUESTED, _at(3, "REJECTED", "NOTHING"))),
    "tried_again_until_the_ledger_answers": Story(
        (_REQUESTED, None, _RESERVED, None, _APPROVED, _SUBMITTED, _PAID), (Deed(6, _news),)
    ),
    "two_approvals": Story(
        (*_REVIEWED, _HALF_APPROVED, _at(5, "APPROVED", "SUBMIT"), _at(8, "PAID", "NOTHING")),
        (
            Deed(3, _update(WithdrawalWorkflow.approve, "boris")),
            Deed(4, _update(WithdrawalWorkflow.approve, "dana")),
        ),
    ),
    "rejected": Story(
        (*_REVIEWED, _at(4, "REJECTED", "NOTHING")),
        (Deed(3, _update(WithdrawalWorkflow.reject, "boris")),),
    ),
    "called_off": Story(
        (*_REVIEWED, _at(4, "CANCELLED", "NOTHING")),
        (Deed(3, _update(WithdrawalWorkflow.cancel, "carla")),),
    ),
    "expired": Story(
        (
            _REQUESTED,
            _RESERVED,
            _at(3, "IN_REVIEW", "EXPIRE", SOON_S),
            _at(4, "EXPIRED", "NOTHING"),
        )
    ),
    "not_sent_then_paid": Story(
        (
            *_FIRST,
            _at(5, "APPROVED", "SUBMIT", SOON_S, attempts=[_attempt(1, "NOT_SENT")]),
            _at(7, "SUBMITTED", "ASK_PROVIDER", SOON_S),
            _at(8, "PAID", "NOTHING"),
        )
    ),
    "failed_for_certain": Story(
        (
            *_FIRST,
            _at(5, "APPROVED", "GIVE_UP", attempts=[_attempt(1, "DECLINED")]),
            _at(6, "FAILED", "NOTHING"),
        )
    ),
    "unknown_until_a_person_knows": Story(
        (
            *_FIRST,
            _at(5, "SUBMIT_UNKNOWN", "ASK_PROVIDER", SOON_S),
            _at(5, "SUBMIT_UNKNOWN", "ASK_PROVIDER", LATE_S, waiting_for="EXCEPTION"),
            _PAID,
        ),
        (Deed(5, _news),),
    ),
}
"""Every way that a withdrawal's workflow can go, by name."""
