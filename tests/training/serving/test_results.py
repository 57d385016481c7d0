"""What a run made is a version named by its content, with its files kept and its lineage told."""

from __future__ import annotations

import json
import shutil

import pytest

from agents.weights import merge
from clinic.models import ModelVersion
from clinic.services.errors import Refused
from tests.training.serving.factories import fingerprint_of, make_base, make_run, register
from training import places
from training.rundir import sha256
from training.serving import files, results


def test_a_version_is_named_by_its_adapter_and_merged_for_serving(base):
    run = make_run(base)
    version = register(run)
    digest = sha256(places.runs() / run.folder / "adapter" / merge.ADAPTER)
    assert (version.version, version.adapter, version.base) == (f"dx-{digest[:12]}", digest, base)
    assert (version.status, version.training, version.role, version.codec) == (
        "candidate", "virtual", "agent", "structured",
    )  # fmt: skip
    assert (places.adapters() / version.version / merge.ADAPTER).is_file()
    manifest = json.loads((places.weights() / version.version / "manifest.json").read_text())
    assert manifest["source"] == {"base": base, "adapter": digest}
    told = version.manifest
    assert (told["run"], told["trainer"], told["counts"], told["demo"]) == (
        str(run.pk),
        "grpo",
        {"episodes": 64},
        False,
    )
    assert set(told["files"]) == {"adapter", "weights"}
    assert version.may_see_patients


def test_registered_again_it_is_the_same_row(base):
    run = make_run(base)
    assert results.register_result(run) == results.register_result(run)
    assert ModelVersion.objects.filter(adapter__gt="").count() == 1


def test_the_same_weights_of_another_run_are_the_same_version(base):
    assert register(make_run(base, seed=3)) == results.register_result(make_run(base, seed=3))


def test_what_the_trainer_answered_to_the_probes_is_kept(base):
    own, start = fingerprint_of("new"), fingerprint_of("old")
    run = make_run(base, manifest={"probe": own.as_dict(), "probe_base": start.as_dict()})
    told = register(run).manifest
    assert (told["probe"], told["fingerprint_from"]) == (own.name, "the trainer")
    assert told["fingerprint_of_start"] == start.as_dict()


def test_another_kind_of_probe_is_no_fingerprint(base):
    assert "fingerprint" not in register(make_run(base, manifest={"probe": [0.5, 0.25]})).manifest


def test_a_whole_fine_tune_is_its_own_model_folder(base):
    run = make_run(base)
    adapter = places.runs() / run.folder / "adapter"
    shutil.rmtree(adapter)
    shutil.copytree(places.weights() / "base", adapter)
    version = register(run)
    assert (version.adapter, version.base) == ("", sha256(adapter / merge.WEIGHTS))
    assert (places.weights() / version.version / "config.json").is_file()


def test_a_world_model_is_registered_as_one(base):
    version = register(make_run(base, trainer="world"))
    assert (version.role, version.codec, version.version[:6]) == ("world", "grammar", "world-")


def test_what_is_made_of_the_tiny_model_never_sees_patients(home, db):
    base = make_base("tiny-1", model="tiny", codec="brief")
    run = make_run(base)
    config = {"base": {"model": "tiny", "content": base}, "codec": "brief"}
    (places.runs() / run.folder / "config.json").write_text(json.dumps(config))
    version = register(run)
    assert (version.codec, version.manifest["demo"], version.may_see_patients) == ("brief", True, False)


def test_an_empty_run_folder_is_refused(base):
    run = make_run(base)
    shutil.rmtree(places.runs() / run.folder / "adapter")
    with pytest.raises(Refused, match="neither an adapter nor a model"):
        results.register_result(run)


def test_a_base_that_is_not_here_is_refused_and_nothing_is_registered(base):
    with pytest.raises(Refused, match="base weights"):
        results.register_result(make_run("f" * 64))
    assert not ModelVersion.objects.filter(adapter__gt="").exists()


def test_changed_files_are_named(base):
    version = register(make_run(base))
    assert files.altered(version) == []
    weights = places.weights() / version.version / merge.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert files.altered(version) == [f"{version.version}/{merge.WEIGHTS}"]
    shutil.rmtree(places.adapters() / version.version)
    assert f"{version.version}: the folder is gone" in files.altered(version)
