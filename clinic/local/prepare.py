"""Brings the database and the static files up to date; run by the supervisor before the web starts.

One process for all of it: Django starts once, and migrations must never run twice at the same time.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError

from clinic.local.home import Home


def main() -> None:
    django.setup()
    home = Home.default()
    collect_static()
    try:
        call_command("migrate", interactive=False, verbosity=1)
        if settings.DEMO_LOGINS:
            with (home.run / "demo.txt").open("w") as out:
                call_command("seed_demo", stdout=out)
            open_case_banks()
        tell_supervisor()
    except (CommandError, DatabaseError) as error:
        sys.exit(" ".join(str(error).split()))


def open_case_banks() -> None:
    """Left to the worker: drawing five hundred patients should not keep the first page waiting."""
    from clinic.tasks import open_case_banks

    open_case_banks.delay()


def tell_supervisor() -> None:
    """Which version serves is a row's word; until now the supervisor had only the last one it heard."""
    from clinic.services.agent_processes import tell_supervisor

    tell_supervisor()


def collect_static() -> None:
    """Copy, hash and compress the static files, unless none has changed since the last time."""
    stamp = Path(settings.STATIC_ROOT) / ".sources"
    wanted = static_fingerprint()
    if not stamp.exists() or stamp.read_text() != wanted:
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(wanted)


def static_fingerprint() -> str:
    """A digest of every source file's path, size and time."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
