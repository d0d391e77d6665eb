-- What operators set while the gateway runs. It says who, and why: sealed.
CREATE TABLE operator_state (
    name  TEXT    PRIMARY KEY,
    value BLOB    NOT NULL,
    -- When it was set.
    at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
