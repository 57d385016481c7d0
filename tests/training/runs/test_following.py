"""What is read while a trainer writes: whole lines only, each step once, numbers that a database takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.runs import devices, outcome
from training.runs.following import Lines, ends, finite, tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_a_file_that_is_not_there_yet_has_no_lines(path: Path) -> None:
    assert Lines(path).new() == []


def test_half_a_line_waits_for_its_end(path: Path) -> None:
    lines = Lines(path)
    path.write_text('{"step": 1}\n{"step"')
    assert lines.new() == [{"step": 1}]
    assert lines.new() == []
    with path.open("a") as file:
        file.write(": 2}\n")
    assert lines.new() == [{"step": 2}]


def test_a_file_that_was_replaced_is_read_from_its_beginning(path: Path) -> None:
    lines = Lines(path)
    path.write_text('{"step": 1}\n{"step": 2}\n')
    lines.new()
    shorter = path.with_name("partial")
    shorter.write_text('{"step": 1, "again": true}\n')
    shorter.replace(path)
    assert lines.new() == [{"step": 1, "again": True}]


def test_of_a_step_that_was_written_twice_the_last_counts(path: Path) -> None:
    path.write_text('{"step": 1, "a": 1}\n{"step": 1, "a": 2}\n')
    assert Lines(path).new() == [{"step": 1, "a": 2}]


@pytest.mark.parametrize("line", ["{", "[1]", "3", '{"no": 1}', '{"step": "1"}', '{"step": -1}', '{"step": true}'])
def test_what_is_no_step_is_counted_and_left_out(path: Path, line: str) -> None:
    lines = Lines(path)
    path.write_text(f'{line}\n{{"step": 4}}\n')
    assert lines.new() == [{"step": 4}]
    assert lines.unreadable == 1


def test_numbers_that_are_none_become_gaps() -> None:
    assert finite({"a": float("nan"), "b": [float("inf"), 1.5], "c": "x\0y"}) == {
        "a": None,
        "b": [None, 1.5],
        "c": "xy",
    }


def test_a_progress_bar_shows_its_last_state(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"begin\n 1/9\r 2/9\r 3/9\nend\xff\n")
    assert tail(path).splitlines() == ["begin", " 3/9", "end\ufffd"]
    assert ends(tmp_path / "none", path).startswith("== out\nbegin")


def test_the_table_of_gpus_is_read_with_what_it_does_not_know() -> None:
    told = "0, NVIDIA H100 80GB HBM3, 97, 61234, 81559, 64, 612.43\n1, Other, [N/A], 3, 16, [N/A], [N/A]\n"
    first, second = devices.parsed(told)
    assert first == {
        "index": 0.0, "name": "NVIDIA H100 80GB HBM3", "busy": 97.0, "used_mb": 61234.0, "total_mb": 81559.0,
        "celsius": 64.0, "watts": 612.43,
    }  # fmt: skip
    assert (second["busy"], second["celsius"]) == (None, None)


@pytest.mark.parametrize(
    ("code", "output", "oom", "words"),
    [
        (1, "Traceback\nRunFolderError: bad", False, "exit code 1): RunFolderError: bad"),
        (1, "", False, "gave no reason"),
        (1, "torch.OutOfMemoryError: CUDA", False, "accelerator's memory"),
        (-9, "", True, "machine ran out of memory"),
        (137, "", True, "machine ran out of memory"),
        (-9, "", False, "signal 9"),
        (143, "", False, "asked to stop from outside"),
        (-11, "", False, "signal 11"),
    ],
)
def test_every_end_has_its_sentence(code, output, oom, words) -> None:
    assert words in outcome.why_it_broke_off(code, output, out_of_memory=oom)
