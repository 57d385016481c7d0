"""Prompts only ever grow, and the arithmetic of what a prefix cache could give."""

import itertools
import random

import pytest

from agents.codecs import DialectCodec, StructuredCodec
from agents.types import Exchange, Inquiry, Observation, Source
from benchmarks.prefix_reuse import Reuse, common_prefix, counters, possible, share
from tests.doubles.actions import random_action

INQUIRY = Inquiry(58, "female", "Breathless", {"hpi": "For two hours.", "social": "Smokes."})
GENERATION = "<|im_start|>assistant\n"
KINDS = {"structured": ("ask", "examine"), "diagagent": ("examine",)}


def rendered(messages):
    """ChatML, the default model's template: special tokens around every message, so that text prefixes are token
    prefixes wherever they end after one."""
    said = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages)
    return said + GENERATION


def prompts(codec, turns, rng):
    """The prompts of a consultation with malformed answers in between."""
    exchanges = []
    for _ in range(turns):
        yield rendered(codec.messages(INQUIRY, exchanges))
        if rng.random() < 0.2:
            exchanges.append(Exchange("Well.", codec.repair("not one JSON object")))
        else:
            said = codec.encode(random_action(rng, KINDS[codec.name]))
            found = Observation("4.1 mg/L\nhigh", Source.SIMULATED, matched="D-dimer")
            exchanges.append(Exchange(said, codec.reply([found] * rng.randint(1, 4), note=rng.choice(["", "Hm."]))))


@pytest.mark.parametrize("codec", [StructuredCodec(), DialectCodec()], ids=lambda codec: codec.name)
@pytest.mark.parametrize("seed", range(5))
def test_a_prompt_is_a_prefix_of_the_next_up_to_the_generation_marker(codec, seed):
    said = list(prompts(codec, 12, random.Random(seed)))
    for earlier, later in itertools.pairwise(said):
        assert later.startswith(earlier)
        assert earlier.endswith(f"<|im_end|>\n{GENERATION}")
        assert len(later) > len(earlier)


def test_a_changed_system_prompt_is_no_prefix():
    first, second = list(prompts(StructuredCodec(), 2, random.Random(0)))
    assert not second.replace("You", "Thou", 1).startswith(first)


def test_common_prefix():
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([], [1]) == 0


def test_possible_counts_whole_blocks_of_the_longest_and_never_the_last_token():
    prompt = list(range(10))
    assert possible(prompt, [[0, 1, 2, 9], [0, 1, 2, 3, 4, 9]], block=2) == 4
    assert possible(prompt, [prompt], block=5) == 5
    assert possible(prompt, [], block=2) == 0


def test_share_is_of_the_possible():
    assert share([Reuse(2, 600, 256, 256), Reuse(3, 800, 512, 384)]) == pytest.approx(640 / 768)


def test_counters_are_read_from_a_page_of_metrics():
    page = (
        "# TYPE vllm:prefix_cache_queries_total counter\n"
        'vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1234.0\n'
        'vllm:prefix_cache_queries_created{engine="0"} 1.7e9\n'
        'vllm:prefix_cache_hits_total{engine="0",model_name="m"} 1.024e+03\n'
    )
    assert counters(page) == (1234, 1024)
    with pytest.raises(KeyError):
        counters("nothing")
