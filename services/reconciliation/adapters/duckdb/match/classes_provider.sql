-- II: the provider's report against the ledger.

CREATE OR REPLACE TABLE classified AS
WITH known_to_gateway AS (
    SELECT DISTINCT movement_key AS key, movement_kind AS kind
    FROM read_parquet([${gateway_files}])
    SEMI JOIN open_groups ON open_groups.key = movement_key AND open_groups.kind = movement_kind
)
SELECT
    open_groups.*,
    CASE
        WHEN kind = '' THEN 'UNKEYED'
        WHEN kind = 'unclassified' THEN 'UNCLASSIFIED'
        WHEN in_two_currencies THEN 'CURRENCY_MISMATCH'
        WHEN in_outside AND in_ledger AND outside_minor < ledger_minor THEN 'AMOUNT_UNDER'
        WHEN in_outside AND in_ledger THEN 'AMOUNT_OVER'
        WHEN in_outside AND closed_before > 0 THEN 'DUPLICATE_IN_REPORT'
        WHEN in_ledger AND closed_before > 0 THEN 'DUPLICATE_IN_LEDGER'
        WHEN in_outside AND NOT is_due THEN 'PENDING_BOOKING'
        WHEN in_outside AND (
            known_to_gateway.key IS NOT NULL OR kind IN (SELECT kind FROM report_only)
        ) THEN 'MISSING_IN_LEDGER'
        WHEN in_outside THEN 'MISSING_IN_GATEWAY'
        WHEN NOT is_due THEN 'PENDING_SETTLEMENT'
        ELSE 'MISSING_IN_SETTLEMENT'
    END AS class
FROM open_groups
LEFT JOIN known_to_gateway USING (key, kind);
