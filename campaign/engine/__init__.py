"""Where the processes that send are placed by something else than a person: a cluster of Ray."""
