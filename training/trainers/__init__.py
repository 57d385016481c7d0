"""Trainers: scripts that read a run folder, train, and write the rest of it; they know agents, files and torch."""
