"""OperationsService: what waits for people, and what came in."""

from uuid import UUID

from services.kernel.clock import Clock
from services.platform.rpc import Context
from services.psp_gateway.api import building, parsing
from services.psp_gateway.application.inbox_ports import InboxFilter, InboxRecord, InboxStore
from services.psp_gateway.application.reading import (
    ExceptionFilter,
    ExceptionReader,
    ExceptionRecord,
)
from services.psp_gateway.domain.exceptions import DecisionKind, ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.inbox import InboxEventState
from vezne.psp_gateway.v1 import event_pb2
from vezne.psp_gateway.v1 import operations_service_pb2 as pb
from vezne.psp_gateway.v1.operations_service_pb2_grpc import OperationsServiceServicer


class OperationsService(OperationsServiceServicer):
    """Serves OperationsService."""

    def __init__(self, exceptions: ExceptionReader, inbox: InboxStore, clock: Clock) -> None:
        self._exceptions = exceptions
        self._inbox = inbox
        self._clock = clock

    async def ListExceptions(
        self, request: pb.ListExceptionsRequest, _context: Context
    ) -> pb.ListExceptionsResponse:
        page = parsing.page(request)
        kind = parsing.name_of(event_pb2.ObjectKind, request.object_kind)
        created = parsing.created(request)
        states = set(request.states)
        chosen = ExceptionFilter(
            is_open=(pb.EXCEPTION_STATE_OPEN in states) if len(states) == 1 else None,
            kinds=parsing.names(pb.ExceptionKind, request.kinds, ExceptionKind),
            decision_kinds=parsing.names(pb.DecisionKind, request.decision_kinds, DecisionKind),
            owner=request.owner,
            object_type=ObjectType(kind.lower()) if kind else None,
            object_id=request.object_id,
            provider=request.provider,
            provider_account=request.provider_account,
            created_since=created.since,
            created_before=created.before,
        )
        found = await self._exceptions.list(
            request.tenant_id, chosen, page.position(UUID), page.size + 1
        )
        return pb.ListExceptionsResponse(
            exceptions=[self._exception(one) for one in found[: page.size]],
            next_page_token=page.next_token(found, lambda one: str(one.exception_id)),
        )

    async def ListInboxEvents(
        self, request: pb.ListInboxEventsRequest, _context: Context
    ) -> pb.ListInboxEventsResponse:
        page = parsing.page(request)
        created = parsing.created(request)
        chosen = InboxFilter(
            provider=request.provider,
            provider_account=request.provider_account,
            states=parsing.names(pb.InboxEventState, request.states, InboxEventState),
            event_type=request.event_type,
            dedupe_key=request.dedupe_key,
            semantic_key=request.semantic_key,
            object_id=request.object_id,
            created_since=created.since,
            created_before=created.before,
        )
        found = await self._inbox.list(
            request.tenant_id, chosen, page.position(UUID), page.size + 1
        )
        return pb.ListInboxEventsResponse(
            inbox_events=[_inbox_event(one) for one in found[: page.size]],
            next_page_token=page.next_token(found, lambda one: str(one.inbox_event_id)),
        )

    def _exception(self, found: ExceptionRecord) -> pb.ExceptionRecord:
        until = found.resolved_at or self._clock()
        return pb.ExceptionRecord(
            exception_id=str(found.exception_id),
            kind=building.named(pb.ExceptionKind, found.kind),
            state=pb.EXCEPTION_STATE_OPEN if found.is_open else pb.EXCEPTION_STATE_RESOLVED,
            decision_kind=building.named(pb.DecisionKind, found.decision_kind),
            owner=found.owner,
            object_kind=building.named(
                event_pb2.ObjectKind, found.object_type.name if found.object_type else None
            ),
            object_id=found.object_id,
            inbox_event_id=str(found.inbox_event_id or ""),
            report_id=str(found.report_id or ""),
            report_line_number=found.report_line_number,
            provider=found.provider,
            provider_account=found.provider_account,
            amount=building.money(found.amount),
            message=found.message,
            evidence=found.evidence,
            age_s=max(0, int((until - found.created_at).total_seconds())),
            resolved_by=found.resolved_by,
            resolution=found.resolution,
            create_time=building.moment(found.created_at),
            resolve_time=building.moment(found.resolved_at),
        )


def _inbox_event(found: InboxRecord) -> pb.InboxEvent:
    progress = found.progress
    return pb.InboxEvent(
        inbox_event_id=str(found.inbox_event_id),
        provider=found.at.provider,
        provider_account=found.at.provider_account,
        dedupe_key=found.dedupe_key,
        semantic_key=found.semantic_key,
        event_type=found.event_type,
        state=building.named(pb.InboxEventState, progress.state),
        object_kind=building.named(
            event_pb2.ObjectKind, found.object_type.name if found.object_type else None
        ),
        object_id=found.object_id,
        attempt_count=progress.attempts,
        next_attempt_time=building.moment(progress.next_attempt_at),
        last_error=progress.last_error,
        conflict_count=found.conflict_count,
        signing_key=found.signing_key,
        body_sha256=found.body_sha256,
        body_delete_time=building.moment(found.body_deleted_at),
        create_time=building.moment(found.created_at),
        end_time=building.moment(found.ended_at),
    )
