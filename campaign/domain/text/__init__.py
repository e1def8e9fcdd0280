"""Text that people, terminals and spreadsheets can take."""
