"""Stand-ins for foreign services, each verified against the real one in tests/verification."""
