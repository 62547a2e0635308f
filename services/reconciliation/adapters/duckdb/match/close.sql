-- Closing, in this order: equal amounts one to one; equal sums; one-sided rows that sum to zero.

-- Nearly every key has one row a side, of the same amount. The others get a closer look.
CREATE OR REPLACE TABLE uneven AS
SELECT pot, key, kind, currency_code
FROM pool
GROUP BY ALL
HAVING NOT (
    count(*) FILTER (WHERE side = 'L') = 1
    AND count(*) FILTER (WHERE side <> 'L') = 1
    AND sum(CASE WHEN side = 'L' THEN -amount_minor ELSE amount_minor END) = 0
);

-- The oldest rows of an amount are paired first; pair_count of each side find a partner.
CREATE OR REPLACE TABLE uneven_rows AS
SELECT
    pool.*,
    row_number() OVER (
        PARTITION BY pot, key, kind, currency_code, amount_minor, side = 'L'
        ORDER BY first_date, position, row_id
    ) AS pair_number,
    least(
        count(*) FILTER (WHERE side = 'L') OVER same_amount,
        count(*) FILTER (WHERE side <> 'L') OVER same_amount
    ) AS pair_count
FROM pool
SEMI JOIN uneven USING (pot, key, kind, currency_code)
WINDOW same_amount AS (PARTITION BY pot, key, kind, currency_code, amount_minor);

-- What no pair took, a key at a time.
CREATE OR REPLACE TABLE leftover AS
WITH sums AS (
    SELECT
        pot,
        key,
        kind,
        currency_code,
        count(*) FILTER (WHERE side <> 'L') AS outside_count,
        count(*) FILTER (WHERE side = 'L') AS ledger_count,
        coalesce(sum(amount_minor) FILTER (WHERE side <> 'L'), 0) AS outside_minor,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'L'), 0) AS ledger_minor
    FROM uneven_rows
    WHERE pair_number > pair_count
    GROUP BY ALL
)
SELECT
    pot,
    key,
    kind,
    currency_code,
    CASE
        WHEN outside_minor <> ledger_minor THEN 'OPEN'
        WHEN outside_count > 0 AND ledger_count > 0 THEN 'EQUAL_SUMS'
        ELSE 'ROUND_TRIP'
    END AS method
FROM sums;

CREATE OR REPLACE TABLE open_rows AS
SELECT uneven_rows.* EXCLUDE (pair_number, pair_count)
FROM uneven_rows
JOIN leftover USING (pot, key, kind, currency_code)
WHERE pair_number > pair_count AND method = 'OPEN';

-- A match has an id of its own, so that a reader need not trust that rows of a key belong together.
CREATE OR REPLACE VIEW closed_rows AS
WITH labelled AS (
    SELECT pool.*, 'EQUAL' AS method, amount_minor || '/1' AS label
    FROM pool
    ANTI JOIN uneven USING (pot, key, kind, currency_code)
    UNION ALL
    SELECT
        * EXCLUDE (pair_number, pair_count),
        'EQUAL' AS method,
        amount_minor || '/' || pair_number AS label
    FROM uneven_rows
    WHERE pair_number <= pair_count
    UNION ALL
    SELECT uneven_rows.* EXCLUDE (pair_number, pair_count), method, method AS label
    FROM uneven_rows
    JOIN leftover USING (pot, key, kind, currency_code)
    WHERE pair_number > pair_count AND method <> 'OPEN'
)
SELECT
    labelled.* EXCLUDE (label),
    -- MD5 names the match; it secures nothing.
    md5(
        concat_ws(chr(31), run.business_date, pot, key, kind, currency_code, label)
    )::UUID AS match_id
FROM labelled
CROSS JOIN run;
