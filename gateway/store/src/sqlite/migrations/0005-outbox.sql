-- Where the events of a prescription are pushed to. The address is sealed; its host, which an operator
-- has registered, is not.
ALTER TABLE entries ADD COLUMN reply_to BLOB;
ALTER TABLE entries ADD COLUMN reply_host TEXT;

-- Events that are still to be pushed, each put here by the transaction that wrote it.
CREATE TABLE outbox (
    seq   INTEGER PRIMARY KEY REFERENCES events (seq),
    -- The name it is pushed under, every time.
    id    BLOB    NOT NULL,
    entry INTEGER NOT NULL REFERENCES entries (accepted_seq),
    host  TEXT    NOT NULL,
    -- NULL: it waits for an earlier one of its prescription.
    due   INTEGER,
    tries INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_entry ON outbox (entry, seq);
CREATE INDEX outbox_due ON outbox (host, due, seq) WHERE due IS NOT NULL;
