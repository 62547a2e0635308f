"""The statements of reads, each within one tenant."""

REQUEST = """
SELECT method, request_hash, object_id FROM psp_gateway.requests
WHERE tenant_id = $1 AND request_id = $2
"""


def _pending(object_type: str, object_id: str) -> str:
    return f"""(SELECT count(*)::int FROM psp_gateway.posting_intents i
     WHERE i.tenant_id = $1 AND i.object_type = '{object_type}'
         AND i.object_id = {object_id}::text AND i.state IN ('OPEN', 'BLOCKED'))
     AS postings_pending"""  # noqa: S608 - made of this module's own constants.


_DEPOSITS = f"""
SELECT d.*, {_pending("deposit", "d.deposit_id")},
    (SELECT coalesce(sum(r.amount_minor), 0)::bigint FROM psp_gateway.refunds r
     WHERE r.tenant_id = $1 AND r.deposit_id = d.deposit_id
         AND r.state NOT IN ('REJECTED', 'FAILED', 'FAILED_AFTER_SUCCESS')) AS refunded_minor
FROM psp_gateway.deposits d
WHERE d.tenant_id = $1
"""  # noqa: S608 - made of this module's own constants.

DEPOSIT = f"{_DEPOSITS} AND d.deposit_id = $2"

DEPOSITS = f"""{_DEPOSITS}
    AND ($2::uuid IS NULL OR d.deposit_id < $2)
    AND ($3::text = '' OR d.player_id = $3)
    AND ($4::text = '' OR d.provider = $4)
    AND ($5::text = '' OR d.provider_account = $5)
    AND (cardinality($6::text[]) = 0 OR d.state = ANY ($6))
    -- Before the capture there is no settlement state to ask for.
    AND (cardinality($7::text[]) = 0
        OR (d.captured_minor IS NOT NULL AND d.settlement_state = ANY ($7)))
    AND ($8::text = '' OR d.reference = $8)
    AND ($9::text = '' OR d.provider_object_id = $9)
    AND ($10::timestamptz IS NULL OR d.create_time >= $10)
    AND ($11::timestamptz IS NULL OR d.create_time < $11)
ORDER BY d.deposit_id DESC LIMIT $12
"""

REFUND = f"""
SELECT r.*, d.provider, d.provider_account, d.player_id, {_pending("refund", "r.refund_id")}
FROM psp_gateway.refunds r
JOIN psp_gateway.deposits d ON d.tenant_id = r.tenant_id AND d.deposit_id = r.deposit_id
WHERE r.tenant_id = $1 AND r.refund_id = $2
"""  # noqa: S608 - made of this module's own constants.

_DISPUTES = f"""
SELECT p.*, d.provider, d.provider_account, d.player_id, {_pending("dispute", "p.dispute_id")}
FROM psp_gateway.disputes p
JOIN psp_gateway.deposits d ON d.tenant_id = p.tenant_id AND d.deposit_id = p.deposit_id
WHERE p.tenant_id = $1
"""  # noqa: S608 - made of this module's own constants.

DISPUTE = f"{_DISPUTES} AND p.dispute_id = $2"

DISPUTES = f"""{_DISPUTES}
    AND ($2::uuid IS NULL OR p.dispute_id < $2)
    AND ($3::text = '' OR d.player_id = $3)
    AND ($4::uuid IS NULL OR p.deposit_id = $4)
    AND ($5::text = '' OR d.provider = $5)
    AND ($6::text = '' OR d.provider_account = $6)
    AND (cardinality($7::text[]) = 0 OR p.state = ANY ($7))
    AND ($8::text = '' OR p.provider_object_id = $8)
    AND ($9::timestamptz IS NULL OR p.evidence_due_time < $9)
    AND ($10::timestamptz IS NULL OR p.create_time >= $10)
    AND ($11::timestamptz IS NULL OR p.create_time < $11)
ORDER BY p.dispute_id DESC LIMIT $12
"""

ROUNDS = """
SELECT * FROM psp_gateway.dispute_rounds
WHERE tenant_id = $1 AND dispute_id = ANY ($2::uuid[]) ORDER BY dispute_id, round_number
"""

ROUND_OF_MOVEMENT = """
SELECT r.dispute_id, r.round_number
FROM psp_gateway.dispute_rounds r
JOIN psp_gateway.disputes p ON p.tenant_id = r.tenant_id AND p.dispute_id = r.dispute_id
JOIN psp_gateway.deposits d ON d.tenant_id = p.tenant_id AND d.deposit_id = p.deposit_id
WHERE r.tenant_id = $1 AND d.provider = $2 AND d.provider_account = $3 AND r.movement_key = $4
"""

WITHDRAWALS = f"""
SELECT w.*, {_pending("withdrawal", "w.withdrawal_id")}
FROM psp_gateway.withdrawals w
WHERE w.tenant_id = $1
"""  # noqa: S608 - made of this module's own constants.

WITHDRAWAL = f"{WITHDRAWALS} AND w.withdrawal_id = $2"

DECISIONS = """
SELECT * FROM psp_gateway.withdrawal_decisions
WHERE tenant_id = $1 AND withdrawal_id = $2 ORDER BY create_time
"""

ATTEMPTS = """
SELECT * FROM psp_gateway.attempts
WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 ORDER BY attempt_number
"""

SWEPT_DEPOSITS = """
SELECT d.deposit_id, d.provider, d.provider_account, d.sweep_id, s.state
FROM psp_gateway.deposits d
JOIN psp_gateway.sweeps s ON s.tenant_id = d.tenant_id AND s.provider = d.provider
    AND s.provider_account = d.provider_account AND s.sweep_id = d.sweep_id
WHERE d.tenant_id = $1 AND d.settlement_state = 'SWEPT' AND s.state IN ('BANKED', 'FAILED')
ORDER BY d.deposit_id LIMIT $2
"""

REQUESTED_REFUNDS = """
SELECT refund_id FROM psp_gateway.refunds
WHERE tenant_id = $1 AND state = 'REQUESTED' AND update_time <= $2 ORDER BY update_time LIMIT $3
"""
