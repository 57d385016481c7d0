"""Annotation: rubrics, queues, the sheet, agreement, feedback."""
