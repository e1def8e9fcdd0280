-- Times are Unix seconds.
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    person TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT ''
) STRICT;

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
