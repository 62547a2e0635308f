-- Proof 4: every match is of one key, and its sides agree as its method says.

CREATE OR REPLACE TABLE bad_matches AS
SELECT match_id
FROM result_closed
GROUP BY match_id
HAVING
    min(md5_number(concat_ws(chr(31), pot, key, kind, currency_code)))
    <> max(md5_number(concat_ws(chr(31), pot, key, kind, currency_code)))
    OR min(method) <> max(method)
    OR NOT CASE min(method)
        WHEN 'EQUAL' THEN
            count(*) = 2
            AND count_if(side = 'L') = 1
            AND min(amount_minor) = max(amount_minor)
        WHEN 'EQUAL_SUMS' THEN
            count_if(side = 'L') BETWEEN 1 AND count(*) - 1
            AND sum(if(side = 'L', -amount_minor, amount_minor)) = 0
        WHEN 'ROUND_TRIP' THEN
            min(side) = max(side)
            AND sum(amount_minor) = 0
        ELSE false
    END;

-- And nothing was left open that the rules close.
CREATE OR REPLACE TABLE closable AS
WITH by_amount AS (
    SELECT
        pot,
        key,
        kind,
        currency_code,
        amount_minor,
        count(DISTINCT side) AS sides,
        sum(amount_minor) FILTER (WHERE side = 'L') AS ledger_minor,
        sum(amount_minor) FILTER (WHERE side <> 'L') AS outside_minor
    FROM result_open
    GROUP BY ALL
)
SELECT pot, key, kind, currency_code
FROM by_amount
GROUP BY ALL
HAVING
    max(sides) > 1
    OR coalesce(sum(ledger_minor), 0) = coalesce(sum(outside_minor), 0);
