"""The statements of withdrawals beside the machine's row, each within one tenant."""

from services.psp_gateway.adapters.postgres.reads_sql import WITHDRAWALS

BEGIN_REVIEW = """
UPDATE psp_gateway.withdrawals SET approval_expire_time = $3
WHERE tenant_id = $1 AND withdrawal_id = $2
"""

WAIT_FOR = """
UPDATE psp_gateway.withdrawals SET waiting_for = $4
WHERE tenant_id = $1 AND withdrawal_id = $2 AND state = $3
RETURNING withdrawal_id
"""

ADD_DECISION = """
INSERT INTO psp_gateway.withdrawal_decisions (tenant_id, withdrawal_id, decision_id, kind,
    decided_by, requested_by, comment, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

CLAIM_UNATTENDED = """
UPDATE psp_gateway.withdrawals w SET next_attend_time = $3
FROM (
    SELECT withdrawal_id FROM psp_gateway.withdrawals
    WHERE tenant_id = $1 AND next_attend_time <= $2
        AND state NOT IN ('PAID', 'REJECTED', 'CANCELLED', 'EXPIRED', 'FAILED', 'RETURNED')
    ORDER BY next_attend_time LIMIT $4 FOR UPDATE SKIP LOCKED
) due
WHERE w.tenant_id = $1 AND w.withdrawal_id = due.withdrawal_id
RETURNING w.withdrawal_id
"""

LIST = f"""{WITHDRAWALS}
    AND ($2::uuid IS NULL OR w.withdrawal_id < $2)
    AND ($3::text = '' OR w.player_id = $3)
    AND ($4::text = '' OR w.provider = $4)
    AND ($5::text = '' OR w.provider_account = $5)
    AND (cardinality($6::text[]) = 0 OR w.state = ANY ($6))
    AND (cardinality($7::text[]) = 0 OR w.waiting_for = ANY ($7))
    AND ($8::text = '' OR w.requested_by = $8)
    AND (($9::text = '' AND $10::text = '') OR EXISTS (
        SELECT 1 FROM psp_gateway.attempts a
        WHERE a.tenant_id = $1 AND a.object_type = 'withdrawal'
            AND a.object_id = w.withdrawal_id::text
            AND ($9::text = '' OR a.reference = $9)
            AND ($10::text = '' OR a.provider_object_id = $10)))
    AND ($11::timestamptz IS NULL OR w.create_time >= $11)
    AND ($12::timestamptz IS NULL OR w.create_time < $12)
ORDER BY w.withdrawal_id DESC LIMIT $13
"""  # noqa: S608 - made of constants of ours.

DECISIONS_OF = """
SELECT * FROM psp_gateway.withdrawal_decisions
WHERE tenant_id = $1 AND withdrawal_id = ANY ($2::uuid[]) ORDER BY create_time
"""

ATTEMPTS_OF = """
SELECT * FROM psp_gateway.attempts
WHERE tenant_id = $1 AND object_type = 'withdrawal' AND object_id = ANY ($2::text[])
ORDER BY attempt_number
"""
