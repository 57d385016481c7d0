"""A random two-layer Llama with its own small tokenizer: what trainers are tested on, in the training environment."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

SAMPLE = """Exam name:
C-reactive protein, Sodium, Chest X-ray, Blood culture
Exam results:
22.0 mg/L (0-8) H. 140 mmol/L (135-145). No consolidation is seen. No growth after five days.<SEP>
The following summarizes the results from the patient's medical examination:
Final Diagnosis: Pneumonia, Gastroenteritis, Patient Information: 45 year-old woman with cough and fever."""


def make(folder: Path, texts: Iterable[str] = (SAMPLE,), *, vocabulary: int = 350) -> None:
    """Write model and tokenizer; the same texts make the same bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
