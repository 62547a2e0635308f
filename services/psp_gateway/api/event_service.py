"""EventService: reads the recorded history."""

from collections.abc import AsyncIterator

from services.platform.rpc import Context
from services.psp_gateway.api import building, parsing
from services.psp_gateway.application.history import History
from services.psp_gateway.application.reading import EventCut, EventFilter, RecordedEvent
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.postings import Effect, Movement
from vezne.psp_gateway.v1 import event_pb2
from vezne.psp_gateway.v1 import event_service_pb2 as pb
from vezne.psp_gateway.v1.event_service_pb2_grpc import EventServiceServicer
from vezne.type.v1 import movement_pb2


class EventService(EventServiceServicer):
    """Serves EventService."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def GetCut(self, request: pb.GetCutRequest, _context: Context) -> pb.GetCutResponse:
        as_of = parsing.moment(request, "as_of_time")
        return pb.GetCutResponse(cut=_cut(await self._history.cut(request.tenant_id, as_of)))

    async def ExportEvents(
        self, request: pb.ExportEventsRequest, _context: Context
    ) -> AsyncIterator[pb.ExportEventsResponse]:
        if request.after_sequence > request.through_sequence:
            raise parsing.wrong("through_sequence", "must be at least after_sequence")
        chosen = EventFilter(
            provider=request.provider,
            provider_account=request.provider_account,
            object_types=[
                ObjectType(parsing.name_of(event_pb2.ObjectKind, number).lower())
                for number in request.object_kinds
            ],
            object_id=request.object_id,
        )
        events = movements = 0
        async for step in self._history.export(
            request.tenant_id, request.after_sequence, request.through_sequence, chosen
        ):
            events += len(step.events)
            movements += sum(len(one.event.effects) for one in step.events)
            response = pb.ExportEventsResponse(events=[_event(one) for one in step.events])
            if step.cut is not None:
                response.summary.CopyFrom(
                    pb.ExportSummary(
                        events_scanned=step.scanned,
                        events_sent=events,
                        movements_sent=movements,
                        cut=_cut(step.cut),
                    )
                )
            yield response


def _cut(found: EventCut) -> event_pb2.EventCut:
    return event_pb2.EventCut(
        event_sequence=found.event_sequence, create_time=building.moment(found.recorded_at)
    )


def _event(found: RecordedEvent) -> event_pb2.GatewayEvent:
    event = found.event
    return event_pb2.GatewayEvent(
        event_sequence=found.event_sequence,
        object_kind=building.named(event_pb2.ObjectKind, event.object_type.name),
        object_id=event.object_id,
        fact=event.fact,
        state=event.state,
        provider=found.provider,
        provider_account=found.provider_account,
        movements=[_movement(effect, event.movement) for effect in event.effects],
        ledger_reason=event.refusal,
        source=building.named(event_pb2.FactSource, found.origin.source),
        source_id=found.origin.source_id,
        effective_time=building.moment(event.occurred_at),
        create_time=building.moment(found.recorded_at),
    )


def _movement(effect: Effect, movement: Movement | None) -> event_pb2.EventMovement:
    return event_pb2.EventMovement(
        pot=building.named(movement_pb2.Pot, effect.pot.name),
        amount_minor=effect.amount_minor,
        currency_code=effect.currency_code,
        movement_kind=building.named(
            movement_pb2.MovementKind, movement.kind.name if movement else None
        ),
        movement_key=movement.key if movement else "",
    )
