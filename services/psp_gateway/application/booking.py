"""Books one line of a settlement report: its facts go in as any other."""

from services.formats.report import ReportLine
from services.kernel.clock import Clock
from services.kernel.money import Money
from services.psp_gateway.application.facts import Facts, News
from services.psp_gateway.application.ports import GatewayStore
from services.psp_gateway.application.providers import Connection
from services.psp_gateway.application.reading import ObjectReader
from services.psp_gateway.application.records import (
    MESSAGE_LENGTH_MAX,
    ExceptionNote,
    FactSource,
    Identity,
    Origin,
)
from services.psp_gateway.application.report_lines import OBJECT_OF, Unbookable, facts_of
from services.psp_gateway.application.report_ports import LineState, Report, WaitingLine
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Verdict

ATTEMPTS_MAX = 100
"""After so many tries a line that still waits is for a person."""


class Booking:
    """Books lines."""

    def __init__(
        self, store: GatewayStore, reader: ObjectReader, facts: Facts, clock: Clock
    ) -> None:
        self._store = store
        self._reader = reader
        self._facts = facts
        self._clock = clock

    async def book(
        self, connection: Connection, report: Report, line: ReportLine, waiting: WaitingLine
    ) -> bool:
        """Book a line; return whether it is done: booked, or an exception.

        Raises:
            StoreUnavailableError, LedgerUnavailableError: it waits, and is tried again.
        """
        if line.kind not in OBJECT_OF:
            why = f"The provider calls it {line.raw_type[:64]!r}"
            unclassified = Unbookable(ExceptionKind.REPORT_UNCLASSIFIED_LINE, why)
            return await self._for_people(connection, report, line, unclassified)
        found = await self._object_of(connection, line)
        if found is None:
            unknown = Unbookable(
                ExceptionKind.REPORT_UNKNOWN_OBJECT,
                f"There is no object for {line.movement_key or line.row_id}, a {line.kind}",
            )
            return await self._for_people(connection, report, line, unknown)
        identity, round_number = found
        told = facts_of(line, connection, identity, round_number)
        if isinstance(told, Unbookable):
            return await self._for_people(connection, report, line, told)
        origin = Origin(FactSource.REPORT, str(report.report_id))
        state, why = LineState.DONE, ""
        for fact in told.facts:
            brought = await self._facts.bring(
                News(
                    tenant_id=connection.tenant_id,
                    fact=fact,
                    at=connection.at,
                    origin=origin,
                    deposit_id=identity.deposit_id,
                )
            )
            if brought.verdict is Verdict.DEFERRED:
                if waiting.attempt_count >= ATTEMPTS_MAX:
                    late = Unbookable(
                        ExceptionKind.REPORT_UNKNOWN_OBJECT,
                        f"The {fact.name} of {line.movement_key} still waits for "
                        f"{brought.decision.why}",
                    )
                    return await self._for_people(connection, report, line, late)
                return await self._written(
                    connection, report, line, LineState.WAITING, brought.decision.why
                )
            if brought.verdict is not Verdict.APPLIED and brought.decision.exceptions:
                # People were told with the decision; the other facts of the line go in.
                state, why = LineState.EXCEPTION, brought.decision.why
        return await self._written(connection, report, line, state, why)

    async def _object_of(
        self, connection: Connection, line: ReportLine
    ) -> tuple[Identity, int] | None:
        """Return our object that a line belongs to, and the round of a dispute; None: unknown."""
        object_type, at = OBJECT_OF[line.kind], connection.at
        if object_type is ObjectType.PROVIDER_ACCOUNT:
            return Identity(object_type, str(at)), 0
        if object_type is ObjectType.DISPUTE:
            return await self._round_of(connection.tenant_id, at, line)
        keys = [line.movement_key]
        if object_type is not ObjectType.REFUND:
            # A fee or a return has a key of its own beside that of its object.
            keys = [line.object_key, line.movement_key]
        async with self._store.open(connection.tenant_id) as unit:
            for key in keys:
                found = await unit.attempts.identify(at, object_type, key, line.reference)
                if found:
                    return found, 0
        return None

    async def _round_of(
        self, tenant_id: str, at: ProviderAccount, line: ReportLine
    ) -> tuple[Identity, int] | None:
        found = await self._reader.dispute_round(tenant_id, at, line.movement_key)
        if found is None:
            return None
        dispute_id, round_number = found
        return Identity(ObjectType.DISPUTE, dispute_id), round_number

    async def _for_people(
        self, connection: Connection, report: Report, line: ReportLine, told: Unbookable
    ) -> bool:
        note = ExceptionNote(
            kind=told.kind,
            decision_kind=DECISION_OF[told.kind],
            # The provider's own row: a file that is sent twice raises one exception.
            cause=line.row_id,
            message=told.why[:MESSAGE_LENGTH_MAX],
            object_type=ObjectType.PROVIDER_ACCOUNT,
            object_id=str(connection.at),
            at=connection.at,
            report_id=report.report_id,
            report_line_number=line.line_number,
            amount=Money(line.net_currency, line.net_minor),
            evidence={"movement_kind": line.kind, "movement_key": line.movement_key[:255]},
        )
        async with self._store.open(connection.tenant_id) as unit:
            await unit.raise_exceptions([note], self._clock())
            await unit.commit()
        return await self._written(connection, report, line, LineState.EXCEPTION, told.why)

    async def _written(
        self,
        connection: Connection,
        report: Report,
        line: ReportLine,
        state: LineState,
        why: str,
    ) -> bool:
        async with self._store.open(connection.tenant_id) as unit:
            await unit.reports.line_done(
                report.report_id, line.line_number, state, why[:MESSAGE_LENGTH_MAX]
            )
            await unit.commit()
        return state is not LineState.WAITING
