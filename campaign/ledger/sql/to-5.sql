-- From version 4: which file this is, and on which machine.

-- A copy of this file, here or on another machine, knows nothing of what this one sends; what can't be known is empty or 0.
CREATE TABLE identity (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    machine    TEXT NOT NULL,
    adapters   TEXT NOT NULL,
    inode      TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    host       TEXT NOT NULL,
    path       TEXT NOT NULL
) STRICT;
