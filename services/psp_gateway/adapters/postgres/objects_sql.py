"""The statements of objects: locks and writes, each within one tenant."""

LOCK_DEPOSIT = """
SELECT * FROM psp_gateway.deposits WHERE tenant_id = $1 AND deposit_id = $2 FOR UPDATE
"""

LOCK_REFUND = """
SELECT * FROM psp_gateway.refunds WHERE tenant_id = $1 AND refund_id = $2 FOR UPDATE
"""

LOCK_DISPUTE = """
SELECT * FROM psp_gateway.disputes WHERE tenant_id = $1 AND dispute_id = $2 FOR UPDATE
"""

LOCK_WITHDRAWAL = """
SELECT * FROM psp_gateway.withdrawals WHERE tenant_id = $1 AND withdrawal_id = $2 FOR UPDATE
"""

LOCK_SWEEP = """
SELECT * FROM psp_gateway.sweeps
WHERE tenant_id = $1 AND provider = $2 AND provider_account = $3 AND sweep_id = $4 FOR UPDATE
"""

APPROVALS = """
SELECT decided_by, decision_id FROM psp_gateway.withdrawal_decisions
WHERE tenant_id = $1 AND withdrawal_id = $2 AND kind = 'APPROVED' ORDER BY create_time
"""

ATTEMPT_PLACES = """
SELECT provider, provider_account FROM psp_gateway.attempts
WHERE tenant_id = $1 AND object_type = 'withdrawal' AND object_id = $2 ORDER BY attempt_number
"""

DEPOSIT_OF_REFUND = """
SELECT deposit_id FROM psp_gateway.refunds WHERE tenant_id = $1 AND refund_id = $2
"""

DEPOSIT_OF_DISPUTE = """
SELECT deposit_id FROM psp_gateway.disputes WHERE tenant_id = $1 AND dispute_id = $2
"""

PLAYER_OF_DEPOSIT = """
SELECT player_id, coalesce(captured_currency_code, currency_code) AS currency_code
FROM psp_gateway.deposits WHERE tenant_id = $1 AND deposit_id = $2
"""

PLAYER_OF_WITHDRAWAL = """
SELECT player_id, currency_code
FROM psp_gateway.withdrawals WHERE tenant_id = $1 AND withdrawal_id = $2
"""

REFUNDED = """
SELECT coalesce(sum(amount_minor), 0)::bigint FROM psp_gateway.refunds
WHERE tenant_id = $1 AND deposit_id = $2
    AND state NOT IN ('REJECTED', 'FAILED', 'FAILED_AFTER_SUCCESS')
"""

INSERT_DEPOSIT = """
INSERT INTO psp_gateway.deposits (tenant_id, deposit_id, request_id, player_id, provider,
    provider_account, currency_code, amount_minor, reference, metadata, state, settlement_state,
    capture_key, review_minor, pending_minor, expire_time, event_sequence, create_time, update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', 0, 0, $13, 0, $14, $14)
"""

SAVE_DEPOSIT = """
UPDATE psp_gateway.deposits
SET state = $3, settlement_state = $4, captured_currency_code = $5, captured_minor = $6,
    capture_key = $7, source = $8, review_minor = $9, review_reason = $10, pending_minor = $11,
    event_sequence = $12, update_time = $13,
    next_action_url = CASE WHEN $3 = 'REQUIRES_ACTION' THEN next_action_url ELSE '' END
WHERE tenant_id = $1 AND deposit_id = $2
"""

SAVE_REFUND = """
INSERT INTO psp_gateway.refunds (tenant_id, refund_id, deposit_id, request_id, state, currency_code,
    amount_minor, requested_by, comment, reference, event_sequence, create_time, update_time)
VALUES ($1, $2, $3, '', $4, $5, $6, '', '', '', $7, $8, $8)
ON CONFLICT (tenant_id, refund_id) DO UPDATE
SET state = excluded.state, currency_code = excluded.currency_code,
    amount_minor = excluded.amount_minor, event_sequence = excluded.event_sequence,
    update_time = excluded.update_time
"""

SAVE_DISPUTE = """
INSERT INTO psp_gateway.disputes (tenant_id, dispute_id, deposit_id, state, round_number,
    currency_code, amount_minor, frozen_minor, event_sequence, create_time, update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
ON CONFLICT (tenant_id, dispute_id) DO UPDATE
SET state = excluded.state, round_number = excluded.round_number,
    currency_code = excluded.currency_code, amount_minor = excluded.amount_minor,
    frozen_minor = excluded.frozen_minor, event_sequence = excluded.event_sequence,
    update_time = excluded.update_time
"""

INSERT_WITHDRAWAL = """
INSERT INTO psp_gateway.withdrawals (tenant_id, withdrawal_id, request_id, player_id, provider,
    provider_account, currency_code, amount_minor, player_fee_minor, destination_token,
    requested_by, metadata, state, next_attend_time, event_sequence, create_time, update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $15)
"""

SAVE_WITHDRAWAL = """
UPDATE psp_gateway.withdrawals
SET state = $3,
    -- The machine counts from 0; before the rules were asked the column is null.
    approvals_required = CASE WHEN $3 IN ('REQUESTED', 'RESERVED') THEN approvals_required
        ELSE $4 END,
    approval_expire_time = CASE WHEN $3 = 'IN_REVIEW' THEN approval_expire_time END,
    -- A state says by itself what is waited for; what is known beyond that holds until it changes.
    waiting_for = CASE
        WHEN $3 = state THEN waiting_for
        WHEN $3 = 'IN_REVIEW' THEN 'APPROVALS'
        WHEN $3 IN ('SUBMITTING', 'SUBMIT_UNKNOWN', 'SUBMITTED') THEN 'PROVIDER'
        ELSE '' END,
    paid_attempts = $5, returned_minor = $6, event_sequence = $7, update_time = $8
WHERE tenant_id = $1 AND withdrawal_id = $2
"""

SAVE_SWEEP = """
INSERT INTO psp_gateway.sweeps (tenant_id, provider, provider_account, sweep_id, state,
    currency_code, amount_minor, bank_account, update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, provider, provider_account, sweep_id) DO UPDATE
SET state = excluded.state, bank_account = excluded.bank_account,
    update_time = excluded.update_time
"""

DESCRIBE_REFUND = """
UPDATE psp_gateway.refunds
SET request_id = $3, requested_by = $4, comment = $5, reference = $6
WHERE tenant_id = $1 AND refund_id = $2
"""

DEPOSIT_DETAILS = """
UPDATE psp_gateway.deposits
SET provider_object_id = coalesce(nullif($3, ''), provider_object_id),
    provider_state = coalesce(nullif($4, ''), provider_state),
    failure_code = coalesce(nullif($5, ''), failure_code),
    failure_message = coalesce(nullif($6, ''), failure_message),
    next_action_url = CASE WHEN state = 'REQUIRES_ACTION'
        THEN coalesce(nullif($7, ''), next_action_url) ELSE '' END,
    update_time = $8
WHERE tenant_id = $1 AND deposit_id = $2
"""

REFUND_DETAILS = """
UPDATE psp_gateway.refunds
SET provider_object_id = coalesce(nullif($3, ''), provider_object_id),
    provider_state = coalesce(nullif($4, ''), provider_state),
    failure_code = coalesce(nullif($5, ''), failure_code),
    failure_message = coalesce(nullif($6, ''), failure_message),
    update_time = $7
WHERE tenant_id = $1 AND refund_id = $2
"""

DISPUTE_DETAILS = """
UPDATE psp_gateway.disputes
SET provider_object_id = coalesce(nullif($3, ''), provider_object_id),
    provider_state = coalesce(nullif($4, ''), provider_state),
    reason_code = coalesce(nullif($5, ''), reason_code),
    in_question_currency_code = coalesce($6, in_question_currency_code),
    in_question_minor = coalesce($7, in_question_minor),
    evidence_due_time = coalesce($8, evidence_due_time),
    update_time = $9
WHERE tenant_id = $1 AND dispute_id = $2
"""

REFUND_LEDGER_REASON = """
UPDATE psp_gateway.refunds SET ledger_reason = $3 WHERE tenant_id = $1 AND refund_id = $2
"""

WITHDRAWAL_LEDGER_REASON = """
UPDATE psp_gateway.withdrawals SET ledger_reason = $3 WHERE tenant_id = $1 AND withdrawal_id = $2
"""

EXPECTED_FEE = """
UPDATE psp_gateway.deposits SET expected_fee_minor = $3 WHERE tenant_id = $1 AND deposit_id = $2
"""

SWEEP_OF_DEPOSIT = """
UPDATE psp_gateway.deposits SET sweep_id = $3 WHERE tenant_id = $1 AND deposit_id = $2
"""

OPEN_ROUND = """
INSERT INTO psp_gateway.dispute_rounds (tenant_id, dispute_id, round_number, state, currency_code,
    withdrawn_minor, movement_key, open_time)
VALUES ($1, $2, $3, 'OPEN', $4, $5, $6, $7)
"""

END_ROUND = """
UPDATE psp_gateway.dispute_rounds
SET state = $4, reinstated_minor = reinstated_minor + $5, end_time = $6
WHERE tenant_id = $1 AND dispute_id = $2 AND round_number = $3
"""

# A fee of no movement of ours is that of the last round.
ROUND_FEE = """
UPDATE psp_gateway.dispute_rounds r
SET fee_minor = coalesce(fee_minor, 0) + $4
WHERE tenant_id = $1 AND dispute_id = $2 AND round_number = coalesce(
    (SELECT round_number FROM psp_gateway.dispute_rounds
     WHERE tenant_id = $1 AND dispute_id = $2 AND movement_key = $3),
    (SELECT max(round_number) FROM psp_gateway.dispute_rounds
     WHERE tenant_id = $1 AND dispute_id = $2))
"""
