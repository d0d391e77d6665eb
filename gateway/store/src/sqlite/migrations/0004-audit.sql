-- The audit record of the write that an entry is, sealed: it is on disk with the entry or not at all.
-- NULL: from before there was an audit, or an entry that nobody asked for.
ALTER TABLE entries ADD COLUMN audit BLOB;
-- How far the audit's own files go, sealed: what was cut off from them, or taken away, is missed. One row.
CREATE TABLE audit_anchor (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    anchor BLOB    NOT NULL
) STRICT;
