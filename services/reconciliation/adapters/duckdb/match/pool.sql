-- The pool of one comparison: what was carried, and what is new.
-- A row that does not say what it belongs to is a group of its own, and its kind is empty.

CREATE OR REPLACE VIEW pool AS
WITH compared AS (
    SELECT *, ${key} <> '' AND ${kind} <> '' AS keyed
    FROM read_parquet([${outside}, ${ledger}])
    WHERE pot IN (${pots}) AND ${compared}
),
new_rows AS (
    SELECT
        side,
        row_id,
        pot,
        CASE WHEN keyed THEN ${key} ELSE side || ' ' || row_id END AS key,
        CASE WHEN keyed THEN ${kind} ELSE '' END AS kind,
        currency_code,
        amount_minor,
        occurred_us,
        position,
        source_id
    FROM compared
)
SELECT * FROM ${carried}
UNION ALL
SELECT
    new_rows.*,
    run.business_date AS first_date,
    coalesce(named.break_date, other.break_date) AS break_date,
    '' AS break_id,
    0 AS occurrence
FROM new_rows
CROSS JOIN run
LEFT JOIN grace AS named
    ON named.comparison = '${comparison}'
    AND named.side = new_rows.side
    AND named.kind = new_rows.kind
LEFT JOIN grace AS other
    ON other.comparison = '${comparison}'
    AND other.side = new_rows.side
    AND other.kind = '*';
