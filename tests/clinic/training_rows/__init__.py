"""Training rows from approved feedback."""
