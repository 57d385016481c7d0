"""Cohorts for the language world model: rows of profile and examinations, from virtual patients and from records."""
