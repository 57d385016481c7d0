"""A trainer without torch: the same run folder, signals and exit codes as a real one, in milliseconds a step.

Run as `trainer.py -m training.trainers.NAME RUN [--resume]`. Verified against training.trainers.world in
tests/training/runs/test_double.py. Of its recipe: steps, pace (seconds a step), checkpoint_every; `at` (a step) with
`happens`: exit, oom, sigkill, hang (does not hear SIGTERM), lie (a manifest that does not fit its files), on the
first try only unless `always`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agents.weights import tensors
from training.rundir import RunDir, RunFolderError, write_json

STOPPED = 143
DEFAULTS = {"steps": 4, "pace": 0.02, "checkpoint_every": 1, "at": None, "happens": "", "always": False, "child": False}
TARGET = "base_model.model.model.layers.0.self_attn.q_proj"


class Trainer:
    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.recipe = {**DEFAULTS, **run.config["recipe"]}
        self.step = 0
        self.stopping = False
        self.resumed = False
        self.rows = sum(1 for _ in run.rows())
        self.helper = subprocess.Popen(["sleep", "600"]) if self.recipe["child"] else None

    def restore(self) -> None:
        stable = self.run.stable()
        if not stable:
            raise RunFolderError("There is no STABLE checkpoint to resume from.")
        self.step = stable[-1][0]
        self.resumed = True
        self.run.forget_after(self.step)
        self.run.log(f"resumed from step {self.step}")

    def save(self) -> None:
        if self.step:
            with self.run.checkpoint(self.step) as folder:
                write_json(folder / "state.json", {"step": self.step})
            self.run.log(f"checkpoint at step {self.step}")

    def fit(self) -> bool:
        """Whether it came to the end; False where it was asked to stop."""
        while self.step < self.recipe["steps"]:
            time.sleep(self.recipe["pace"])
            if self.stopping:
                self.save()
                return False
            self.mishap(self.step + 1)
            self.step += 1
            self.run.measured(self.line())
            if self.step % self.recipe["checkpoint_every"] == 0:
                self.save()
        return True

    def line(self) -> dict[str, Any]:
        rising = self.step / self.recipe["steps"]
        return {
            "step": self.step, "reward": rising, "parts": {"accuracy": rising, "exam_f1": 0.5}, "kl": 0.01 * self.step,
            "entropy": 2.0, "logprob_gap": 0.01, "seconds": self.recipe["pace"],
        }  # fmt: skip

    def mishap(self, step: int) -> None:
        if step != self.recipe["at"] or (self.resumed and not self.recipe["always"]):
            return
        happens = self.recipe["happens"]
        if happens == "exit":
            raise RunFolderError("The loss is not a number.")
        if happens == "oom":
            sys.exit("torch.OutOfMemoryError: CUDA out of memory.")
        if happens == "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        if happens == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)

    def finish(self) -> None:
        """An adapter that depends on seed and data alone."""
        rng = np.random.default_rng([self.run.config["seeds"]["model"], int(self.run.config["snapshot"][:8], 16)])
        folder = self.run.path / "adapter"
        folder.mkdir(exist_ok=True)
        learned = {
            f"{TARGET}.lora_A.weight": tensors.bfloat16(rng.normal(size=(2, 4)).astype("float32")),
            f"{TARGET}.lora_B.weight": tensors.bfloat16(rng.normal(size=(6, 2)).astype("float32")),
        }
        tensors.write(folder / "adapter_model.safetensors", learned)
        write_json(folder / "adapter_config.json", {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"})
        self.run.log(f"finished at step {self.step}")
        counts = {"rows": self.rows, "steps": self.step}
        self.run.finish(counts=counts, probe=[-1.0], end="finished", recipe=self.recipe)
        if self.recipe["happens"] == "lie":
            (self.run.path / "metrics.jsonl").open("a").write('{"step": 99}\n')

    def close(self) -> None:
        if self.helper:
            self.helper.kill()
            self.helper.wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="module", required=True)
    parser.add_argument("run", type=Path)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    try:
        run = RunDir(arguments.run)
        if run.metrics() and not arguments.resume:
            raise RunFolderError("This run has begun; --resume goes on from its newest STABLE checkpoint.")
        trainer = Trainer(run)
        signal.signal(signal.SIGTERM, lambda *_: setattr(trainer, "stopping", True))
        if arguments.resume:
            trainer.restore()
        done = trainer.fit()
    except (RunFolderError, OSError) as problem:
        print(f"The policy could not be trained: {problem}", file=sys.stderr)
        return 1
    if not done:
        run.log(f"stopped by SIGTERM after step {trainer.step}")
        trainer.close()
        return STOPPED
    trainer.finish()
    trainer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
