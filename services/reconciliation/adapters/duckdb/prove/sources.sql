-- What the prover reads of one comparison. It derives everything from the frozen files by itself.

CREATE OR REPLACE VIEW result_open AS FROM read_parquet(${open_file});
CREATE OR REPLACE VIEW result_closed AS FROM read_parquet(${closed_file});
CREATE OR REPLACE VIEW result_breaks AS FROM read_parquet(${breaks_file});

-- Without a predecessor nothing was carried.
CREATE OR REPLACE VIEW carried_open AS FROM read_parquet(${carried_open_file}) WHERE ${has_predecessor};
CREATE OR REPLACE VIEW carried_breaks AS
FROM read_parquet(${carried_breaks_file})
WHERE ${has_predecessor} AND lifecycle IN ('NEW', 'PERSISTING');

-- Every staged row of the two sides, and the rule by which it is left out of this comparison.
CREATE OR REPLACE VIEW judged AS
SELECT
    *,
    ${key_column} AS own_key,
    ${kind_column} AS own_kind,
    CASE
        WHEN NOT list_contains([${pots}], pot) THEN 'OTHER_POT'
        WHEN ${report_booked} THEN 'REPORT_BOOKED'
        ELSE ''
    END AS excluded_by
FROM (
    FROM read_parquet(${outside_file})
    UNION ALL
    FROM read_parquet(${ledger_file})
);

CREATE OR REPLACE VIEW staged_rows AS
SELECT
    side,
    row_id,
    pot,
    if(least(length(own_key), length(own_kind)) = 0, concat(side, ' ', row_id), own_key) AS key,
    if(least(length(own_key), length(own_kind)) = 0, '', own_kind) AS kind,
    currency_code,
    amount_minor,
    occurred_us,
    position,
    source_id
FROM judged
WHERE excluded_by = '';

-- The date from which a row of this run is a break: the n-th business day after the run's date,
-- counted on the calendar itself. In I it is the next day, whatever the calendar.
CREATE OR REPLACE TABLE due AS
WITH business_days AS (
    SELECT day, row_number() OVER (ORDER BY day) AS number
    FROM (
        SELECT unnest(
            generate_series(DATE ${business_date} + 1, DATE ${business_date} + 3650, INTERVAL 1 DAY)
        )::DATE AS day
    )
    WHERE isodow(day) NOT IN (${weekend}) AND day NOT IN (SELECT day FROM holidays)
)
SELECT DISTINCT
    side,
    kind,
    CASE
        WHEN days = 0 THEN DATE ${business_date}
        WHEN '${comparison}' = 'booking' THEN DATE ${business_date} + days
        ELSE (SELECT day FROM business_days WHERE number = days)
    END AS break_date
FROM grace_days
WHERE comparison = '${comparison}';
