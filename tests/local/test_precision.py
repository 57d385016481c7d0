"""A processor that does not multiply bfloat16 is not asked to."""

from __future__ import annotations

from pathlib import Path

from clinic.local.model_server import precision, server_arguments


def test_bfloat16_only_where_the_processor_has_it(tmp_path: Path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu avx2 fma avx512f avx512_bf16\n")
    assert precision(cpuinfo) == "bfloat16"
    cpuinfo.write_text("flags : fpu avx2 fma\n")
    assert precision(cpuinfo) == "float32"


def test_the_server_runs_in_the_precision_of_this_machine(tmp_path: Path):
    arguments = server_arguments(tmp_path, 8100)
    assert arguments[arguments.index("--dtype") + 1] == precision()
