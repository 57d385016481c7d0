"""SERVING=lora against a real vLLM: adapters are loaded by name, answer as what was trained, and go out again."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.identity import Fingerprint
from clinic.local import model_server
from clinic.local.ports import free_port
from clinic.models import ModelVersion
from clinic.services.errors import Refused
from tests.training.trainers import environment
from training import serving
from training.serving import files, lora

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.django_db]
PATIENCE = 300.0
LORA = ["--enable-lora", "--max-loras", "1", "--max-cpu-loras", "4", "--max-lora-rank", "16"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A toy base with two adapters, and their fingerprints as the trainer took them."""
    if not model_server.PYTHON.is_file():
        pytest.skip("there is no serving environment; python3 run.py env serve makes it")
    folder = tmp_path_factory.mktemp("lora")
    return folder, environment.in_training_environment("tests.verification.lora_weights", str(folder))


@pytest.fixture(scope="module")
def url(made: tuple[Path, dict[str, Any]]) -> Iterator[str]:
    folder, port = made[0], free_port()
    command = [str(model_server.PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
    command += [*model_server.server_arguments(folder / "base", port, "base"), *LORA]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", **model_server.OFFLINE}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env={**inherited, **own}, stdout=log, stderr=log, start_new_session=True)
        try:
            address, deadline = f"http://127.0.0.1:{port}/v1", time.monotonic() + PATIENCE
            while not model_server.answers(address, "base"):
                assert server.poll() is None, (folder / "server.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "it did not start in time"
                time.sleep(1)
            yield address
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture
def versions_of(made: tuple[Path, dict[str, Any]], url: str, settings: Any, monkeypatch: Any) -> list[ModelVersion]:
    folder, fingerprints = made
    settings.SERVING, settings.LORA_URL, settings.LORA_FOLDER = "lora", url, ""
    settings.EMBEDDED_AGENTS, settings.WEIGHTS_FOLDER = "", str(folder / "weights")
    monkeypatch.setenv("ROUNDS_HOME", str(folder))
    return [
        ModelVersion.objects.create(
            role="agent",
            version=name,
            name="toy",
            base="b" * 64,
            adapter="a" * 64,
            codec="brief",
            training="virtual",
            manifest={"fingerprint": told, "files": {"adapter": files.digests(folder / "adapters" / name)}},
        )
        for name, told in fingerprints.items()
    ]


def test_adapters_answer_by_name_as_what_was_trained(versions_of: list[ModelVersion], url: str) -> None:
    """Each within arithmetic of what its trainer measured, although the server has room for one at a time."""
    for version in [*versions_of, *versions_of]:
        endpoint = serving.bring_up(version)
        assert serving.check_identity(endpoint), endpoint.identity_detail
        assert endpoint.identity_detail["distance"] < 0.05
    assert {version.version for version in versions_of} <= set(lora.served(url, versions_of[0]))


def test_another_adapter_under_the_name_is_noticed(
    versions_of: list[ModelVersion], made: tuple[Path, dict[str, Any]], settings: Any, tmp_path: Path
) -> None:
    """The files that Rounds keeps are right; the server's own copy is another's."""
    one, other = versions_of
    lora.unload(one)
    (tmp_path / one.version).symlink_to(made[0] / "adapters" / other.version)
    settings.LORA_FOLDER = str(tmp_path)
    endpoint = serving.bring_up(one)
    assert not serving.check_identity(endpoint)
    assert "nats per token away" in endpoint.identity_detail["why"]
    assert lora.unload(one)
    settings.LORA_FOLDER = ""
    assert serving.check_identity(serving.bring_up(one))


def test_unloaded_it_is_gone_and_a_missing_folder_is_a_sentence(versions_of: list[ModelVersion], url: str) -> None:
    version = versions_of[0]
    serving.bring_up(version)
    assert lora.unload(version)
    assert not lora.unload(version)
    assert version.version not in lora.served(url, version)
    version.version = "dx-cccccccccccc"
    with pytest.raises(Refused, match="does not load the adapter of dx-cccccccccccc"):
        lora.load(version)


def test_the_two_are_far_apart(made: tuple[Path, dict[str, Any]]) -> None:
    """Or noticing one for the other would prove nothing."""
    one, other = (Fingerprint.from_dict(told) for told in made[1].values())
    assert one != other
    assert json.dumps(one.as_dict()) != json.dumps(other.as_dict())
