"""Makes a tiny policy from nothing: a Llama of under a million weights that speaks the brief codec, badly but readably.

python -m training.trainers.tiny INTO [--seed 0] [--cases 40] [--steps 200] [--threads 1]

For demonstrations and tests of the learning loop on a CPU, where a 135M model would need hours. Its tokenizer is
trained on, and its cold start imitates, the greedy oracle's work-ups of virtual training patients: it knows the form
and little of the content, so reinforcement has something to improve. It is no diagnostician.

INTO gets a folder tiny-CONTENT as clinic/local/weights.py makes them; its path is the last line printed. The same
seed, cases and knowledge make the same bytes on the same kind of machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.trainers.dialogue import Dialogue, encode
from training.trainers.model_folder import describe
from training.trainers.plain_workups import workup

RECIPE = 1
"""Raise it when what is made changes, so that older folders are not found."""
CONTEXT = 4096
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZE: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,  # 32 a head: vLLM's smallest on a CPU
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
}
VOCABULARY = 1200
RATE = 4e-3
BATCH = 4


def make(into: Path, *, seed: int, cases: int, steps: int) -> Path:
    """The folder, made now unless one of the same source is there already."""
    into.mkdir(parents=True, exist_ok=True)
    source = {"recipe": RECIPE, "seed": seed, "cases": cases, "steps": steps, "knowledge": _knowledge()}
    if ready := find(into, source):
        return ready
    dialogues = work_ups(cases, seed)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=into) as scratch:
        folder = Path(scratch) / "model"
        tokenizer = make_tokenizer(dialogues, folder)
        loss = train(tokenizer, dialogues, folder, seed=seed, steps=steps)
        content = describe(
            folder,
            model="tiny",
            licence="Apache-2.0",
            source=source,
            codec="brief",
            context=CONTEXT,
            trained_on="virtual patients only",
            loss=round(loss, 4),
        )
        target = into / f"tiny-{content[:12]}"
        if not target.exists():
            folder.rename(target)
    return target


def find(into: Path, source: dict[str, Any]) -> Path | None:
    """A folder already made from this source, complete by size."""
    for path in sorted(into.glob("tiny-*/manifest.json")):
        manifest = json.loads(path.read_text())
        whole = all(
            (path.parent / name).is_file() and (path.parent / name).stat().st_size == entry["bytes"]
            for name, entry in manifest["files"].items()
        )
        if manifest.get("source") == source and whole:
            return path.parent
    return None


def work_ups(cases: int, seed: int) -> list[list[dict[str, str]]]:
    """The oracle's consultations of so many training patients, planned on two cores (about 1.5 s each)."""
    ids = [seed * cases + n for n in range(cases)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=context) as pool:
        found = tqdm(pool.map(workup, ids, chunksize=4), total=cases, unit="case", desc="planning", file=sys.stderr)
        return list(found)


def make_tokenizer(dialogues: Sequence[list[dict[str, str]]], folder: Path) -> PreTrainedTokenizerFast:
    """A byte-level BPE of the dialogues' own words; digits stand alone, as in the default model."""
    bpe = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator((message["content"] for told in dialogues for message in told), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=CONTEXT,
        chat_template=TEMPLATE,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def train(
    tokenizer: PreTrainedTokenizerFast,
    dialogues: Sequence[list[dict[str, str]]],
    folder: Path,
    *,
    seed: int,
    steps: int,
) -> float:
    """Imitate the dialogues and save in bfloat16; the mean loss of the last steps, in nats per agent's token."""
    torch.manual_seed(seed)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **ends, **SIZE))
    documents = [encode(tokenizer, told) for told in dialogues]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    losses = []
    for batch in tqdm(_batches(documents, steps, seed), total=steps, unit="step", desc="training", file=sys.stderr):
        loss = _loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
    model.to(torch.bfloat16).save_pretrained(folder)
    return sum(losses[-20:]) / len(losses[-20:])


def _batches(documents: Sequence[Dialogue], steps: int, seed: int) -> Iterator[list[Dialogue]]:
    """Batches of similar length, in an order that depends on the seed alone."""
    rng = random.Random(seed)
    order: list[list[Dialogue]] = []
    for _ in range(steps):
        if not order:
            ranked = sorted(rng.sample(documents, len(documents)), key=len)
            order = [ranked[n : n + BATCH] for n in range(0, len(ranked), BATCH)]
            rng.shuffle(order)
        yield order.pop()


def _loss(model: LlamaForCausalLM, batch: Sequence[Dialogue]) -> torch.Tensor:
    """Mean negative log-likelihood of the agent's tokens."""
    longest = max(map(len, batch))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)  # (B, T)
    kept = torch.zeros(len(batch), longest, dtype=torch.bool)
    for n, document in enumerate(batch):
        ids[n, : len(document)] = torch.from_numpy(document.ids)
        kept[n, : len(document)] = torch.from_numpy(document.kept)
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state  # padding is on the right: causal
    wanted = kept[:, 1:]
    logits = model.lm_head(hidden[:, :-1][wanted])
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][wanted])


def _knowledge() -> str:
    from agents.world.questions import understanding

    return str(understanding().known.version)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.trainers.tiny", description=__doc__.splitlines()[0])
    parser.add_argument("into", type=Path, help="folder that holds one folder per set of weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=40, help="virtual training patients to imitate")
    parser.add_argument("--steps", type=int, default=200, help="steps of the cold start")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.monotonic()
    folder = make(arguments.into.resolve(), seed=arguments.seed, cases=arguments.cases, steps=arguments.steps)
    print(f"tiny: ready after {time.monotonic() - started:.0f} s", file=sys.stderr)  # noqa: T201
    print(folder)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
