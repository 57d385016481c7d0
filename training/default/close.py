"""Ends a run of SFT or GRPO before its last step: its adapter is then the mean of its newest STABLE checkpoints.

python -m training.default.close RUN

For a machine whose hours are over. The mean stands in for the falling rate at the end of a run (Sanyal et al. 2023,
LAWA, arXiv 2306.03241); factors are averaged, not their products: near each other, the two hardly differ.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.rundir import RunDir, RunFolderError
from training.trainers import fingerprint
from training.trainers.kept_in_folder import SCRATCH, start_weights
from training.trainers.lora import ADAPTER


def close(run: RunDir) -> None:
    """adapter/ and the manifest; RunFolderError where the run is whole already, or has no checkpoint."""
    if (run.path / "manifest.json").is_file():
        raise RunFolderError(f"{run.path.name} has ended already.")
    stable = run.stable()
    if not stable:
        raise RunFolderError(f"{run.path.name} has no STABLE checkpoint to end with.")
    recipe = run.config["recipe"]
    _average([folder for _, folder in stable], run.path / "adapter")
    shutil.rmtree(run.path / SCRATCH, ignore_errors=True)
    steps = [step for step, _ in stable]
    run.log(f"ended before its last step, with the mean of the checkpoints {steps}")
    counts = {"steps": steps[-1], "planned": recipe["steps"], "averaged": steps}
    run.finish(counts=counts, end="ended early", recipe=recipe, **_probes(run, recipe))


def _average(checkpoints: list[Path], into: Path) -> None:
    into.mkdir(exist_ok=True)
    learned = [load_file(folder / ADAPTER) for folder in checkpoints]
    means = {name: torch.stack([one[name].float() for one in learned]).mean(dim=0) for name in learned[0]}
    save_file({name: mean.contiguous() for name, mean in means.items()}, into / ADAPTER)
    shutil.copyfile(checkpoints[-1] / "adapter_config.json", into / "adapter_config.json")


def _probes(run: RunDir, recipe: dict[str, Any]) -> dict[str, Any]:
    base = AutoModelForCausalLM.from_pretrained(recipe["base"], dtype=torch.float32)
    model = PeftModel.from_pretrained(base, run.path / "adapter")
    own = fingerprint.take(model, AutoTokenizer.from_pretrained(recipe["base"]))
    return {"probe": own.as_dict(), "probe_base": fingerprint.read(start_weights(recipe), own).as_dict()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    try:
        close(RunDir(parser.parse_args().run))
    except (RunFolderError, OSError) as problem:
        print(f"The run could not be ended: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
