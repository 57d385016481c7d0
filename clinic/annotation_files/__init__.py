"""Annotations as files: own JSON Lines, which import again without loss, and CSV with one verdict a line."""

from clinic.annotation_files.rows import MARK, Left, annotations_of, as_row, why_not
from clinic.annotation_files.table import COLUMNS, csv_text

__all__ = ["COLUMNS", "MARK", "Left", "annotations_of", "as_row", "csv_text", "why_not"]
