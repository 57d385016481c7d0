"""The fixtures of live consultations."""

from tests.clinic.streaming.live import engine, host, open_socket

__all__ = ["engine", "host", "open_socket"]
