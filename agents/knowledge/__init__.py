"""Medical knowledge as data: conditions, findings, examinations, complaint groups, sources, and their loader."""
