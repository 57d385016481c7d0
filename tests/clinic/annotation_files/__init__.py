"""Annotations as files."""
