-- Identity and lifecycle. A group that still has carried rows is the break it was;
-- any other is the next opening of its key.

CREATE OR REPLACE TABLE identified AS
SELECT
    classified.*,
    CASE WHEN carried_id <> '' THEN carried_occurrence ELSE closed_before + 1 END AS occurrence,
    CASE
        WHEN carried_id <> '' THEN carried_id
        ELSE substr(
            sha256(
                concat_ws(
                    chr(31), run.id_prefix, '${comparison}', pot, key, kind, currency_code,
                    closed_before + 1
                )
            ),
            1,
            32
        )
    END AS break_id
FROM classified
CROSS JOIN run;

CREATE OR REPLACE VIEW breaks AS
WITH prior AS (
    SELECT * FROM ${prior} WHERE lifecycle <> 'RESOLVED'
)
SELECT
    break_id,
    '${comparison}' AS comparison,
    identified.pot,
    identified.key,
    identified.kind,
    identified.currency_code,
    identified.occurrence,
    identified.class,
    coalesce(prior.class, '') AS previous_class,
    severities.severity,
    CASE WHEN prior.break_id IS NULL THEN 'NEW' ELSE 'PERSISTING' END AS lifecycle,
    identified.outside_minor,
    identified.ledger_minor,
    identified.row_count,
    identified.first_date,
    identified.break_date,
    identified.row_ids
FROM identified
JOIN severities USING (class)
LEFT JOIN prior USING (break_id)
UNION ALL
SELECT prior.* REPLACE (class AS previous_class, 'RESOLVED' AS lifecycle)
FROM prior
ANTI JOIN identified USING (break_id);

CREATE OR REPLACE VIEW carried_rows AS
SELECT open_rows.* REPLACE (
    identified.break_id AS break_id,
    identified.occurrence AS occurrence
)
FROM open_rows
JOIN identified USING (pot, key, kind, currency_code);
