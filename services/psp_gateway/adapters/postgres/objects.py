"""The rows of objects on PostgreSQL. Implements `ObjectRows`."""

from datetime import datetime

import asyncpg
import orjson

from services.kernel.money import Money
from services.psp_gateway.adapters.postgres import objects_sql as sql
from services.psp_gateway.adapters.postgres.rows import (
    deposit_of,
    dispute_of,
    refund_of,
    sweep_of,
    withdrawal_of,
)
from services.psp_gateway.application.object_records import NewDeposit, NewRefund, NewWithdrawal
from services.psp_gateway.application.ports import StoredRow
from services.psp_gateway.application.records import Details
from services.psp_gateway.domain.accounts import PlayerChart, ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.objects import (
    Deposit,
    Dispute,
    DisputeState,
    Refund,
    Sweep,
    Withdrawal,
)


class PostgresObjects:
    """Locks and writes rows, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    # --- locks -----------------------------------------------------------------------------------

    async def lock_deposit(self, deposit_id: str) -> Deposit | None:
        row = await self._driver.fetchrow(sql.LOCK_DEPOSIT, self._tenant_id, deposit_id)
        return deposit_of(row) if row else None

    async def lock_refund(self, refund_id: str) -> Refund | None:
        row = await self._driver.fetchrow(sql.LOCK_REFUND, self._tenant_id, refund_id)
        return refund_of(row) if row else None

    async def lock_dispute(self, dispute_id: str) -> Dispute | None:
        row = await self._driver.fetchrow(sql.LOCK_DISPUTE, self._tenant_id, dispute_id)
        return dispute_of(row) if row else None

    async def lock_withdrawal(self, withdrawal_id: str) -> Withdrawal | None:
        row = await self._driver.fetchrow(sql.LOCK_WITHDRAWAL, self._tenant_id, withdrawal_id)
        if row is None:
            return None
        approvals = await self._driver.fetch(sql.APPROVALS, self._tenant_id, withdrawal_id)
        attempts = await self._driver.fetch(sql.ATTEMPT_PLACES, self._tenant_id, withdrawal_id)
        return withdrawal_of(row, approvals, attempts)

    async def lock_sweep(self, at: ProviderAccount, sweep_id: str) -> Sweep | None:
        row = await self._driver.fetchrow(
            sql.LOCK_SWEEP, self._tenant_id, at.provider, at.provider_account, sweep_id
        )
        return sweep_of(row) if row else None

    # --- looks -----------------------------------------------------------------------------------

    async def deposit_of(self, object_type: ObjectType, object_id: str) -> str | None:
        parent = {
            ObjectType.REFUND: sql.DEPOSIT_OF_REFUND,
            ObjectType.DISPUTE: sql.DEPOSIT_OF_DISPUTE,
        }[object_type]
        found = await self._driver.fetchval(parent, self._tenant_id, object_id)
        return None if found is None else str(found)

    async def player_of(self, object_type: ObjectType, object_id: str) -> PlayerChart | None:
        player = {
            ObjectType.DEPOSIT: sql.PLAYER_OF_DEPOSIT,
            ObjectType.WITHDRAWAL: sql.PLAYER_OF_WITHDRAWAL,
        }[object_type]
        row = await self._driver.fetchrow(player, self._tenant_id, object_id)
        return PlayerChart(row["player_id"], row["currency_code"]) if row else None

    async def refunded_minor(self, deposit_id: str) -> int:
        return int(await self._driver.fetchval(sql.REFUNDED, self._tenant_id, deposit_id))

    # --- writes ----------------------------------------------------------------------------------

    async def insert_deposit(self, new: NewDeposit, now: datetime) -> None:
        deposit = new.deposit
        await self._driver.execute(
            sql.INSERT_DEPOSIT,
            self._tenant_id,
            deposit.deposit_id,
            new.request_id,
            deposit.player_id,
            deposit.at.provider,
            deposit.at.provider_account,
            deposit.asked.currency_code,
            deposit.asked.minor_units,
            deposit.reference,
            orjson.dumps(dict(new.metadata)).decode(),
            deposit.state,
            deposit.settlement,
            new.expire_at,
            now,
        )

    async def insert_withdrawal(self, new: NewWithdrawal, now: datetime) -> None:
        withdrawal = new.withdrawal
        await self._driver.execute(
            sql.INSERT_WITHDRAWAL,
            self._tenant_id,
            withdrawal.withdrawal_id,
            new.request_id,
            withdrawal.player_id,
            new.at.provider,
            new.at.provider_account,
            withdrawal.amount.currency_code,
            withdrawal.amount.minor_units,
            withdrawal.fee_minor,
            new.destination_token,
            withdrawal.requested_by,
            orjson.dumps(dict(new.metadata)).decode(),
            withdrawal.state,
            new.attend_at,
            now,
        )

    async def save(self, row: StoredRow, event_sequence: int, now: datetime) -> None:
        match row:
            case Deposit():
                await self._save_deposit(row, event_sequence, now)
            case Refund():
                await self._driver.execute(
                    sql.SAVE_REFUND,
                    self._tenant_id,
                    row.refund_id,
                    row.deposit_id,
                    row.state,
                    row.amount.currency_code if row.amount else None,
                    row.amount.minor_units if row.amount else None,
                    event_sequence,
                    now,
                )
            case Dispute():
                await self._driver.execute(
                    sql.SAVE_DISPUTE,
                    self._tenant_id,
                    row.dispute_id,
                    row.deposit_id,
                    row.state,
                    row.round_number,
                    row.amount.currency_code if row.amount else None,
                    row.amount.minor_units if row.amount else None,
                    row.frozen_minor,
                    event_sequence,
                    now,
                )
            case Withdrawal():
                await self._driver.execute(
                    sql.SAVE_WITHDRAWAL,
                    self._tenant_id,
                    row.withdrawal_id,
                    row.state,
                    row.approvers_required,
                    list(row.paid_attempts),
                    row.returned_minor,
                    event_sequence,
                    now,
                )
            case Sweep():
                await self._driver.execute(
                    sql.SAVE_SWEEP,
                    self._tenant_id,
                    row.at.provider,
                    row.at.provider_account,
                    row.sweep_id,
                    row.state,
                    row.amount.currency_code if row.amount else None,
                    row.amount.minor_units if row.amount else None,
                    row.bank_account,
                    now,
                )

    async def _save_deposit(self, deposit: Deposit, event_sequence: int, now: datetime) -> None:
        captured = deposit.captured
        await self._driver.execute(
            sql.SAVE_DEPOSIT,
            self._tenant_id,
            deposit.deposit_id,
            deposit.state,
            deposit.settlement,
            captured.currency_code if captured else None,
            captured.minor_units if captured else None,
            deposit.capture_key,
            deposit.source,
            deposit.review_minor,
            deposit.review_reason,
            deposit.pending_minor,
            event_sequence,
            now,
        )

    async def describe_refund(self, refund_id: str, new: NewRefund) -> None:
        await self._driver.execute(
            sql.DESCRIBE_REFUND,
            self._tenant_id,
            refund_id,
            new.request_id,
            new.requested_by,
            new.comment,
            new.reference,
        )

    async def add_details(
        self, object_type: ObjectType, object_id: str, details: Details, now: datetime
    ) -> None:
        said = (
            details.provider_object_id,
            details.provider_state,
            details.failure_code,
            details.failure_message,
        )
        if object_type is ObjectType.DEPOSIT:
            await self._driver.execute(
                sql.DEPOSIT_DETAILS,
                self._tenant_id,
                object_id,
                *said,
                details.next_action_url,
                now,
            )
        elif object_type is ObjectType.REFUND:
            await self._driver.execute(sql.REFUND_DETAILS, self._tenant_id, object_id, *said, now)
        elif object_type is ObjectType.DISPUTE:
            asked = details.in_question
            await self._driver.execute(
                sql.DISPUTE_DETAILS,
                self._tenant_id,
                object_id,
                details.provider_object_id,
                details.provider_state,
                details.reason_code,
                asked.currency_code if asked else None,
                asked.minor_units if asked else None,
                details.evidence_due_at,
                now,
            )

    async def set_ledger_reason(self, object_type: ObjectType, object_id: str, reason: str) -> None:
        written = {
            ObjectType.REFUND: sql.REFUND_LEDGER_REASON,
            ObjectType.WITHDRAWAL: sql.WITHDRAWAL_LEDGER_REASON,
        }[object_type]
        await self._driver.execute(written, self._tenant_id, object_id, reason)

    async def set_expected_fee(self, deposit_id: str, fee_minor: int) -> None:
        await self._driver.execute(sql.EXPECTED_FEE, self._tenant_id, deposit_id, fee_minor)

    async def set_sweep(self, deposit_id: str, sweep_id: str) -> None:
        await self._driver.execute(sql.SWEEP_OF_DEPOSIT, self._tenant_id, deposit_id, sweep_id)

    async def open_round(
        self,
        dispute_id: str,
        round_number: int,
        withdrawn: Money,
        movement_key: str,
        opened_at: datetime,
    ) -> None:
        await self._driver.execute(
            sql.OPEN_ROUND,
            self._tenant_id,
            dispute_id,
            round_number,
            withdrawn.currency_code,
            withdrawn.minor_units,
            movement_key,
            opened_at,
        )

    async def end_round(
        self,
        dispute_id: str,
        round_number: int,
        state: DisputeState,
        reinstated_minor: int,
        ended_at: datetime,
    ) -> None:
        await self._driver.execute(
            sql.END_ROUND,
            self._tenant_id,
            dispute_id,
            round_number,
            state,
            reinstated_minor,
            ended_at,
        )

    async def add_round_fee(self, dispute_id: str, movement_key: str, fee_minor: int) -> None:
        await self._driver.execute(
            sql.ROUND_FEE, self._tenant_id, dispute_id, movement_key, fee_minor
        )
