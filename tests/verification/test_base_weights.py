"""What ships fits the base weights that a first start makes, whatever the environment says of the hub."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from clinic.local import shipped, weights, world_weights
from clinic.local.default_model import SERVE_PYTHON

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


def test_the_base_is_the_same_for_those_who_make_it_by_hand(vllm_server, tmp_path):
    """The start makes it offline, and every other test here rests on that one."""
    if not SERVE_PYTHON.exists():
        pytest.skip("the serving environment is not here: the model is served from elsewhere")
    made = subprocess.run(
        [str(SERVE_PYTHON), weights.__file__, str(tmp_path)],
        env={**os.environ, "HF_HUB_OFFLINE": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    folder = Path(made.stdout.split()[-1])
    content = json.loads((folder / "manifest.json").read_text())["content"]
    for adapter in (shipped.ADAPTER, world_weights.ADAPTER):
        assert json.loads((adapter / "manifest.json").read_text())["base"]["content"] == content
