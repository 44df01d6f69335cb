"""Published data sets: a table of them, and readers of their files."""
