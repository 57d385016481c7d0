"""Turns physicians' feedback into a new model version: snapshots, methods, trainers, gates, promotion."""
