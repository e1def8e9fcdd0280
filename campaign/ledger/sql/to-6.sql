-- From version 5: why nothing was sent is read off the attempts.

DROP TABLE waits;
