"""Attempts and the registry of providers' objects on PostgreSQL. Implements `AttemptRows`."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.psp_gateway.application.records import Attempt, Details, Identity, NewAttempt
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.outcomes import Outcome

_INSERT = """
INSERT INTO psp_gateway.attempts (tenant_id, object_type, object_id, attempt_number, attempt_id,
    provider, provider_account, reference, request, replay_until, next_check_time, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

# The lease is taken where it is looked for, so two who look at once do not both take it.
_CLAIM = """
UPDATE psp_gateway.attempts SET next_check_time = $5, check_count = check_count + 1
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND end_time IS NULL
    AND next_check_time <= $4
RETURNING *
"""

_CLAIM_DUE = """
UPDATE psp_gateway.attempts a SET next_check_time = $3, check_count = check_count + 1
FROM (
    SELECT object_type, object_id, attempt_number FROM psp_gateway.attempts
    WHERE tenant_id = $1 AND next_check_time <= $2
        -- A withdrawal's workflow asks about its attempts itself.
        AND object_type <> 'withdrawal'
    ORDER BY next_check_time LIMIT $4 FOR UPDATE SKIP LOCKED
) due
WHERE a.tenant_id = $1 AND a.object_type = due.object_type AND a.object_id = due.object_id
    AND a.attempt_number = due.attempt_number
RETURNING a.*
"""

# What ended meanwhile stays ended: the end is known for certain, whoever brought it.
_HEARD = """
UPDATE psp_gateway.attempts
SET outcome = coalesce($5, outcome),
    provider_object_id = coalesce(nullif($6, ''), provider_object_id),
    provider_state = coalesce(nullif($7, ''), provider_state),
    failure_code = coalesce(nullif($8, ''), failure_code),
    failure_message = coalesce(nullif($9, ''), failure_message),
    next_check_time = CASE WHEN end_time IS NULL THEN $10::timestamptz END,
    end_time = CASE WHEN $10::timestamptz IS NULL THEN coalesce(end_time, $11) ELSE end_time END
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 AND attempt_number = $4
"""

_END = """
UPDATE psp_gateway.attempts SET end_time = $5, next_check_time = NULL
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3
    AND ($4::bigint IS NULL OR attempt_number = $4) AND end_time IS NULL
"""

_BY_OBJECT = """
SELECT object_id, attempt_number, deposit_id FROM psp_gateway.provider_objects
WHERE tenant_id = $1 AND provider = $2 AND provider_account = $3 AND object_type = $4
    AND provider_object_id = $5
"""

_BY_REFERENCE = """
SELECT object_id, attempt_number FROM psp_gateway.attempts
WHERE tenant_id = $1 AND provider = $2 AND provider_account = $3 AND object_type = $4
    AND reference = $5
"""

_REGISTER = """
INSERT INTO psp_gateway.provider_objects (tenant_id, provider, provider_account, object_type,
    provider_object_id, object_id, attempt_number, deposit_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""

LAST_ATTEMPT = """
SELECT * FROM psp_gateway.attempts
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3
ORDER BY attempt_number DESC LIMIT 1
"""


class PostgresAttempts:
    """Keeps attempts, inside a unit of work."""

    def __init__(self, driver: asyncpg.Connection, tenant_id: str) -> None:
        self._driver = driver
        self._tenant_id = tenant_id

    async def add(self, attempt: NewAttempt, now: datetime) -> None:
        await self._driver.execute(
            _INSERT,
            self._tenant_id,
            attempt.object_type,
            attempt.object_id,
            attempt.number,
            attempt.attempt_id,
            attempt.at.provider,
            attempt.at.provider_account,
            attempt.reference,
            attempt.request,
            attempt.replay_until,
            attempt.next_check_at,
            now,
        )

    async def claim(
        self, object_type: ObjectType, object_id: str, now: datetime, until: datetime
    ) -> Attempt | None:
        row = await self._driver.fetchrow(
            _CLAIM, self._tenant_id, object_type, object_id, now, until
        )
        return attempt_of(row) if row else None

    async def claim_due(self, now: datetime, until: datetime, limit: int) -> Sequence[Attempt]:
        rows = await self._driver.fetch(_CLAIM_DUE, self._tenant_id, now, until, limit)
        return [attempt_of(row) for row in rows]

    async def heard(
        self,
        attempt: NewAttempt,
        outcome: Outcome | None,
        details: Details,
        next_check_at: datetime | None,
        now: datetime,
    ) -> None:
        await self._driver.execute(
            _HEARD,
            self._tenant_id,
            attempt.object_type,
            attempt.object_id,
            attempt.number,
            outcome,
            details.provider_object_id,
            details.provider_state,
            details.failure_code,
            details.failure_message,
            next_check_at,
            now,
        )

    async def end(
        self, object_type: ObjectType, object_id: str, number: int | None, now: datetime
    ) -> None:
        await self._driver.execute(_END, self._tenant_id, object_type, object_id, number, now)

    async def identify(
        self,
        at: ProviderAccount,
        object_type: ObjectType,
        provider_object_id: str,
        reference: str,
    ) -> Identity | None:
        place = (self._tenant_id, at.provider, at.provider_account, object_type)
        if provider_object_id:
            row = await self._driver.fetchrow(_BY_OBJECT, *place, provider_object_id)
            if row:
                return Identity(
                    object_type, row["object_id"], row["attempt_number"], row["deposit_id"]
                )
        if not reference:
            return None
        row = await self._driver.fetchrow(_BY_REFERENCE, *place, reference)
        return Identity(object_type, row["object_id"], row["attempt_number"]) if row else None

    async def register(
        self, at: ProviderAccount, provider_object_id: str, identity: Identity
    ) -> Identity:
        await self._driver.execute(
            _REGISTER,
            self._tenant_id,
            at.provider,
            at.provider_account,
            identity.object_type,
            provider_object_id,
            identity.object_id,
            identity.attempt_number,
            identity.deposit_id,
        )
        held = await self.identify(at, identity.object_type, provider_object_id, "")
        return held or identity


def attempt_of(row: asyncpg.Record) -> Attempt:
    """Read an attempt's row."""
    return Attempt(
        object_type=ObjectType(row["object_type"]),
        object_id=row["object_id"],
        number=row["attempt_number"],
        attempt_id=row["attempt_id"],
        at=ProviderAccount(row["provider"], row["provider_account"]),
        reference=row["reference"],
        request=row["request"],
        replay_until=row["replay_until"],
        next_check_at=row["next_check_time"] or row["create_time"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        provider_object_id=row["provider_object_id"],
        provider_state=row["provider_state"],
        failure_code=row["failure_code"],
        failure_message=row["failure_message"],
        check_count=row["check_count"],
        created_at=row["create_time"],
        ended_at=row["end_time"],
    )
