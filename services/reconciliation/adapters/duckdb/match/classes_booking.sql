-- I: both sides are ours. What is on one side only was read a moment too early; or it is lost.

CREATE OR REPLACE TABLE classified AS
SELECT
    *,
    CASE
        WHEN kind = '' THEN 'UNKEYED'
        WHEN in_two_currencies THEN 'CURRENCY_MISMATCH'
        WHEN in_outside AND in_ledger AND outside_minor < ledger_minor THEN 'AMOUNT_UNDER'
        WHEN in_outside AND in_ledger THEN 'AMOUNT_OVER'
        WHEN in_ledger AND closed_before > 0 THEN 'DUPLICATE_IN_LEDGER'
        WHEN NOT is_due THEN 'IN_FLIGHT'
        WHEN in_ledger THEN 'ORPHAN_LEDGER'
        ELSE 'NOT_BOOKED'
    END AS class
FROM open_groups;
