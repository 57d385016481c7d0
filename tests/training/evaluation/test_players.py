"""Players by name."""

import subprocess
import sys

import pytest

from training.evaluation.players import UnknownPlayer, endpoint, player

ENDPOINTS = {"default": endpoint("http://127.0.0.1:1", "m")}


def test_rules_by_name():
    assert player("greedy-oracle", max_turns=4).max_turns == 4
    assert (player("random", seed=3).seed, player("random:9").count) == (3, 9)


@pytest.mark.parametrize(
    ("name", "codec", "version"),
    [
        ("default", "structured", "m"),
        ("default/diagagent", "diagagent", "m"),
        ("medagents:default", "structured", "medagents(m)"),
        ("mdagents:default/diagagent", "diagagent", "mdagents(m)"),
    ],
)
def test_endpoints_by_name(name, codec, version):
    found = player(name, endpoints=ENDPOINTS)
    assert (found.name, found.policy.codec.name, found.identity.version) == (name, codec, version)


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownPlayer, match="random, greedy-oracle, default"):
        player("medagents:other", endpoints=ENDPOINTS)
    with pytest.raises(ValueError, match="codec"):
        player("default/morse", endpoints=ENDPOINTS)


def test_a_notebook_needs_no_django_and_no_torch():
    modules = "training.evaluation.run, training.evaluation.players, training.methods.pipeline"
    code = f"import sys, {modules}; print(sorted({{'django', 'torch', 'celery'}} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
