"""Lints of rubrics."""
