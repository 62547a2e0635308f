"""RunService: starts reconciliations and shows what they found."""

from collections.abc import AsyncIterator

from services.platform.paging import Page
from services.platform.rpc import Context
from services.reconciliation.api import parsing
from services.reconciliation.api.building import RunBuilder
from services.reconciliation.api.statements import statement
from services.reconciliation.application.questions import RunPosition
from services.reconciliation.application.reading import Runs
from services.reconciliation.application.starting import RunStarter
from vezne.reconciliation.v1 import run_service_pb2 as pb
from vezne.reconciliation.v1.run_service_pb2_grpc import RunServiceServicer

PAGE_DEFAULT, PAGE_MOST = 50, 200
_MARKDOWN_LENGTH_MAX = 256 * 1024


class RunService(RunServiceServicer):
    """Serves RunService."""

    def __init__(self, starter: RunStarter, runs: Runs, build: RunBuilder) -> None:
        self._starter = starter
        self._runs = runs
        self._build = build

    async def CreateRun(
        self, request: pb.CreateRunRequest, _context: Context
    ) -> pb.CreateRunResponse:
        claimed = await self._starter.create(parsing.run_request(request))
        run = await self._runs.run(request.tenant_id, claimed.run.run_id)
        return pb.CreateRunResponse(
            outcome=pb.RunOutcome.Value(f"RUN_OUTCOME_{claimed.outcome}"),
            replayed=claimed.replayed,
            run=self._build(run),
        )

    async def GetRun(self, request: pb.GetRunRequest, _context: Context) -> pb.GetRunResponse:
        run = await self._runs.run(request.tenant_id, request.run_id)
        return pb.GetRunResponse(run=self._build(run))

    async def ListRuns(self, request: pb.ListRunsRequest, _context: Context) -> pb.ListRunsResponse:
        page = Page.of(request, default=PAGE_DEFAULT, most=PAGE_MOST)
        found = await self._runs.runs(
            request.tenant_id,
            parsing.run_filter(request),
            page.position(RunPosition.parse),
            page.size + 1,
        )
        return pb.ListRunsResponse(
            runs=[self._build(run) for run in found[: page.size]],
            next_page_token=page.next_token(found, lambda run: str(RunPosition.of(run))),
        )

    async def WatchRun(
        self, request: pb.WatchRunRequest, _context: Context
    ) -> AsyncIterator[pb.WatchRunResponse]:
        async for run in self._runs.watch(request.tenant_id, request.run_id):
            yield pb.WatchRunResponse(run=self._build(run))

    async def GetStatement(
        self, request: pb.GetStatementRequest, _context: Context
    ) -> pb.GetStatementResponse:
        run, found, markdown = await self._runs.statement(request.tenant_id, request.run_id)
        return pb.GetStatementResponse(
            statement=statement(self._build(run), found), markdown=markdown[:_MARKDOWN_LENGTH_MAX]
        )
