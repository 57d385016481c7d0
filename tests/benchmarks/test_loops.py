"""The baselines play the same episodes as our engine, each in the order of work that its name says."""

import asyncio
import itertools
import threading
from math import log
from statistics import mean, stdev

import pytest

from agents.client import Completion
from agents.codecs import DialectCodec
from agents.environment import ConsultationEnv
from agents.rollout import run_episodes
from agents.sse import Usage
from agents.types import End, PolicyIdentity, Sampling
from benchmarks import scripted
from benchmarks.comparison import Run, Told, agreement, median_ratio, told
from benchmarks.loops import first_turns, lockstep, rounds, sequential
from benchmarks.slow_world import SPREAD, SlowWorld
from training.evaluation.cases import case_set
from training.methods.rewards import Context

CODEC = DialectCodec()
CASES = case_set("virtual:test", limit=6)
LOOPS = {"sequential": sequential, "lockstep": lockstep, "rounds": rounds(3)}


class Scripted:
    """Says what the latency engine says, in this process, and notes when; with seed 2 its third turn is malformed."""

    codec = CODEC

    def __init__(self, log, seed):
        self.log, self.seed = log, seed
        self.identity = PolicyIdentity("v", "b", None, CODEC.digest, "script", Sampling(seed=seed))

    async def say(self, inquiry, exchanges, **_):
        self.log.append("say")
        await asyncio.sleep(0.001 * (len(exchanges) % 3))
        self.log.append("said")
        messages = [message.as_dict() for message in CODEC.messages(inquiry, exchanges)]
        text = scripted.answer(messages, self.seed)
        return Completion("Well." if self.seed == 2 and len(exchanges) == 2 else text, "stop", Usage(300, 40))

    def parse(self, text):
        return CODEC.parse(text)


class Noted(ConsultationEnv):
    """Notes every step and the thread that made it."""

    log: list

    async def step(self, action):
        self.log.append("step")
        result = await super().step(action)
        self.log.append(("stepped", threading.current_thread() is threading.main_thread()))
        return result


def seats(log):
    for number, case in enumerate(CASES):
        env = Noted(case.open_world(), case.record)
        env.log = log
        yield Scripted(log, number % 3), env


def play(name, max_turns=5):
    log = []
    episodes = asyncio.run(LOOPS[name](list(seats(log)), max_turns))
    return episodes, log


def test_all_loops_play_the_same_episodes():
    played = {
        name: [
            told(episode, Context(case.answer, ("cbc",))) for episode, case in zip(play(name)[0], CASES, strict=True)
        ]
        for name in LOOPS
    }
    assert played["sequential"] == played["lockstep"] == played["rounds"]
    ends = {episode.end for episode in play("rounds")[0]}
    assert {End.MALFORMED, End.FINISH} <= ends
    assert len({one.transcript for one in played["rounds"]}) == len(CASES)


def test_the_sequential_loop_never_overlaps():
    log = [entry[0] if isinstance(entry, tuple) else entry for entry in play("sequential")[1]]
    open_ = {"say": "said", "step": "stepped"}
    assert len(log) > 2 * len(CASES)
    assert all(open_[earlier] == later for earlier, later in zip(log[::2], log[1::2], strict=True))


def test_the_lockstep_loop_waits_for_everyone_and_calls_the_environment_in_threads():
    log = [entry[0] if isinstance(entry, tuple) else entry for entry in play("lockstep")[1]]
    phases = ["talk" if entry in ("say", "said") else "world" for entry in log]
    runs = [(phase, len(list(entries))) for phase, entries in itertools.groupby(phases)]
    assert runs[0] == ("talk", 2 * len(CASES))
    assert [phase for phase, _ in runs] == ["talk", "world"] * (len(runs) // 2) + ["talk"] * (len(runs) % 2)
    assert len(runs) <= 2 * 5
    assert not any(entry[1] for entry in play("lockstep")[1] if isinstance(entry, tuple))


def test_our_loop_knows_no_barrier():
    log = [entry[0] if isinstance(entry, tuple) else entry for entry in play("rounds")[1]]
    changes = sum(one != other for one, other in itertools.pairwise(log))
    assert changes > 4 * 5


def test_the_engine_alone_speaks_first_turns_one_by_one_or_all_at_once():
    for at_once, order in ((False, ["say", "said"] * len(CASES)), (True, ["say"] * len(CASES) + ["said"] * len(CASES))):
        log = []
        assert asyncio.run(first_turns(list(seats(log)), at_once=at_once)) > 40
        assert log == order, "and the environment is not asked"


def test_a_difference_is_seen():
    same, other = Told(1.0, "a", 3), Told(0.5, "b", 3)
    ours, theirs = [Run(1.0, {0: same, 1: same, 2: same})], [Run(4.0, {0: same, 2: other})]
    assert agreement(ours, theirs) == {"compared": 2, "equal_rewards": 1, "equal_transcripts": 1}
    failed = Told(None, "a", 0, "gone")
    assert agreement([Run(1.0, {0: failed})], [Run(1.0, {0: failed})])["equal_rewards"] == 0


def test_the_ratio_is_that_of_the_medians():
    one = {number: Told(1.0, "", 6) for number in range(6)}
    ratio = median_ratio([Run(s, one) for s in (1, 2, 3)], [Run(s, {0: one[0]}) for s in (2, 1, 1)])
    assert (ratio["ours"], ratio["theirs"], ratio["ratio"]) == (3.0, 1.0, 3.0)
    assert (ratio["lowest"], ratio["highest"]) == (2.0, 12.0)


async def test_a_slow_world_says_the_same_later():
    case = CASES[0]
    world = SlowWorld(case.open_world(), case.id, 0.02)
    delays = [world.delay(f"examination {number}") for number in range(2000)]
    assert min(delays) > 0
    assert mean(delays) == pytest.approx(0.02, rel=0.1)
    assert stdev(map(log, delays)) == pytest.approx(SPREAD, rel=0.1)
    assert world.delay("D-dimer") == SlowWorld(case.open_world(), case.id, 0.02).delay("D-dimer")
    assert await world.examine("blood count") == await case.open_world().examine("blood count")
    assert (await world.ask("Do you smoke?")).text == (await case.open_world().ask("Do you smoke?")).text


@pytest.mark.parametrize("policies", [5, 7])
async def test_as_many_policies_as_environments(policies):
    pairs = list(seats([]))
    with pytest.raises(ValueError, match="zip"):
        await run_episodes([pairs[0][0]] * policies, [env for _, env in pairs])
