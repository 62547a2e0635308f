-- What the first run of all has instead of a predecessor's files; and their columns.

CREATE TABLE no_open (
    side VARCHAR,
    row_id VARCHAR,
    pot VARCHAR,
    key VARCHAR,
    kind VARCHAR,
    currency_code VARCHAR,
    amount_minor BIGINT,
    occurred_us BIGINT,
    position BIGINT,
    source_id VARCHAR,
    first_date DATE,      -- the business date of the run that saw the row first
    break_date DATE,      -- from this date on it is a break; fixed at first sight
    break_id VARCHAR,     -- of the open group it belongs to
    occurrence BIGINT     -- of that group
);

CREATE TABLE no_breaks (
    break_id VARCHAR,
    comparison VARCHAR,
    pot VARCHAR,
    key VARCHAR,
    kind VARCHAR,
    currency_code VARCHAR,
    occurrence BIGINT,
    class VARCHAR,
    previous_class VARCHAR,   -- empty if the break is new
    severity VARCHAR,
    lifecycle VARCHAR,
    outside_minor BIGINT,
    ledger_minor BIGINT,
    row_count BIGINT,
    first_date DATE,
    break_date DATE,
    row_ids VARCHAR[]
);

CREATE TABLE run (business_date DATE, id_prefix VARCHAR);
CREATE TABLE report_only (kind VARCHAR);
CREATE TABLE severities (class VARCHAR, severity VARCHAR);

-- The break date of a row that is new in this run; kind '*' stands for all that are not named.
CREATE TABLE grace (comparison VARCHAR, side VARCHAR, kind VARCHAR, break_date DATE);
