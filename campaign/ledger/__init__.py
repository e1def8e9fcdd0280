"""Where campaigns, rows, attempts and runners are stored: one set of interfaces, with SQLite and PostgreSQL behind them."""
