"""Rubrics in files."""
