"""The safetensors file format in numpy, with the bfloat16 that numpy lacks; works where torch is not installed.

A file is a little-endian u64 length, that many bytes of JSON {name: {dtype, shape, data_offsets}}, then the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LENGTH_BYTES = 8
LONGEST_HEADER = 100_000_000
"""The format's own limit; a longer one means that the file is something else."""
FLOATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as it lies in the file: `dtype` is the format's name, `data` its raw bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview

    def float32(self) -> np.ndarray[Any, Any]:
        """The values as float32, shape `shape`; ValueError for integers."""
        if self.dtype not in FLOATS:
            raise ValueError(f"{self.dtype} tensors hold no floats")
        raw = np.frombuffer(self.data, dtype=FLOATS[self.dtype]).reshape(self.shape)
        if self.dtype == "BF16":
            return (raw.astype("<u4") << 16).view("<f4")
        return raw.astype(np.float32)


def bfloat16(values: np.ndarray[Any, Any]) -> Tensor:
    """float32 values rounded to the nearest bfloat16, ties to even; ValueError if one is not finite."""
    if not np.isfinite(values).all():
        raise ValueError("a weight is not finite")
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return Tensor("BF16", values.shape, rounded.astype("<u2").tobytes())


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name, their data mapped rather than copied."""
    whole = np.memmap(path, dtype=np.uint8, mode="r").data
    length = int.from_bytes(whole[:LENGTH_BYTES], "little")
    if length > min(LONGEST_HEADER, len(whole) - LENGTH_BYTES):
        raise ValueError(f"{path} is not a safetensors file")
    start = LENGTH_BYTES + length
    header = json.loads(bytes(whole[LENGTH_BYTES:start]))
    header.pop("__metadata__", None)
    return {name: _tensor(entry, whole[start:]) for name, entry in header.items()}


def _tensor(entry: dict[str, Any], data: memoryview) -> Tensor:
    first, last = entry["data_offsets"]
    if not 0 <= first <= last <= len(data):
        raise ValueError("a tensor lies outside its file")
    return Tensor(entry["dtype"], tuple(entry["shape"]), data[first:last])


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write the tensors in the order of their names, so that the same tensors make the same bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata or {"format": "pt"})}
    offset = 0
    for name in sorted(tensors):
        size = len(tensors[name].data)
        header[name] = {
            "dtype": tensors[name].dtype,
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        for name in sorted(tensors):
            file.write(tensors[name].data)
