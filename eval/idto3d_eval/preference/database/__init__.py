"""Where votes are kept: SQLite beside the study, or PostgreSQL by its URL."""
