-- Proof 1: for each sweep that this run's reports name, over all days, its lines and the sweep's own
-- line sum to 0. A sweep whose lines no report lists cannot be checked; it is counted.

CREATE OR REPLACE TABLE sweeps AS
SELECT
    sweep_key,
    currency_code,
    count_if(movement_key = sweep_key) AS own_rows,
    count_if(movement_key <> sweep_key) AS line_rows,
    sum(amount_minor) AS rest_minor
FROM read_parquet([${settlement_files}])
WHERE pot = 'P'
    AND sweep_key IN (
        SELECT sweep_key FROM read_parquet(${settlement_file}) WHERE sweep_key <> ''
    )
GROUP BY ALL;
