-- Times are Unix seconds.
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    person TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS audit_of_subject ON audit (subject);
CREATE INDEX IF NOT EXISTS audit_of_person ON audit (person, action, at);

-- Whose a campaign is: who had this console start it.
CREATE TABLE IF NOT EXISTS owners (
    campaign TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

-- Commands that this console has started; their logs and words are in files named by the id.
CREATE TABLE IF NOT EXISTS launches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign TEXT NOT NULL,
    person TEXT NOT NULL,
    verb TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS launches_of_a_campaign ON launches (campaign, id);

-- `key` is the name as it is compared: case and the ways to write a letter make no other user.
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'sender', 'approver')),
    password TEXT NOT NULL CHECK (password LIKE '$argon2id$%'),
    since REAL NOT NULL
) STRICT;

-- Sessions and links by the SHA-256 of what the browser holds: who reads this file can't come in by it.
-- Without a user it is the session of whoever came by the link that a console without users prints.
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY,
    user INTEGER REFERENCES users (id) ON DELETE CASCADE,
    begun_at REAL NOT NULL,
    seen_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_of_user ON sessions (user);

CREATE TABLE IF NOT EXISTS links (
    hash BLOB PRIMARY KEY,
    ends_at REAL NOT NULL
) STRICT;

-- Where the console last listened, for `campaign user link`.
CREATE TABLE IF NOT EXISTS served (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    url TEXT NOT NULL
) STRICT;
