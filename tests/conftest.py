"""Fixtures of every test."""

import pytest


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """pytest-django's; transactional tests may empty the audit log; no connection is left at the end."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # A test that shows that TRUNCATE is refused enables it again within its transaction.
        cursor.execute("ALTER TABLE clinic_auditentry DISABLE TRIGGER audit_no_truncate")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # One that the async ORM left open would stall the teardown by 5 s.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords():
    """One round of hashing instead of a million; another process can still check such a password."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    usual, PBKDF2PasswordHasher.iterations = PBKDF2PasswordHasher.iterations, 1
    yield
    PBKDF2PasswordHasher.iterations = usual


@pytest.fixture(autouse=True)
def _fresh_cache():
    """Rate limits are counted in the cache; one test's sign-ins must not lock out the next."""
    from django.core.cache import cache

    cache.clear()
