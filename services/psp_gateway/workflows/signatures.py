"""The activities as workflows call them; `activities/` implements each under the same name."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from temporalio import activity

from services.psp_gateway.workflows.models import (
    DecisionKind,
    PersonsDecision,
    Standing,
    WithdrawalRef,
)

StepActivity: TypeAlias = Callable[[WithdrawalRef], Awaitable[Standing]]
"""One step of a withdrawal: whoever does it twice does it once."""


@activity.defn
async def look_at_withdrawal(of: WithdrawalRef) -> Standing:
    """Read how it stands."""
    raise NotImplementedError


@activity.defn
async def reserve_withdrawal(of: WithdrawalRef) -> Standing:
    """Put the player's cash aside in the ledger."""
    raise NotImplementedError


@activity.defn
async def ask_withdrawal_rules(of: WithdrawalRef) -> Standing:
    """Ask the rules who must approve it."""
    raise NotImplementedError


@activity.defn
async def expire_withdrawal(of: WithdrawalRef) -> Standing:
    """End it if nobody has decided in time."""
    raise NotImplementedError


@activity.defn
async def submit_withdrawal(of: WithdrawalRef) -> Standing:
    """Begin the next attempt and ask the provider."""
    raise NotImplementedError


@activity.defn
async def give_withdrawal_up(of: WithdrawalRef) -> Standing:
    """Give the money back after a certain failure."""
    raise NotImplementedError


@activity.defn
async def ask_provider(of: WithdrawalRef) -> Standing:
    """Ask the provider what became of the attempt: by the same call again, or by a lookup."""
    raise NotImplementedError


@activity.defn
async def decide_withdrawal(
    of: WithdrawalRef, kind: DecisionKind, decision: PersonsDecision
) -> Standing:
    """Write down what a person decided.

    Fails for good, with the contract's reason as its type, if that person may not decide it now.
    """
    raise NotImplementedError


@activity.defn
async def list_tenants() -> Sequence[str]:
    """Return the tenants that have a provider account."""
    raise NotImplementedError


@activity.defn
async def take_up_leftovers(tenant_id: str) -> Mapping[str, int]:
    """Finish postings, apply inbox events, carry on attempts, …; return how many of each."""
    raise NotImplementedError


@activity.defn
async def attend_withdrawals(tenant_id: str) -> Mapping[str, int]:
    """See to it that the workflows of withdrawals that have not ended run; return how many."""
    raise NotImplementedError
