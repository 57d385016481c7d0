"""What TRL's trainers do differently here: they keep the run folder's promises.

Metrics go to metrics.jsonl, one line a step; checkpoints are STABLE or do not count; SIGTERM drops the step under way,
keeps the last whole one and exits 143; a finished run has adapter/, and a manifest with the probes' fingerprint.
"""

from __future__ import annotations

import math
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from agents.errors import PolicyError
from training.rundir import RunDir, RunFolderError
from training.trainers import fingerprint, lora
from training.trainers.examples import Examples
from training.trainers.model_folder import describe

STOPPED = 143
SCRATCH = ".scratch"
COMMON: dict[str, Any] = {
    "method": "lora",
    "rank": 16,
    "alpha": 32,
    "dtype": "float32",
    "start": None,
    "threads": 2,
    "keep": 3,
    "checkpoint_every": 10,
    "clip": 1.0,
    "warmup": 0,
    "artifacts": None,
}
"""Settings that every trainer has; `artifacts` is a URL (fsspec) that the run folder is copied to."""


class Stopped(Exception):
    """SIGTERM came; the step under way is dropped."""


class Stop:
    """Whether somebody asked the trainer to end."""

    asked = False

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "asked", True))

    def check(self) -> None:
        if self.asked:
            raise Stopped


class KeptInFolder:
    """Mixed into a trainer of TRL; `run` and `stop` are set before it trains."""

    run: RunDir
    stop: Stop
    keep: int

    def training_step(self, *args: Any, **named: Any) -> Any:
        self.stop.check()
        return super().training_step(*args, **named)  # type: ignore[misc]

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """No card: what the version page says is made from rows."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        self.accelerator.wait_for_everyone()  # type: ignore[attr-defined]
        if self.accelerator.is_main_process:  # type: ignore[attr-defined]
            self._keep_stable()
        self.accelerator.wait_for_everyone()  # type: ignore[attr-defined]

    def _keep_stable(self) -> None:
        step: int = self.state.global_step  # type: ignore[attr-defined]
        written = Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{step}"  # type: ignore[attr-defined]
        with self.run.checkpoint(step) as folder:
            for path in written.iterdir():
                shutil.move(path, folder / path.name)
        shutil.rmtree(written)
        self.run.keep(self.keep)
        self.run.log(f"checkpoint at step {step}")


class Metrics(TrainerCallback):
    """Writes what the trainer logs, once a step; `names` says which of TRL's numbers are kept, under which name."""

    def __init__(self, run: RunDir, names: dict[str, str]) -> None:
        self.run, self.names = run, names
        self._line: dict[str, Any] = {"step": -1}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        told = logs or {}
        if not state.is_world_process_zero or "train_runtime" in told:
            return
        line = {self.names[name]: value for name, value in told.items() if name in self.names}
        finite = {
            name: value for name, value in line.items() if isinstance(value, int | float) and math.isfinite(value)
        }
        if finite:
            # A later line of the same step (a validation loss) repeats the earlier: readers take a step's last line.
            before = self._line if self._line["step"] == state.global_step else {}
            self._line = {**before, "step": state.global_step, **finite}
            self.run.measured(self._line)


def arguments(recipe: dict[str, Any], run: RunDir, seeds: dict[str, int]) -> dict[str, Any]:
    """What the configurations of all trainers have in common."""
    return {
        "output_dir": str(run.path / SCRATCH),
        "max_steps": recipe["steps"],
        "learning_rate": recipe["lr"],
        "warmup_steps": recipe["warmup"],
        "lr_scheduler_type": recipe.get("schedule", "constant_with_warmup"),
        "max_grad_norm": recipe["clip"],
        "seed": seeds["model"],
        "data_seed": seeds["order"],
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": recipe["checkpoint_every"],
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "bf16": recipe["dtype"] == "bfloat16" and torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
    }


def batches(recipe: dict[str, Any], data: Examples) -> dict[str, Any]:
    """Rows at once and a step, in the order they were drawn; a look at the validation rows with each checkpoint."""
    if recipe["batch"] % recipe["micro"]:
        raise RunFolderError("batch must be a multiple of micro.")
    return {
        "per_device_train_batch_size": recipe["micro"],
        "per_device_eval_batch_size": recipe["micro"],
        "gradient_accumulation_steps": recipe["batch"] // recipe["micro"],
        "train_sampling_strategy": "sequential",
        "eval_strategy": "steps" if data.validation is not None else "no",
        "eval_steps": recipe["checkpoint_every"],
    }


def pad_of(tokenizer: Any) -> int:
    """The padding token's id, the end-of-turn token's where there is none."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


def load(recipe: dict[str, Any]) -> tuple[Any, Any, LoraConfig | None]:
    """(model, tokenizer, LoRA settings): the base, going on from the adapter `start` where there is one.

    The settings are None where the model has its adapter already, or is trained whole.
    """
    torch.set_num_threads(recipe["threads"])
    tokenizer = AutoTokenizer.from_pretrained(recipe["base"])
    if recipe["method"] != "lora":
        if recipe["start"]:
            raise RunFolderError("A whole fine-tune begins from a whole model, not from an adapter.")
        return _base(recipe, torch.float32), tokenizer, None
    model = _base(recipe, getattr(torch, recipe["dtype"]))
    if recipe["start"]:
        return PeftModel.from_pretrained(model, recipe["start"], is_trainable=True), tokenizer, None
    settings = LoraConfig(
        r=recipe["rank"], lora_alpha=recipe["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return model, tokenizer, settings


def _base(recipe: dict[str, Any], dtype: torch.dtype) -> Any:
    return AutoModelForCausalLM.from_pretrained(recipe["base"], dtype=dtype, attn_implementation="sdpa")


def start_weights(recipe: dict[str, Any]) -> Any:
    """The weights that the run began from, loaded anew: the trained model's own may have moved."""
    model = _base(recipe, torch.float32)
    return PeftModel.from_pretrained(model, recipe["start"]) if recipe["start"] else model


def train(trainer: Any, run: RunDir, *, resume: bool) -> int | None:
    """Train to the last step; the exit code where it did not come to that."""
    checkpoint = None
    if resume:
        stable = run.stable()
        if not stable:
            raise RunFolderError("There is no STABLE checkpoint to resume from.")
        step, folder = stable[-1]
        checkpoint = str(folder)
        if trainer.accelerator.is_main_process:
            run.forget_after(step)
            run.log(f"resumed from step {step}")
        trainer.accelerator.wait_for_everyone()
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except Stopped:
        step = trainer.state.global_step
        if step and step not in [number for number, _ in run.stable()]:
            trainer._save_checkpoint(trainer.model, None)
        if trainer.accelerator.is_main_process:
            run.log(f"stopped by SIGTERM after step {step}")
        return STOPPED
    return None


def run_through(
    trainer: Any,
    run: RunDir,
    recipe: dict[str, Any],
    tokenizer: Any,
    counts: dict[str, Any],
    *,
    resume: bool,
    speaks: bool = True,
) -> int:
    """Train and finish; the exit code."""
    code = train(trainer, run, resume=resume)
    if code is None:
        finish(trainer, run, recipe, tokenizer, counts, speaks=speaks)
    return code or 0


def finish(
    trainer: Any, run: RunDir, recipe: dict[str, Any], tokenizer: Any, counts: dict[str, Any], *, speaks: bool = True
) -> None:
    """adapter/ and the manifest, for a model that speaks with the fingerprints of what was trained and its start."""
    if trainer.accelerator.is_main_process:
        model = trainer.accelerator.unwrap_model(trainer.model)
        adapter = run.path / "adapter"
        lora.save(model, adapter, torch.float32 if recipe["method"] == "lora" else torch.bfloat16)
        if recipe["method"] != "lora":
            tokenizer.save_pretrained(adapter)
            described = run.config.get("base") or {}
            describe(adapter, model=f"{described.get('model', 'model')} trained whole", codec=run.config.get("codec"))
        probes: dict[str, Any] = _probes(model, tokenizer, recipe) if speaks else {}
        shutil.rmtree(run.path / SCRATCH, ignore_errors=True)
        run.log(f"finished at step {trainer.state.global_step}")
        told = {**counts, "steps": trainer.state.global_step}
        run.finish(counts=told, end="finished", recipe=recipe, **probes)
        copy_out(run, recipe["artifacts"])
    trainer.accelerator.wait_for_everyone()


def _probes(model: Any, tokenizer: Any, recipe: dict[str, Any]) -> dict[str, Any]:
    own = fingerprint.take(model, tokenizer)
    start = fingerprint.read(start_weights(recipe), own)
    return {"probe": own.as_dict(), "probe_base": start.as_dict()}


def copy_out(run: RunDir, url: str | None) -> None:
    """The whole run folder at another place (a bucket, another host), through fsspec."""
    if url:
        system, path = fsspec.core.url_to_fs(url)
        system.makedirs(path, exist_ok=True)
        system.put(f"{run.path}/", f"{path.rstrip('/')}/", recursive=True)


def command_line(doc: str, trainer: Callable[[RunDir, bool, Stop], int]) -> int:
    """`python -m training.trainers.NAME RUN [--resume]`; one sentence on stderr where the run cannot go on."""
    import argparse

    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder with config.json and data.jsonl")
    parser.add_argument("--resume", action="store_true", help="go on from the newest STABLE checkpoint")
    given = parser.parse_args()
    stop = Stop()
    stop.listen()
    try:
        run = RunDir(given.run)
        if run.metrics() and not given.resume:
            raise RunFolderError("This run has begun; --resume goes on from its newest STABLE checkpoint.")
        return trainer(run, given.resume, stop)
    except Stopped:
        return STOPPED
    except (RunFolderError, PolicyError, OSError, ValueError) as problem:
        print(f"The run could not go on: {problem}", file=sys.stderr)  # noqa: T201
        return 1
