"""Authentication: users and their passwords, sessions, log-in, CSRF tokens, and the headers of every answer."""
