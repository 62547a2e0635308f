-- Proof 5: the classes once more, as a decision table. The first line that fits decides;
-- NULL fits everything. "closed": the key was closed before; "known": the gateway knows the
-- movement, or only reports bring its kind; "due": its break date has come.

CREATE TABLE decisions AS
FROM (VALUES
    -- line, comparison, keyed, classified, two currencies, outside, ledger, over, closed, due, known
    (1, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'UNKEYED'),
    (2, 'provider', NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'UNCLASSIFIED'),
    (3, NULL, NULL, NULL, true, NULL, NULL, NULL, NULL, NULL, NULL, 'CURRENCY_MISMATCH'),
    (4, NULL, NULL, NULL, NULL, true, true, true, NULL, NULL, NULL, 'AMOUNT_OVER'),
    (5, NULL, NULL, NULL, NULL, true, true, false, NULL, NULL, NULL, 'AMOUNT_UNDER'),
    (6, NULL, NULL, NULL, NULL, false, true, NULL, true, NULL, NULL, 'DUPLICATE_IN_LEDGER'),
    (7, 'provider', NULL, NULL, NULL, true, false, NULL, true, NULL, NULL, 'DUPLICATE_IN_REPORT'),
    (8, 'booking', NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, 'IN_FLIGHT'),
    (9, 'booking', NULL, NULL, NULL, true, false, NULL, NULL, true, NULL, 'NOT_BOOKED'),
    (10, 'booking', NULL, NULL, NULL, false, true, NULL, NULL, true, NULL, 'ORPHAN_LEDGER'),
    (11, 'provider', NULL, NULL, NULL, true, false, NULL, NULL, false, NULL, 'PENDING_BOOKING'),
    (12, 'provider', NULL, NULL, NULL, true, false, NULL, NULL, true, true, 'MISSING_IN_LEDGER'),
    (13, 'provider', NULL, NULL, NULL, true, false, NULL, NULL, true, false, 'MISSING_IN_GATEWAY'),
    (14, 'provider', NULL, NULL, NULL, false, true, NULL, NULL, false, NULL, 'PENDING_SETTLEMENT'),
    (15, 'provider', NULL, NULL, NULL, false, true, NULL, NULL, true, NULL, 'MISSING_IN_SETTLEMENT')
) AS t(
    line, comparison, keyed, classified, two_currencies, outside, ledger, over, closed, due, known,
    class
);
