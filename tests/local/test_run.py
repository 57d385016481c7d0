"""run.py: what it says when something is missing, and how it repairs what was left half made."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from clinic.local.home import ROOT

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run.py as a module, on a root folder of its own with one tiny requirement file."""
    spec = importlib.util.spec_from_file_location("run_under_test", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/web.txt").write_text("# nothing\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def say_of(run, capsys, *arguments):
    code = run.main(list(arguments))
    return code, capsys.readouterr().err


def test_help_names_every_command(run, capsys):
    assert run.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"run.py {command}" in text for command in run.COMMANDS)
    assert "ROUNDS_TORCH_INDEX" in text


def test_an_unknown_command(run, capsys):
    assert say_of(run, capsys, "fly") == (1, "rounds: Unknown command 'fly'; python3 run.py --help lists them.\n")


def test_an_unsupported_python(run, capsys, monkeypatch):
    monkeypatch.setattr(run.sys, "version_info", (3, 10, 2, "final", 0))
    code, said = say_of(run, capsys)
    assert code == 1
    assert said.startswith("rounds: Rounds needs Python 3.11")
    assert said.count("\n") == 1


def test_an_unsupported_platform(run, capsys, monkeypatch):
    monkeypatch.setattr(run.platform, "machine", lambda: "aarch64")
    assert "supports Linux on x86-64; this is Linux aarch64" in say_of(run, capsys)[1]


def test_no_venv_support(run, capsys, monkeypatch):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    assert "apt install python3-venv" in say_of(run, capsys)[1]


def test_no_disk(run, capsys, monkeypatch):
    monkeypatch.setattr(run.shutil, "disk_usage", lambda path: Usage(1, 1, 100_000_000))
    code, said = say_of(run, capsys, "env", "web")
    assert code == 1
    assert "needs 0.8 GB of disk" in said


@pytest.mark.parametrize(("output", "meaning"), [
    ("OSError: [Errno 28] No space left on device", "the disk is full"),
    ("NewConnectionError: Failed to establish a new connection", "the package index cannot be reached (no network?)"),
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "a package differs from its pinned hash"),
])  # fmt: skip
def test_causes_of_a_failed_installation(run, output, meaning):
    assert run.cause(output) == meaning


@pytest.mark.slow
def test_no_network_is_one_sentence(run, capsys, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    pin = f"certifi==2026.10.18 --hash=sha256:{'0' * 64}\n"
    (run.ROOT / "requirements/web.txt").write_text(pin)
    code, said = say_of(run, capsys, "env", "web")
    assert code == 1
    assert "could not be installed: the package index cannot be reached (no network?)" in said.splitlines()[-1]
    assert not run.is_current("web")


@pytest.mark.slow
def test_made_once_then_instant_and_repaired_when_half_made(run, capsys):
    python = run.ensure("web")
    assert subprocess.run([python, "-c", "import pip"]).returncode == 0
    capsys.readouterr()
    run.ensure("web")
    assert capsys.readouterr().err == "", "the second time there is nothing to do"

    run.stamp_file("web").unlink()
    shutil.rmtree(run.ROOT / ".venv/lib")
    run.ensure("web")
    assert subprocess.run([python, "-c", "import pip"]).returncode == 0

    (run.ROOT / "requirements/web.txt").write_text("# changed\n")
    assert not run.is_current("web")


@pytest.mark.slow
def test_an_unfinished_environment_is_made_anew(run):
    run.ensure("web")
    leftover = run.ROOT / ".venv/leftover"
    leftover.touch()
    run.stamp_file("web").unlink()
    (run.ROOT / ".venv/.rounds-unfinished").touch()
    run.ensure("web")
    assert not leftover.exists()
    assert json.loads(run.stamp_file("web").read_text()) == {"web": run.fingerprint("web")}


def test_lock_files_name_no_registry_and_pin_everything_with_hashes():
    for name in ("web", "test", "serve", "train", "weights"):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        assert "://" not in text
        assert "index-url" not in text
        pins = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)


def test_runs_with_the_standard_library_only():
    done = subprocess.run([sys.executable, "-I", "-S", ROOT / "run.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
