"""A run is asked for: checked, written as a row with its message to the worker, and never begun here."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from clinic.models import ModelRole, ModelVersion, Site, User
from clinic.services import audit, versions
from clinic.services.errors import Refused
from training import outbox, snapshots
from training.methods import recipe as recipes
from training.models import Run, Schedule, Snapshot, TrainerName
from training.runs import disk, wishes
from training.runs.sentences import SENTENCES

TASK = "training.tasks.run"
MOST_SEED = 2**31 - 1
LEARNS_FROM_FEEDBACK = {TrainerName.SFT, TrainerName.REWARD, TrainerName.DPO, TrainerName.KTO}


def start(
    *,
    site: Site,
    by: User,
    trainer: str,
    recipe: str = "default",
    snapshot: Snapshot | None = None,
    start: ModelVersion | None = None,
    config: dict[str, Any] | None = None,
    seed: int = 0,
    name: str = "",
    schedule: Schedule | None = None,
    cloned_from: Run | None = None,
) -> Run:
    """A queued run and its message; without `start` it goes on from the agent that serves. Raises Refused.

    A full disk is told to whoever looks at alarms too: the one refused may be a schedule.
    """
    wanted: dict[str, Any] = {"trainer": trainer, "recipe": recipe, "start": start, "config": config, "seed": seed}
    origin: dict[str, Any] = {"name": name, "schedule": schedule, "cloned_from": cloned_from}
    try:
        return _queued(site=site, by=by, snapshot=snapshot, **wanted, **origin)
    except disk.DiskFull as full:
        disk.ring(full)
        raise


@transaction.atomic
def _queued(
    *,
    site: Site,
    by: User,
    trainer: str,
    recipe: str,
    snapshot: Snapshot | None,
    start: ModelVersion | None,
    config: dict[str, Any] | None,
    seed: int,
    name: str,
    schedule: Schedule | None,
    cloned_from: Run | None,
) -> Run:
    check_admin(by, site)
    chosen = known(trainer)
    checked_recipe(recipe)
    settings = wishes.checked(config, chosen)
    if not 0 <= seed <= MOST_SEED:
        raise Refused(SENTENCES["seed"].format(most=MOST_SEED))
    _check_snapshot(snapshot, chosen, site)
    begin = _check_start(start, chosen)
    disk.make_room()
    run = Run(
        site=site, by=by, name=name.strip()[:160], trainer=chosen, recipe=recipe, config=settings, seed=seed,
        snapshot=snapshot, start=begin, schedule=schedule, cloned_from=cloned_from,
    )  # fmt: skip
    run.folder = str(run.pk)
    run.save(force_insert=True)
    outbox.put(task=TASK, arguments=[str(run.pk)])
    facts = {"trainer": chosen, "recipe": recipe, "config": settings, "seed": seed, "start": _version(begin)}
    facts |= {"snapshot": snapshot.digest if snapshot else None, "schedule": schedule.name if schedule else None}
    audit.record(by=by, action="run.started", noun="run", target=run.pk, data=facts, site=site)
    return run


def clone(*, run: Run, by: User, config: dict[str, Any] | None = None, seed: int | None = None) -> Run:
    """The same run again, as a new one, with other settings or another seed where given."""
    return start(
        site=run.site,
        by=by,
        trainer=run.trainer,
        recipe=run.recipe,
        snapshot=run.snapshot,
        start=run.start,
        config=run.config if config is None else config,
        seed=run.seed if seed is None else seed,
        name=run.name,
        cloned_from=run,
    )


def check_admin(by: User, site: Site) -> None:
    """Raises Refused unless this person runs training at this site."""
    if not by.is_site_admin or by.site_id != site.pk:
        raise Refused(SENTENCES["may_not"])


def known(trainer: str) -> TrainerName:
    """Raises Refused."""
    if trainer not in TrainerName.values:
        raise Refused(SENTENCES["trainer"].format(name=trainer))
    return TrainerName(trainer)


def checked_recipe(name: str) -> str:
    """The name of a recipe of training/recipes. Raises Refused."""
    try:
        if not (recipes.ROOT / name).with_suffix(".yaml").resolve().is_relative_to(recipes.ROOT.resolve()):
            raise FileNotFoundError("it lies outside training/recipes")
        recipes.load(name)
    except (OSError, ValueError) as error:
        raise Refused(SENTENCES["recipe"].format(name=name, why=error)) from error
    return name


def _check_snapshot(snapshot: Snapshot | None, trainer: TrainerName, site: Site) -> None:
    if snapshot is None:
        if trainer in LEARNS_FROM_FEEDBACK:
            raise Refused(SENTENCES["snapshot"].format(trainer=trainer.label))
        return
    if snapshot.site_id != site.pk:
        raise Refused(SENTENCES["snapshot_site"])
    snapshots.check_current(snapshot)


def _check_start(version: ModelVersion | None, trainer: TrainerName) -> ModelVersion | None:
    """The version to go on from; the world model's trainer begins from the default weights where none is named."""
    wanted = ModelRole.WORLD if trainer == TrainerName.WORLD else ModelRole.AGENT
    if version is None:
        if wanted == ModelRole.WORLD:
            return None
        version, _ = versions.serving_agent()
    if version.role != wanted:
        told = {"version": version.version, "role": version.get_role_display().lower()}
        raise Refused(SENTENCES["role"].format(**told, wanted=wanted.label.lower()))
    return version


def _version(version: ModelVersion | None) -> str | None:
    return version.version if version else None
