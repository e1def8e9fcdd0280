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

-- The owner of a campaign: the person who started it in this console.
CREATE TABLE IF NOT EXISTS owners (
    campaign TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

-- Commands that this console has started. Their logs and arguments are in files named by the id.
CREATE TABLE IF NOT EXISTS launches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign TEXT NOT NULL,
    person TEXT NOT NULL,
    verb TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS launches_of_a_campaign ON launches (campaign, id);

-- `key` is the name in its form for comparisons: names that differ only in case or Unicode form are one user.
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'sender', 'approver')),
    password TEXT NOT NULL CHECK (password LIKE '$argon2id$%'),
    since REAL NOT NULL
) STRICT;

-- Sessions and links by the SHA-256 of the browser's secret, so that nobody can sign in with the contents of this file.
-- A session without a user came by the link that a console without users prints.
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

-- The address at which the console last listened, for `campaign user link`.
CREATE TABLE IF NOT EXISTS served (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    url TEXT NOT NULL
) STRICT;
