-- Proof 7, and the statement's figures: how many rows and how much money stood where.

CREATE OR REPLACE TABLE totals AS
SELECT
    stage,
    side,
    pot,
    currency_code,
    count(*) AS rows,
    sum(amount_minor) AS net_minor,
    sum(abs(amount_minor::HUGEINT)) AS gross_minor
FROM (
    SELECT 'opening' AS stage, side, pot, currency_code, amount_minor FROM carried_open
    UNION ALL
    SELECT 'new', side, pot, currency_code, amount_minor FROM staged_rows
    UNION ALL
    SELECT
        if(method = 'ROUND_TRIP', 'round_trips', 'closed'),
        side,
        pot,
        currency_code,
        amount_minor
    FROM result_closed
    UNION ALL
    SELECT 'closing', side, pot, currency_code, amount_minor FROM result_open
)
GROUP BY ALL;
