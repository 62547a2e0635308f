-- The baseline: double entry as well as one can do it a transfer at a time. One round trip, one
-- commit, accounts locked in id order, a unique key, running balances in the entries.
CREATE SCHEMA baseline;

CREATE TABLE baseline.accounts (
    account_id bigint PRIMARY KEY,
    balance bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    may_be_negative boolean NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE baseline.transfers (
    transfer_id bigint GENERATED ALWAYS AS IDENTITY (CACHE 64) PRIMARY KEY,
    request_id text NOT NULL UNIQUE,
    debit_account bigint NOT NULL,
    credit_account bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    create_time timestamptz NOT NULL
);

CREATE TABLE baseline.entries (
    account_id bigint NOT NULL,
    version bigint NOT NULL,
    transfer_id bigint NOT NULL,
    amount bigint NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (account_id, version)
);

CREATE FUNCTION baseline.transfer(key text, debit bigint, credit bigint, units bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    made bigint;
    debit_row baseline.accounts;
    credit_row baseline.accounts;
BEGIN
    PERFORM FROM baseline.accounts WHERE account_id IN (debit, credit)
        ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE baseline.accounts SET balance = balance - units, version = version + 1
        WHERE account_id = debit RETURNING * INTO debit_row;
    IF debit_row.balance < 0 AND NOT debit_row.may_be_negative THEN
        RAISE EXCEPTION 'insufficient';
    END IF;
    UPDATE baseline.accounts SET balance = balance + units, version = version + 1
        WHERE account_id = credit RETURNING * INTO credit_row;
    INSERT INTO baseline.transfers (request_id, debit_account, credit_account, amount, create_time)
        VALUES (key, debit, credit, units, clock_timestamp()) RETURNING transfer_id INTO made;
    INSERT INTO baseline.entries VALUES
        (debit, debit_row.version, made, -units, debit_row.balance),
        (credit, credit_row.version, made, units, credit_row.balance);
    RETURN made;
END
$$;
