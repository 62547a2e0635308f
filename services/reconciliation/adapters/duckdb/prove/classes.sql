-- Proof 5: class, dates, amounts and lifecycle of every open group, computed again.

CREATE OR REPLACE TABLE presence AS
WITH one_row_a_group AS (
    SELECT
        pot,
        key,
        kind,
        currency_code,
        coalesce(sum(if(side = 'L', 0, amount_minor)), 0) AS outside_minor,
        coalesce(sum(if(side = 'L', amount_minor, 0)), 0) AS ledger_minor,
        max(side) <> 'L' OR min(side) <> 'L' AS outside,
        bool_or(side = 'L') AS ledger,
        count(*) AS row_count,
        min(first_date) AS first_date,
        min(break_date) AS break_date,
        min(break_id) AS first_id,
        max(break_id) AS last_id,
        max(occurrence) AS occurrence
    FROM result_open
    GROUP BY ALL
)
SELECT
    mine.*,
    mine.kind <> '' AS keyed,
    mine.kind <> 'unclassified' AS classified,
    mine.outside_minor > mine.ledger_minor AS over,
    mine.break_date <= DATE ${business_date} AS due,
    EXISTS (
        FROM one_row_a_group AS other
        WHERE other.pot = mine.pot
            AND other.key = mine.key
            AND other.kind = mine.kind
            AND other.currency_code <> mine.currency_code
            AND mine.outside <> mine.ledger
            AND other.outside = mine.ledger
            AND other.ledger = mine.outside
    ) AS two_currencies
FROM one_row_a_group AS mine;

CREATE OR REPLACE TABLE closings AS
SELECT pot, key, kind, currency_code, count(DISTINCT match_id) AS number
FROM read_parquet([${closed_files}])
WHERE (pot, key, kind, currency_code) IN (SELECT (pot, key, kind, currency_code) FROM presence)
GROUP BY ALL;

CREATE OR REPLACE TABLE known_movements AS
SELECT DISTINCT movement_key AS key, movement_kind AS kind
FROM read_parquet([${gateway_files}])
WHERE (movement_key, movement_kind) IN (SELECT (key, kind) FROM presence);

CREATE OR REPLACE TABLE decided AS
WITH facts AS (
    SELECT
        presence.*,
        coalesce(closings.number, 0) AS closings,
        closings.number IS NOT NULL AS closed,
        known_movements.key IS NOT NULL
            OR presence.kind IN (SELECT kind FROM report_only_kinds) AS known
    FROM presence
    LEFT JOIN closings USING (pot, key, kind, currency_code)
    LEFT JOIN known_movements USING (key, kind)
)
SELECT
    facts.pot,
    facts.key,
    facts.kind,
    facts.currency_code,
    any_value(facts.outside_minor) AS outside_minor,
    any_value(facts.ledger_minor) AS ledger_minor,
    any_value(facts.row_count) AS row_count,
    any_value(facts.first_date) AS first_date,
    any_value(facts.break_date) AS break_date,
    any_value(facts.first_id) AS first_id,
    any_value(facts.last_id) AS last_id,
    any_value(facts.occurrence) AS occurrence,
    any_value(facts.closings) AS closings,
    arg_min(decisions.class, decisions.line) AS class
FROM facts
JOIN decisions
    ON coalesce(decisions.comparison = '${comparison}', true)
    AND coalesce(decisions.keyed = facts.keyed, true)
    AND coalesce(decisions.classified = facts.classified, true)
    AND coalesce(decisions.two_currencies = facts.two_currencies, true)
    AND coalesce(decisions.outside = facts.outside, true)
    AND coalesce(decisions.ledger = facts.ledger, true)
    AND coalesce(decisions.over = facts.over, true)
    AND coalesce(decisions.closed = facts.closed, true)
    AND coalesce(decisions.due = facts.due, true)
    AND coalesce(decisions.known = facts.known, true)
GROUP BY facts.pot, facts.key, facts.kind, facts.currency_code;

-- Where the breaks as written differ from the breaks as they must be.
CREATE OR REPLACE TABLE wrong_breaks AS
WITH must_be AS (
    SELECT
        decided.*,
        before.class AS class_before,
        before.break_id IS NOT NULL AS was_open
    FROM decided
    LEFT JOIN carried_breaks AS before ON before.break_id = decided.first_id
),
written AS (
    FROM result_breaks WHERE lifecycle <> 'RESOLVED'
)
SELECT
    coalesce(written.key, must_be.key) AS key,
    coalesce(written.kind, must_be.kind) AS kind,
    coalesce(written.currency_code, must_be.currency_code) AS currency_code,
    written.class AS written_class,
    must_be.class AS class
FROM must_be
FULL JOIN written USING (pot, key, kind, currency_code)
WHERE
    must_be.class IS DISTINCT FROM written.class
    OR must_be.outside_minor <> written.outside_minor
    OR must_be.ledger_minor <> written.ledger_minor
    OR must_be.row_count <> written.row_count
    OR must_be.first_date <> written.first_date
    OR must_be.break_date <> written.break_date
    OR must_be.first_id <> must_be.last_id
    OR must_be.first_id <> written.break_id
    OR must_be.occurrence <> written.occurrence
    OR (NOT must_be.was_open AND written.occurrence <> must_be.closings + 1)
    OR written.lifecycle <> if(must_be.was_open, 'PERSISTING', 'NEW')
    OR written.previous_class <> coalesce(must_be.class_before, '')
    OR written.comparison <> '${comparison}'
    OR written.severity <> (
        SELECT severity FROM default_severities AS d WHERE d.class = written.class
    );

-- A carried row stays in the break that it was in.
CREATE OR REPLACE VIEW moved_rows AS
SELECT side, row_id
FROM carried_open
JOIN result_open USING (side, row_id)
WHERE carried_open.break_id <> result_open.break_id;

-- What was open and is not any more is RESOLVED, as it last was; nothing else is.
CREATE OR REPLACE VIEW wrong_resolutions AS
WITH gone AS (
    SELECT break_id, class, outside_minor, ledger_minor
    FROM carried_breaks
    WHERE break_id NOT IN (SELECT break_id FROM result_open)
),
written AS (
    SELECT break_id, class, outside_minor, ledger_minor
    FROM result_breaks
    WHERE lifecycle = 'RESOLVED' AND previous_class = class
)
SELECT break_id FROM (FROM gone EXCEPT FROM written)
UNION
SELECT break_id FROM (FROM written EXCEPT FROM gone)
UNION
SELECT break_id FROM result_breaks WHERE lifecycle = 'RESOLVED' AND previous_class <> class;
