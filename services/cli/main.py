"""The command `vezne`: what it can do, in one table; each noun is a module of its own."""

from typing import Annotated

import typer

from services.cli.groups import HELP_NAMES, MODULES, RootGroup

_EPILOG = (
    "Exit codes: 0 done; 1 refused or failed; 2 wrong use; 3 a service is not there. "
    "Services are found through .vezne/stack.json of a stack that `vezne up` runs here "
    "(VEZNE_CLI_DATA names another folder), else at their documented ports; "
    "VEZNE_CLI_LEDGER_TARGET, VEZNE_CLI_PSP_GATEWAY_TARGET and VEZNE_CLI_RECONCILIATION_TARGET "
    "override."
)

app = typer.Typer(
    name="vezne",
    cls=RootGroup,
    help="The finance back office: ledger, PSP gateway and reconciliation.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_NAMES},
)

_STACK, _BOOKS, _MONEY, _PROOF = "The stack", "The books", "Money in and out", "Reconciliation"

COMMANDS = (
    ("up", "up", _STACK, "Run the whole stack on this machine until Ctrl-C."),
    ("demo", "demo", _STACK, "Run a casino's day through a stack of its own, and check it."),
    ("doctor", "doctor", _STACK, "Say what is up, where, and whether its tables are current."),
    ("migrate", "migrate", _STACK, "Bring the tables of services to this release."),
    ("errors", "reasons", _STACK, "Explain a reason for which a service refuses."),
    ("tenants", "tenants", _BOOKS, "Operators and brands: create, list."),
    ("accounts", "accounts", _BOOKS, "Ledger accounts: list, show, create."),
    ("balances", "balances", _BOOKS, "Balances of accounts, now or at a moment."),
    ("statement", "statement", _BOOKS, "An account statement: opening, entries, closing."),
    ("trial-balance", "trial_balance", _BOOKS, "Debits and credits of all accounts."),
    ("transactions", "transactions", _BOOKS, "Ledger transactions: post, show."),
    ("deposits", "deposits", _MONEY, "Deposits: create, list, show."),
    ("withdrawals", "withdrawals", _MONEY, "Withdrawals: create, watch, list, show."),
    ("refunds", "refunds", _MONEY, "Refunds of deposits: create, show."),
    ("disputes", "disputes", _MONEY, "Disputes and chargebacks: list, show."),
    ("exceptions", "exceptions", _MONEY, "What only a person can decide: list."),
    ("reports", "reports", _MONEY, "Settlement reports: fetch, list."),
    ("runs", "runs", _PROOF, "Reconciliation runs: start, watch, list, show, statement."),
    ("breaks", "breaks", _PROOF, "Differences that runs found: list, show."),
)
"""Each command, the module that is it, the panel of the help it stands in, and its line of help."""


def _listed() -> None:
    """Stand in the list of commands; the real one is loaded when it is used."""


for _name, _module, _panel, _help in COMMANDS:
    MODULES[_name] = _module
    app.command(_name, help=_help, rich_help_panel=_panel)(_listed)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"vezne {version('vezne')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """The finance back office: ledger, PSP gateway and reconciliation."""


if __name__ == "__main__":
    app()
