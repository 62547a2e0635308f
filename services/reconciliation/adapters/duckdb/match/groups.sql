-- The open groups, with all that their class and their identity depend on.

CREATE OR REPLACE TABLE open_groups AS
WITH closings AS (
    SELECT pot, key, kind, currency_code, count(DISTINCT match_id) AS closed_before
    FROM read_parquet([${closed_files}])
    SEMI JOIN open_rows USING (pot, key, kind, currency_code)
    GROUP BY ALL
),
sums AS (
    SELECT
        pot,
        key,
        kind,
        currency_code,
        count(*) FILTER (WHERE side <> 'L') > 0 AS in_outside,
        count(*) FILTER (WHERE side = 'L') > 0 AS in_ledger,
        coalesce(sum(amount_minor) FILTER (WHERE side <> 'L'), 0)::BIGINT AS outside_minor,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'L'), 0)::BIGINT AS ledger_minor,
        count(*) AS row_count,
        min(first_date) AS first_date,
        min(break_date) AS break_date,
        max(break_id) AS carried_id,
        max(occurrence) AS carried_occurrence,
        list(side || ' ' || row_id ORDER BY first_date, side, position, row_id)[1:20] AS row_ids
    FROM open_rows
    GROUP BY ALL
),
-- A key that one side has in one currency and the other side in another.
currencies AS (
    SELECT pot, key, kind
    FROM sums
    GROUP BY ALL
    HAVING bool_or(in_outside AND NOT in_ledger) AND bool_or(in_ledger AND NOT in_outside)
)
SELECT
    sums.*,
    coalesce(closed_before, 0) AS closed_before,
    currencies.key IS NOT NULL AND in_outside <> in_ledger AS in_two_currencies,
    run.business_date >= sums.break_date AS is_due
FROM sums
CROSS JOIN run
LEFT JOIN closings USING (pot, key, kind, currency_code)
LEFT JOIN currencies USING (pot, key, kind);
