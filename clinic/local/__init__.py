"""The embedded default: PostgreSQL, Valkey, model server, worker and web, owned by one supervisor."""
