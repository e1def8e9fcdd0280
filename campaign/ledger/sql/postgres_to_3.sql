-- From version 2: why nothing was sent is read off the attempts.

DROP TABLE campaign.waits;
