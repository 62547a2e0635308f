"""The hosted page: where a player pays, with a click."""

from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from services.kernel.errors import Category, DomainError
from services.kernel.money import Money
from services.local.mock_psp.account import Account
from services.local.mock_psp.books import IntentState, PaymentIntent
from services.local.mock_psp.server.requests import body_bytes, world_of, write_down
from services.local.mock_psp.server.world import World

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; }}
  button {{ font: inherit; padding: .5rem 1rem; margin: 0 .5rem .5rem 0; }}
  .amount {{ font-size: 2rem; }}
</style>
<h1>{title}</h1>
<p class="amount">{amount}</p>
<p>{reference} at {account}</p>
{rest}
</html>
"""
_FORM = """<form method="post">
<button name="choice" value="pay">{pay}</button>
<button name="choice" value="decline">Refuse</button>
</form>
<p>No money moves here: this provider is a mock.</p>"""
_CHOICES = {b"choice=pay": True, b"choice=decline": False}


async def show(request: Request) -> Response:
    """GET /pay/{id}: what is to be paid, and the buttons while it can be."""
    world = world_of(request)
    account, intent = _found(request, world, world.clock.now())
    return _page(account, intent)


async def choose(request: Request) -> Response:
    """POST /pay/{id}: the player's click; then back to the operator, or the page again."""
    body = await body_bytes(request)
    pays = _CHOICES.get(body)
    if pays is None:
        raise DomainError("BODY_INVALID", Category.SHAPE, "choice is pay or decline")
    world = world_of(request)
    now = world.clock.now()
    account, intent = _found(request, world, now)
    write_down(request, account, now)
    if pays:
        intent = account.player_pays(intent.intent_id, now)
    else:
        intent = account.decline(intent.intent_id, "player_refused", now)
    world.flush(account)
    return_url = account.return_urls.get(intent.intent_id)
    if return_url is not None and intent.state is not IntentState.REQUIRES_ACTION:
        return RedirectResponse(return_url, 303)
    return _page(account, intent)


def _found(request: Request, world: World, now: datetime) -> tuple[Account, PaymentIntent]:
    """Find the payment intent in whichever account has it: the page needs no token."""
    intent_id = request.path_params["id"]
    for name in world.accounts:
        account = world.account(name, now)
        if account.books.payment_intents.has(intent_id):
            return account, account.books.payment_intents.get(intent_id)
    raise DomainError("NOT_FOUND", Category.NOT_FOUND, "There is nothing to pay here")


def _page(account: Account, intent: PaymentIntent) -> Response:
    challenged = intent.state is IntentState.REQUIRES_ACTION
    payable = challenged or intent.state in (IntentState.CREATED, IntentState.DECLINED)
    pay = "Confirm that it is you" if challenged else "Pay"
    state = str(intent.state).replace("_", " ")
    return HTMLResponse(
        _PAGE.format(
            title="Pay" if payable else f"This payment is {state}",
            amount=escape(str(Money(intent.currency, intent.amount_minor))),
            reference=escape(intent.reference),
            account=escape(account.name),
            rest=_FORM.format(pay=pay) if payable else "",
        ),
        headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


ROUTES = [
    Route("/pay/{id}", show),
    Route("/pay/{id}", choose, methods=["POST"]),
]
