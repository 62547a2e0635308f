"""Every RPC of the gateway, with a sound request for each about one small world."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import grpc
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.local.databases import Databases
from tests.fakes.gateway_reports import close_day, fetch
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from tests.fakes.ledger_sql import owner
from vezne.psp_gateway.v1 import deposit_service_pb2 as deposits
from vezne.psp_gateway.v1 import event_service_pb2 as events
from vezne.psp_gateway.v1 import operations_service_pb2 as operations
from vezne.psp_gateway.v1 import settlement_service_pb2 as settlement
from vezne.psp_gateway.v1 import withdrawal_service_pb2 as withdrawals
from vezne.psp_gateway.v1.operations_service_pb2_grpc import OperationsServiceStub
from vezne.psp_gateway.v1.withdrawal_service_pb2_grpc import WithdrawalServiceStub
from vezne.type.v1.money_pb2 import Money

MODULES = (deposits, events, operations, settlement, withdrawals)
METHODS: Mapping[str, MethodDescriptor] = {
    method.name: method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
TENANT = "acme"
READS = ("Get", "List", "Export", "Stream")
_AT = {"provider": PROVIDER, "provider_account": ACCOUNT}


@dataclass(frozen=True)
class World:
    """What the sound requests speak of: an object of each kind, and a day that is closed."""

    deposit_id: str
    refund_id: str
    dispute_id: str
    withdrawal_id: str
    report_id: str
    business_date: str


@dataclass(frozen=True)
class Rpc:
    """One RPC: its name, and a sound request with a request id."""

    name: str
    sound: Callable[[World, str], Message]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.name.startswith(READS)

    @property
    def path(self) -> str:
        """What gRPC calls it."""
        return f"/{METHODS[self.name].containing_service.full_name}/{self.name}"

    async def call(self, channel: grpc.aio.Channel, request: Message, **options: Any) -> Any:
        """Call it; of a stream, all answers."""
        method = METHODS[self.name]
        kind = channel.unary_stream if method.server_streaming else channel.unary_unary
        call = kind(
            self.path,
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )(request, **options)
        return [one async for one in call] if method.server_streaming else await call


def nested(message: Message) -> Iterator[Message]:
    """Yield the message, and each that is set inside it."""
    yield message
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE or field.message_type.GetOptions().map_entry:
            continue
        for inner in [value] if isinstance(value, Message) else value:
            yield from nested(inner)


def _eur(minor_units: int) -> Money:
    return Money(currency_code="EUR", minor_units=minor_units)


def create_deposit(_world: World, own: str) -> deposits.CreateDepositRequest:
    """Return the request of a deposit by a stored card."""
    return deposits.CreateDepositRequest(
        tenant_id=TENANT,
        request_id=own,
        player_id="p42",
        amount=_eur(2_500),
        source_token="card_1",
        **_AT,
    )


def create_refund(world: World, own: str) -> deposits.CreateRefundRequest:
    """Return the request of a small refund."""
    return deposits.CreateRefundRequest(
        tenant_id=TENANT,
        request_id=own,
        deposit_id=world.deposit_id,
        amount=_eur(10),
        requested_by="agent",
    )


def create_withdrawal(_world: World, own: str) -> withdrawals.CreateWithdrawalRequest:
    """Return the request of a withdrawal."""
    return withdrawals.CreateWithdrawalRequest(
        tenant_id=TENANT,
        request_id=own,
        player_id="p42",
        amount=_eur(100),
        destination_token="iban_tok_1",
        requested_by="p42",
        **_AT,
    )


def fetch_report(world: World, own: str) -> settlement.FetchSettlementReportRequest:
    """Return the request of the closed day's reports."""
    return settlement.FetchSettlementReportRequest(
        tenant_id=TENANT, request_id=own, business_date=world.business_date, **_AT
    )


RPCS: Mapping[str, Rpc] = {
    rpc.name: rpc
    for rpc in (
        Rpc("CreateDeposit", create_deposit),
        Rpc(
            "GetDeposit",
            lambda w, _: deposits.GetDepositRequest(tenant_id=TENANT, deposit_id=w.deposit_id),
        ),
        Rpc("ListDeposits", lambda _w, _: deposits.ListDepositsRequest(tenant_id=TENANT)),
        Rpc("CreateRefund", create_refund),
        Rpc(
            "GetRefund",
            lambda w, _: deposits.GetRefundRequest(tenant_id=TENANT, refund_id=w.refund_id),
        ),
        Rpc(
            "GetDispute",
            lambda w, _: deposits.GetDisputeRequest(tenant_id=TENANT, dispute_id=w.dispute_id),
        ),
        Rpc("ListDisputes", lambda _w, _: deposits.ListDisputesRequest(tenant_id=TENANT)),
        Rpc("CreateWithdrawal", create_withdrawal),
        Rpc(
            "GetWithdrawal",
            lambda w, _: withdrawals.GetWithdrawalRequest(
                tenant_id=TENANT, withdrawal_id=w.withdrawal_id
            ),
        ),
        Rpc("ListWithdrawals", lambda _w, _: withdrawals.ListWithdrawalsRequest(tenant_id=TENANT)),
        Rpc("FetchSettlementReport", fetch_report),
        Rpc(
            "ListSettlementReports",
            lambda _w, _: settlement.ListSettlementReportsRequest(tenant_id=TENANT),
        ),
        Rpc(
            "StreamSettlementReport",
            lambda w, _: settlement.StreamSettlementReportRequest(
                tenant_id=TENANT, report_id=w.report_id
            ),
        ),
        Rpc("ListExceptions", lambda _w, _: operations.ListExceptionsRequest(tenant_id=TENANT)),
        Rpc("ListInboxEvents", lambda _w, _: operations.ListInboxEventsRequest(tenant_id=TENANT)),
        Rpc("GetCut", lambda _w, _: events.GetCutRequest(tenant_id=TENANT)),
        Rpc(
            "ExportEvents",
            lambda _w, _: events.ExportEventsRequest(tenant_id=TENANT, through_sequence=3),
        ),
    )
}
LISTS = {name: rpc for name, rpc in RPCS.items() if name.startswith("List")}
MUTATIONS = {name: rpc for name, rpc in RPCS.items() if not rpc.reads}
READERS = {name: rpc for name, rpc in RPCS.items() if rpc.reads}


async def open_world(stack: Stack) -> World:
    """Make what the sound requests speak of; every list has two of its kind or more."""
    deposit = await stack.pay("seed", 10_000, player="p0")
    for number in range(2):
        disputed = await stack.pay(f"disputed-{number}", 1_000, player="p1")
        await stack.admin("disputes", {"payment_intent_id": disputed.provider_object_id})
        # A refund that we did not ask for is an exception.
        await stack.pay(f"unasked-{number}", 1_000, player="p2", words=["refunded_by_provider"])
    world = World(deposit.deposit_id, "", "", "", "", "")
    refund = await stack.deposits.CreateRefund(create_refund(world, "seed-refund"))
    asked = [
        await WithdrawalServiceStub(stack.channel).CreateWithdrawal(
            create_withdrawal(world, f"seed-withdrawal-{number}")
        )
        for number in range(2)
    ]
    disputes: list[str] = []

    async def told() -> bool:
        found = await stack.deposits.ListDisputes(deposits.ListDisputesRequest(tenant_id=TENANT))
        disputes[:] = [one.dispute_id for one in found.disputes]
        exceptions = await OperationsServiceStub(stack.channel).ListExceptions(
            operations.ListExceptionsRequest(tenant_id=TENANT)
        )
        return len(disputes) == len(exceptions.exceptions) == 2

    await stack.until(told)
    days = [await close_day(stack) for _ in range(2)]
    fetched = [await fetch(stack, day, f"seed-{day}") for day in days]
    return World(
        deposit_id=deposit.deposit_id,
        refund_id=refund.refund.refund_id,
        dispute_id=disputes[0],
        withdrawal_id=asked[0].withdrawal.withdrawal_id,
        report_id=fetched[0].reports[0].report_id,
        business_date=days[0],
    )


@asynccontextmanager
async def tables_locked(databases: Databases) -> AsyncIterator[None]:
    """Hold every table of the gateway, so that whatever it is asked waits.

    All at once or none: one after another they would meet what it does in the background.
    """
    async with owner(databases) as connection:
        found = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'psp_gateway'"
        )
        names = ", ".join(f"psp_gateway.{row['table_name']}" for row in found)
        async with asyncio.timeout(10):
            while not await _locked(connection, names):
                await asyncio.sleep(0.01)
        yield


async def _locked(connection: asyncpg.Connection, names: str) -> bool:
    await connection.execute("BEGIN")
    try:
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE NOWAIT")
    except asyncpg.LockNotAvailableError:
        await connection.execute("ROLLBACK")
        return False
    return True
