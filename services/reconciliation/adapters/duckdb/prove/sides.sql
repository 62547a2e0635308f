-- Proof 2: carried + staged = result, as whole rows, each exactly once on both sides.
-- 128-bit digests stand for the row's identity and for its content, so that memory stays small.

-- Looked up, because the matcher joins: the same answer must not come by the same way twice.
CREATE OR REPLACE TABLE dictionary AS
SELECT map(list(concat(side, ' ', kind)), list(break_date)) AS due_dates FROM due;

CREATE OR REPLACE VIEW expected_rows AS
SELECT * EXCLUDE (break_id, occurrence) FROM carried_open
UNION ALL
SELECT
    staged_rows.*,
    DATE ${business_date} AS first_date,
    coalesce(due_dates[concat(side, ' ', kind)], due_dates[concat(side, ' *')]) AS break_date
FROM staged_rows
CROSS JOIN dictionary;

CREATE OR REPLACE VIEW result_rows AS
SELECT * EXCLUDE (break_id, occurrence) FROM result_open
UNION ALL
SELECT * EXCLUDE (break_id, occurrence, method, match_id) FROM result_closed;

CREATE OR REPLACE VIEW digests AS
SELECT
    md5_number(concat(side, ' ', row_id)) AS identity,
    md5_number(
        concat_ws(
            chr(31), side, row_id, pot, key, kind, currency_code, amount_minor, occurred_us,
            position, source_id, first_date, break_date
        )
    ) AS content,
    expected
FROM (
    SELECT *, true AS expected FROM expected_rows
    UNION ALL
    SELECT *, false AS expected FROM result_rows
);

CREATE OR REPLACE TABLE strays AS
SELECT
    identity,
    count(*) FILTER (WHERE expected) AS expected_count,
    count(*) FILTER (WHERE NOT expected) AS result_count
FROM digests
GROUP BY identity
HAVING expected_count <> 1 OR result_count <> 1 OR min(content) <> max(content);
