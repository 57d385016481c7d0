"""How a run ends: one transaction with the fence, so that there is one outcome however often it is tried."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils import timezone

from clinic.models import ModelVersion
from clinic.services import audit
from training import alarms, lineage, serving
from training.models import Run, RunStatus, TrainerName
from training.rundir import RunDir, RunFolderError, sha256
from training.runs.lease import Held
from training.runs.sentences import SENTENCES

OWN_WORDS = re.compile(
    r"The (?:run could not go on|world model could not be trained|policy could not be trained): (.+)"
)
"""How our trainers say in one sentence why they end; anything else is the last line of a traceback."""
KEPT_OF_MANIFEST = ("snapshot", "seeds", "provenance", "counts", "probe", "end", "recipe")


def succeed(held: Held, folder: Path, manifest: dict[str, Any]) -> Run:
    """Succeeded, its version registered, its feedback consumed: all of it or nothing. Or LostLease."""
    with held.settled() as run:
        version = None if run.trainer == TrainerName.REWARD else serving.register_result(run)
        known = _made_before(run, version)
        kept = {**manifest, "same_as": str(known)} if known else manifest
        reason = f"the same weights as {known} made" if known else ""
        _end(run, RunStatus.SUCCEEDED, reason=reason, manifest=kept, version=None if known else version)
        if version and not known:
            lineage.record_use(run=run, version=version)
        facts = {"version": version.version if version else None, "fence": run.fence, "folder": run.folder}
        audit.record(by=run.by, action="run.succeeded", noun="run", target=run.pk, data=facts, site=run.site)
    return run


def fail(held: Held, why: str) -> Run:
    """Broke off, for a reason that a person can act on, and an alarm: nobody may be watching it. Or LostLease."""
    run = _without_result(held, RunStatus.FAILED, why, error=why)
    # Each night's failure of one schedule is the same alarm, seen again.
    told = SENTENCES["broke_off"].format(run=run, why=why)
    alarms.raise_(kind="run", subject=str(run.schedule or run), message=told, site=run.site, data={"run": str(run.pk)})
    return run


def cancelled(held: Held) -> Run:
    """As a person asked. Or LostLease."""
    return _without_result(held, RunStatus.CANCELLED, "as asked; the trainer has stopped")


def verified(folder: Path, *, beat: Callable[[], Any]) -> dict[str, Any]:
    """manifest.json of a finished run folder, after a look at every file it names; raises RunFolderError."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise RunFolderError("there is no manifest.json")
    manifest: dict[str, Any] = json.loads(path.read_text())
    if manifest.get("snapshot") != RunDir(folder).config["snapshot"]:
        raise RunFolderError("its manifest speaks of other data than it was given")
    files = manifest.get("files", {})
    if not any(name.endswith(".safetensors") and not name.startswith("checkpoints/") for name in files):
        raise RunFolderError("it holds no trained weights")
    for name, digest in files.items():
        beat()
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise RunFolderError(f"{name} differs from its manifest")
    return {name: manifest[name] for name in KEPT_OF_MANIFEST if name in manifest}


def _made_before(run: Run, version: ModelVersion | None) -> ModelVersion | None:
    """The version, where an earlier run made the very same weights: one version has one run that made it."""
    if version is None or not Run.objects.filter(version=version).exclude(pk=run.pk).exists():
        return None
    return version


def _without_result(held: Held, status: RunStatus, reason: str, **changes: Any) -> Run:
    with held.settled() as run:
        _end(run, status, reason=reason, **changes)
        action = f"run.{'failed' if status == RunStatus.FAILED else 'ended'}"
        audit.record(by=run.by, action=action, noun="run", target=run.pk, data={"reason": reason}, site=run.site)
    return run


def _end(run: Run, status: RunStatus, *, reason: str, **changes: Any) -> None:
    now = timezone.now()
    run.move_to(status, by=None, reason=reason, lease_until=None, child_pid=None, doing="", finished_at=now, **changes)


def why_it_broke_off(code: int, output: str, *, out_of_memory: bool) -> str:
    """The sentence for a trainer's exit code (negative: a signal) and the end of what it printed."""
    signal = -code if code < 0 else code - 128 if code > 128 else 0
    if "OutOfMemoryError" in output:
        return SENTENCES["device_memory"]
    if signal == 9:
        return SENTENCES["memory"] if out_of_memory else SENTENCES["killed"].format(signal=signal)
    if signal == 15:
        return SENTENCES["stopped"]
    if signal:
        return SENTENCES["killed"].format(signal=signal)
    lines = [line for line in output.splitlines() if line.strip()]
    if lines and (told := OWN_WORDS.fullmatch(lines[-1])):
        return SENTENCES["own_words"].format(why=told[1][:500])
    return SENTENCES["exit"].format(code=code, why=lines[-1][:500] if lines else "it gave no reason.")
