"""The statements of settlement reports, each within one tenant."""

INSERT = """
INSERT INTO psp_gateway.settlement_reports (tenant_id, report_id, provider, provider_account,
    business_date, report_format, sha256, size_bytes, state, batch_number, period_start_time,
    period_end_time, totals, balances, line_count, refused_line_number, refusal_message,
    next_attempt_time, create_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT DO NOTHING
RETURNING report_id
"""

LINE_DONE = """
UPDATE psp_gateway.settlement_report_lines
SET state = $4, last_error = $5, attempt_count = attempt_count + 1
WHERE tenant_id = $1 AND report_id = $2 AND line_number = $3 AND state = 'WAITING'
"""

# The events of its lines are numbered by now: each was committed before its line was done.
ALL_LINES_DONE = """
UPDATE psp_gateway.settlement_reports r
SET booked_through_sequence = h.event_sequence, next_attempt_time = $3
FROM psp_gateway.heads h
WHERE r.tenant_id = $1 AND r.report_id = $2 AND h.tenant_id = $1
    AND r.booked_through_sequence IS NULL
"""

BOOKED = """
UPDATE psp_gateway.settlement_reports
SET state = 'BOOKED', posted_sequence = $3, book_time = $4, next_attempt_time = NULL
WHERE tenant_id = $1 AND report_id = $2 AND state = 'BOOKING'
"""

LOOK_AGAIN = """
UPDATE psp_gateway.settlement_reports SET next_attempt_time = $3
WHERE tenant_id = $1 AND report_id = $2 AND state = 'BOOKING'
"""

_SELECT = """
SELECT r.*,
    (SELECT count(*) FROM psp_gateway.settlement_report_lines l
     WHERE l.tenant_id = r.tenant_id AND l.report_id = r.report_id AND l.state <> 'WAITING')
     AS processed_line_count,
    (SELECT count(*) FROM psp_gateway.settlement_report_lines l
     WHERE l.tenant_id = r.tenant_id AND l.report_id = r.report_id AND l.state = 'EXCEPTION')
     AS exception_count
FROM psp_gateway.settlement_reports r
WHERE r.tenant_id = $1
"""

BY_HASH = f"{_SELECT} AND r.provider = $2 AND r.provider_account = $3 AND r.sha256 = $4"

OF_DATE = f"""{_SELECT} AND r.provider = $2 AND r.provider_account = $3 AND r.business_date = $4
ORDER BY r.batch_number, r.report_id
"""

RECORD = f"{_SELECT} AND r.report_id = $2"

LIST = f"""{_SELECT}
    AND ($2::date IS NULL OR (r.business_date, r.report_id) < ($2, $3::uuid))
    AND ($4::text = '' OR r.provider = $4)
    AND ($5::text = '' OR r.provider_account = $5)
    AND ($6::date IS NULL OR r.business_date >= $6)
    AND ($7::date IS NULL OR r.business_date <= $7)
    AND (cardinality($8::text[]) = 0 OR r.state = ANY ($8))
    AND ($9::uuid IS NULL OR r.report_id = $9)
ORDER BY r.business_date DESC, r.report_id DESC LIMIT $10
"""

CHUNK = """
SELECT content FROM psp_gateway.settlement_report_chunks
WHERE tenant_id = $1 AND report_id = $2 AND chunk_number = $3
"""

WAITING_LINES = """
SELECT line_number, attempt_count FROM psp_gateway.settlement_report_lines
WHERE tenant_id = $1 AND report_id = $2 AND state = 'WAITING' ORDER BY line_number
"""

BOOKED_THROUGH = """
SELECT booked_through_sequence FROM psp_gateway.settlement_reports
WHERE tenant_id = $1 AND report_id = $2
"""

DUE = """
SELECT report_id FROM psp_gateway.settlement_reports
WHERE tenant_id = $1 AND state = 'BOOKING' AND next_attempt_time <= $2
ORDER BY batch_number, report_id LIMIT $3
"""
