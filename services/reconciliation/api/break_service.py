"""BreakService: the differences that runs found."""

from services.platform.paging import Page
from services.platform.rpc import Context
from services.reconciliation.api import building, parsing
from services.reconciliation.api.run_service import PAGE_DEFAULT, PAGE_MOST
from services.reconciliation.application.questions import BreakPosition
from services.reconciliation.application.reading import Runs
from vezne.reconciliation.v1 import break_service_pb2 as pb
from vezne.reconciliation.v1.break_service_pb2_grpc import BreakServiceServicer


class BreakService(BreakServiceServicer):
    """Serves BreakService."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def ListBreaks(
        self, request: pb.ListBreaksRequest, _context: Context
    ) -> pb.ListBreaksResponse:
        page = Page.of(request, default=PAGE_DEFAULT, most=PAGE_MOST)
        found = await self._runs.breaks(
            request.tenant_id,
            parsing.break_filter(request),
            page.position(BreakPosition.parse),
            page.size + 1,
        )
        return pb.ListBreaksResponse(
            breaks=[building.break_record(view) for view in found[: page.size]],
            next_page_token=page.next_token(found, lambda view: str(view.position)),
        )
