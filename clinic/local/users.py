"""Which account PostgreSQL runs as, and which folders that account can reach."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

UNPRIVILEGED = "nobody"


def service_user() -> str | None:
    """PostgreSQL refuses to run as root, so there it runs as another user; else as whoever we are."""
    return UNPRIVILEGED if os.getuid() == 0 else None


def can_reach(path: Path, user: str | None) -> bool:
    """May `user` (None: ourselves) enter every folder on the way to `path`, and read it?"""
    if user is None:
        return True
    account = pwd.getpwnam(user)
    entered = all(_allows(folder, account, enter=True) for folder in path.resolve().parents)
    return entered and _allows(path, account, enter=path.is_dir())


def _allows(path: Path, account: pwd.struct_passwd, *, enter: bool) -> bool:
    found = path.stat()
    if found.st_uid == account.pw_uid:
        needed = stat.S_IXUSR if enter else stat.S_IRUSR
    else:
        needed = stat.S_IXOTH if enter else stat.S_IROTH
    return bool(found.st_mode & needed)


def give(path: Path, user: str | None) -> None:
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)


def make_private(path: Path, user: str | None) -> Path:
    """A folder that only `user` (and root) can enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    give(path, user)
    return path
