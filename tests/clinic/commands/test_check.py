"""The production settings: clean under `check --deploy`, and refusing what must not be."""

import os
import secrets
import subprocess
import sys

import pytest

from clinic.checks import demo_logins_in_production
from clinic.local.home import ROOT
from tests.clinic import factories as make

PRODUCTION = {
    "ROUNDS_ENV": "production",
    "ALLOWED_HOSTS": "rounds.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://rounds.example.org",
}


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    """`manage check --deploy` with warnings as errors, in a production environment of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "DATABASE_URL", "VALKEY_URL", "STATIC_ROOT")}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    settings = {**kept, **PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(60), **environment}
    return subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_production_is_clean():
    done = check()
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SECRET_KEY": "short"}, "50 characters"),
        ({"ROUNDS_DEMO": "1"}, "published"),
        ({"ALLOWED_HOSTS": "*"}, "rounds.E001"),
    ],
)
def test_what_must_not_be_is_refused(environment, sentence):
    done = check(**environment)
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.django_db
def test_demo_logins_in_a_production_database_are_named(settings):
    make.make_user(is_demo=True)
    assert not demo_logins_in_production(databases=["default"])
    settings.PRODUCTION = True
    (warning,) = demo_logins_in_production(databases=["default"])
    assert warning.id == "rounds.W001"
