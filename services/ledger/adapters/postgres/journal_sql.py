"""The statements of the journal; each names one tenant, and the index that serves it."""

# The chain's hash at a transaction is that transaction's own; the head's may be an account event's.
HEAD_CUT = """
SELECT h.sequence, t.hash, t.create_time
FROM ledger.heads h
LEFT JOIN ledger.transactions t ON t.tenant_id = h.tenant_id AND t.sequence = h.sequence
WHERE h.tenant_id = :tenant
"""

CUT_AT = """
SELECT sequence, hash, create_time
FROM ledger.transactions WHERE tenant_id = :tenant AND sequence = :sequence
"""

RECORDED_AT = """
SELECT create_time FROM ledger.transactions WHERE tenant_id = :tenant AND sequence = :sequence
"""

SEQUENCE_BY_ID = """
SELECT sequence FROM ledger.transactions WHERE tenant_id = :tenant AND transaction_id = :name
"""

SEQUENCE_BY_REQUEST = """
SELECT sequence FROM ledger.transactions WHERE tenant_id = :tenant AND request_id = :name
"""

# A balance at a sequence is the last entry at or before it: one backward step in the primary key.
BALANCES = """
SELECT a.account_id, a.currency_code,
    coalesce(e.posted, 0), coalesce(e.pending_in, 0), coalesce(e.pending_out, 0),
    coalesce(e.account_version, 0), coalesce(e.sequence, 0)
FROM ledger.accounts a
LEFT JOIN LATERAL (
    SELECT posted, pending_in, pending_out, account_version, sequence
    FROM ledger.entries
    WHERE tenant_id = a.tenant_id AND account_key = a.account_key AND sequence <= :through
    ORDER BY sequence DESC, entry_number DESC LIMIT 1
) e ON true
WHERE a.tenant_id = :tenant AND a.account_id = ANY (:accounts)
"""

STATEMENT_LINES = """
SELECT e.entry_number, a.account_id, a.currency_code, e.amount, e.posted, e.pending_in,
    e.pending_out, e.account_version, t.transaction_id, t.sequence, t.kind,
    coalesce(t.effective_time, t.create_time) AS effective_time, t.create_time, t.description
FROM ledger.accounts a
JOIN ledger.entries e ON e.tenant_id = a.tenant_id AND e.account_key = a.account_key
JOIN ledger.transactions t ON t.tenant_id = e.tenant_id AND t.sequence = e.sequence
WHERE a.tenant_id = :tenant AND a.account_id = :account
    AND (e.sequence, e.entry_number) > (:sequence, CAST(:number AS bigint))
    AND e.sequence <= :through
ORDER BY e.sequence, e.entry_number
LIMIT :limit
"""

# The side on which a balance stands: its normal one, or the other if it is negative.
TRIAL_LINES = """
WITH balances AS (
    SELECT a.currency_code, a.kind,
        array_to_string((string_to_array(a.account_id, '/'))[1:CAST(:depth AS int)], '/') AS prefix,
        e.posted * CASE WHEN a.kind IN (1, 5) THEN 1 ELSE -1 END::numeric AS debit_balance
    FROM ledger.accounts a
    LEFT JOIN LATERAL (
        SELECT posted FROM ledger.entries
        WHERE tenant_id = a.tenant_id AND account_key = a.account_key AND sequence <= :through
        ORDER BY sequence DESC, entry_number DESC LIMIT 1
    ) e ON true
    WHERE a.tenant_id = :tenant AND starts_with(a.account_id, :prefix)
)
SELECT currency_code, kind, prefix, count(*) AS account_count,
    coalesce(sum(debit_balance) FILTER (WHERE debit_balance > 0), 0) AS debit,
    coalesce(-sum(debit_balance) FILTER (WHERE debit_balance < 0), 0) AS credit
FROM balances
GROUP BY currency_code, kind, prefix
ORDER BY currency_code, kind, prefix
"""

COUNT_RANGE = """
SELECT count(*) FROM ledger.transactions
WHERE tenant_id = :tenant AND sequence > :after AND sequence <= :through
"""

# Entries are found by the block-range index on the sequence, transactions by their key.
TRANSACTIONS = """
SELECT t.transaction_id, t.sequence, t.request_id, t.kind,
    coalesce(t.effective_time, t.create_time) AS effective_time, t.create_time, t.description,
    t.external_id, t.metadata, t.hash,
    e.entry_number, a.account_id, a.currency_code, e.amount, e.posted, e.pending_in,
    e.pending_out, e.account_version
FROM ledger.transactions t
JOIN ledger.entries e ON e.tenant_id = t.tenant_id AND e.sequence = t.sequence
JOIN ledger.accounts a ON a.tenant_id = e.tenant_id AND a.account_key = e.account_key
WHERE t.tenant_id = :tenant AND t.sequence > :after AND t.sequence <= :through
    AND e.sequence > :after AND e.sequence <= :through
    AND starts_with(a.account_id, :prefix)
    AND (cardinality(:accounts) = 0 OR a.account_id = ANY (:accounts))
    AND (cardinality(:kinds) = 0 OR t.kind = ANY (:kinds))
ORDER BY t.sequence, e.entry_number
"""

ACCOUNT = """
SELECT account_id, currency_code, kind, min_available, state, frozen_side, labels, metadata,
    create_time, update_time
FROM ledger.accounts WHERE tenant_id = :tenant AND account_id = :account
"""

ACCOUNTS = """
SELECT account_id, currency_code, kind, min_available, state, frozen_side, labels, metadata,
    create_time, update_time
FROM ledger.accounts
WHERE tenant_id = :tenant AND account_id > :after AND starts_with(account_id, :prefix)
    AND (CAST(:kind AS int) IS NULL OR kind = :kind)
    AND (CAST(:state AS int) IS NULL OR state = :state)
    AND (:label = '' OR :label = ANY (labels))
    AND (:currency = '' OR currency_code = :currency)
ORDER BY account_id
LIMIT :limit
"""
