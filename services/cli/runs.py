"""`vezne runs`: reconciliations of a provider account's business date."""

from datetime import timedelta
from typing import Annotated

import typer

from services.cli import ids, options
from services.cli.clients import RECONCILIATION, ask, ask_pages, follow
from services.cli.failures import ExitCode, Failure, wrong_use
from services.cli.groups import noun
from services.cli.output import (
    Column,
    Output,
    as_json,
    moment,
    note,
    print_json,
    print_list,
    print_one,
    values_of,
    word,
)
from services.cli.progress import waiting
from services.kernel.clock import utc_now
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.reconciliation.v1.run_pb2 import (
    RUN_MODE_COMMIT,
    RUN_MODE_DRY_RUN,
    RUN_STATE_PUBLISHED,
    RUN_STATE_RUNNING,
    VERDICT_BREAKS,
    VERDICT_INCOMPLETE,
    IncompleteReason,
    Run,
    RunMode,
    RunPhase,
    RunState,
    RunTrigger,
    Verdict,
)
from vezne.reconciliation.v1.run_service_pb2 import (
    CreateRunRequest,
    GetRunRequest,
    GetStatementRequest,
    ListRunsRequest,
    RunOutcome,
    WatchRunRequest,
    WatchRunResponse,
)
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceStub

app = noun()

_HINT = "list them: vezne runs"

Which = Annotated[
    str, typer.Argument(metavar="RUN", help="Its id, or the date of the run that counts for it.")
]


def _phase(run: Run) -> str:
    if not run.phases:
        return ""
    last = run.phases[-1]
    return f"{word(RunPhase, last.phase)} {last.detail}".strip()


_COLUMNS = (
    Column[Run]("run", lambda run: run.run_id),
    Column[Run]("date", lambda run: run.business_date),
    Column[Run]("verdict", lambda run: word(Verdict, run.verdict)),
    Column[Run]("breaks", lambda run: str(run.counts.breaks), number=True, extra=True),
    Column[Run]("state", lambda run: word(RunState, run.state), extra=True),
    Column[Run]("provider", lambda run: f"{run.provider}/{run.provider_account}", extra=True),
    Column[Run]("mode", lambda run: word(RunMode, run.mode), extra=True),
    Column[Run]("started by", lambda run: word(RunTrigger, run.trigger), extra=True),
)
_DETAILS = (
    *_COLUMNS,
    Column[Run]("matched groups", lambda run: str(run.counts.matched_groups)),
    Column[Run]("pending", lambda run: str(run.counts.pending)),
    Column[Run]("warnings", lambda run: str(run.counts.warnings)),
    Column[Run](
        "incomplete because",
        lambda run: ", ".join(word(IncompleteReason, why) for why in run.incomplete_reasons),
    ),
    Column[Run]("failed because", lambda run: run.failure_message),
    Column[Run]("phase", _phase),
    Column[Run]("requested by", lambda run: run.requested_by),
    Column[Run]("workflow", lambda run: run.workflow_id),
    Column[Run]("in the Web UI", lambda run: run.workflow_url),
    Column[Run]("began (UTC)", lambda run: moment(run.create_time)),
    Column[Run]("published (UTC)", lambda run: moment(run.publish_time)),
)


@app.command("start")
def start(
    tenant: options.Tenant,
    date: Annotated[
        str, typer.Option("--date", help="The business date, YYYY-MM-DD. [default: yesterday]")
    ] = "",
    provider: options.Provider = PROVIDER,
    provider_account: options.ProviderAccount = PROVIDER_ACCOUNT,
    rerun_reason: Annotated[
        str, typer.Option("--rerun", help="Run it again although it has a result, and why.")
    ] = "",
    requested_by: options.RequestedBy = "",
    request_id: options.RequestId = "",
    output: options.OutputFormat = Output.TABLE,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look; nothing counts.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; exit by it.")] = False,
) -> None:
    """Start the reconciliation of a business date, or find the one that there is.

    With --wait it exits with 1 if the run failed, or found breaks, or could conclude nothing.
    """
    yesterday = utc_now().date() - timedelta(days=1)
    request = CreateRunRequest(
        tenant_id=tenant,
        provider=provider,
        provider_account=provider_account,
        business_date=options.business_date(date) if date else yesterday.isoformat(),
        mode=RUN_MODE_DRY_RUN if dry_run else RUN_MODE_COMMIT,
        rerun_reason=rerun_reason,
        requested_by=requested_by or options.this_user(),
    )
    request.request_id = options.request_id(request_id)
    response = ask(RECONCILIATION, lambda channel: RunServiceStub(channel).CreateRun, request)
    note(word(RunOutcome, response.outcome))
    run = _waited_for(tenant, response.run) if wait else response.run
    print_one(output, run, _DETAILS)
    if wait and (not run.verdict or run.verdict in (VERDICT_BREAKS, VERDICT_INCOMPLETE)):
        raise typer.Exit(ExitCode.REFUSED)


@app.command("watch")
def watch(
    which: Which,
    tenant: options.Tenant,
    provider: options.Provider = "",
    provider_account: options.ProviderAccount = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Follow a run until it has ended."""
    run = _found(tenant, which, provider, provider_account, rather=RUN_STATE_RUNNING)
    print_one(output, _waited_for(tenant, run), _DETAILS)


def _waited_for(tenant: str, run: Run) -> Run:
    """Follow a run, say each phase, and return it as it ended."""
    last = run
    said: list[str] = []

    note(f"the run {run.run_id}")
    with waiting("waiting until it has ended") as say:

        def each(response: WatchRunResponse) -> None:
            nonlocal last
            last = response.run
            phase = _phase(last)
            if phase and said[-1:] != [phase]:
                said.append(phase)
                say(phase)

        follow(
            RECONCILIATION,
            lambda channel: RunServiceStub(channel).WatchRun,
            WatchRunRequest(tenant_id=tenant, run_id=run.run_id),
            each,
        )
    return last


@app.command("list")
def list_(
    tenant: options.Tenant,
    provider: options.Provider = "",
    provider_account: options.ProviderAccount = "",
    states: options.States = None,
    limit: options.Limit = options.DEFAULT_LIMIT,
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """List runs, however they were started, the latest date first."""
    request = ListRunsRequest(
        tenant_id=tenant,
        provider=provider,
        provider_account=provider_account,
        states=values_of(RunState, states, "--state"),
    )
    print_list(output, _listed(request, limit), _COLUMNS)


def _listed(request: ListRunsRequest, limit: int) -> list[Run]:
    return ask_pages(
        RECONCILIATION,
        lambda channel: RunServiceStub(channel).ListRuns,
        request,
        lambda page: page.runs,
        limit,
    )


@app.command("show")
def show(
    which: Which,
    tenant: options.Tenant,
    provider: options.Provider = "",
    provider_account: options.ProviderAccount = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show one run: how far it is, and what it found."""
    print_one(output, _found(tenant, which, provider, provider_account), _DETAILS)


def _found(
    tenant: str,
    which: str,
    provider: str,
    provider_account: str,
    rather: RunState.ValueType = RUN_STATE_PUBLISHED,
) -> Run:
    """Return the run with an id, or the one for a date that is no dry run.

    Args:
        tenant: whose.
        which: the id or the date, as a user wrote it.
        provider: for a date, only of this provider; empty: of any.
        provider_account: for a date, only of this merchant account there; empty: of any.
        rather: of several runs of the date the one in this state, else the latest.

    Raises:
        Failure: there is none, or a date has runs of several provider accounts.
    """
    if not options.is_date(which):
        wanted = ids.checked(which, "run", f"a date, such as 2026-01-31, does too; {_HINT}")
        with ids.sought(which, "run", _HINT):
            return ask(
                RECONCILIATION,
                lambda channel: RunServiceStub(channel).GetRun,
                GetRunRequest(tenant_id=tenant, run_id=wanted),
            ).run
    request = ListRunsRequest(
        tenant_id=tenant,
        provider=provider,
        provider_account=provider_account,
        from_business_date=options.business_date(which, "RUN"),
        through_business_date=options.business_date(which, "RUN"),
        modes=[RUN_MODE_COMMIT],
    )
    found = _listed(request, options.DEFAULT_LIMIT)
    accounts = sorted({f"{run.provider}/{run.provider_account}" for run in found})
    if not accounts:
        where = "/".join(filter(None, (provider, provider_account)))
        of_whom = f" of {where}" if where else ""
        raise Failure(f"no run{of_whom} is of the date {which}", ExitCode.REFUSED, _HINT)
    if len(accounts) > 1:
        raise wrong_use(
            f"there are runs of {which} of several provider accounts: {', '.join(accounts)}",
            "name one with --provider and --provider-account",
        )
    return next((run for run in found if run.state == rather), found[0])


@app.command("statement")
def statement(
    which: Which,
    tenant: options.Tenant,
    provider: options.Provider = "",
    provider_account: options.ProviderAccount = "",
    output: options.OutputFormat = Output.TABLE,
) -> None:
    """Show a run's result: the proof, as Markdown or as JSON."""
    run = _found(tenant, which, provider, provider_account)
    response = ask(
        RECONCILIATION,
        lambda channel: RunServiceStub(channel).GetStatement,
        GetStatementRequest(tenant_id=tenant, run_id=run.run_id),
    )
    if output is Output.JSON:
        print_json(as_json(response.statement))
    else:
        typer.echo(response.markdown)
