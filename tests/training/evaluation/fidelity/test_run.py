"""Worlds over a few patients: the ladder from the floor to the truth, outages, resuming."""

import json

import pytest

from training.evaluation.fidelity import table
from training.evaluation.fidelity.calibration import measure as calibrate
from training.evaluation.fidelity.cohort import of_clinic, of_file
from training.evaluation.fidelity.drawers import CannotDraw, Clinic, Empirical, Marginal
from training.evaluation.fidelity.draws import Drawn, Mode, coverage, drawn_of
from training.evaluation.fidelity.run import Settings, evaluate
from training.evaluation.store import OtherRun
from training.worlds import rows as files

FEW = Settings(draws=2, modes=(Mode.FORCED, Mode.FREE, Mode.BLANK))


@pytest.fixture(scope="module")
def patients():
    return of_clinic(6, 60)


class Broken:
    name, devices, served = "broken", 2, True
    identity = {"world": "broken"}

    def __init__(self, fails=lambda n: False):
        self.calls, self.fails = 0, fails

    async def draw(self, row, history, exam, *, seed):
        self.calls += 1
        if self.fails(self.calls):
            raise CannotDraw("the server is away")
        return next(event.result for event in row.events if event.name == exam)


async def test_the_record_itself_is_perfect(patients):
    found = await evaluate(Broken(), patients.held_out, settings=FEW)
    value = {name: metric.value for name, metric in found.metrics.items()}
    assert (value["similarity"], value["normalised_error"], value["variance_distance"]) == (5.0, 0.0, 0.0)
    assert value["bleu"] == pytest.approx(100)
    assert (value["coverage"], value["chain_distance"]) == (1.0, pytest.approx(0))
    assert found.metrics["device_seconds"].value == pytest.approx(2 / 6 * value["seconds"])
    told = table.side_by_side({"itself": found.metrics})
    assert "step similarity" in told
    assert "DiagGym-7B" in table.reported()


async def test_an_outage_lowers_coverage_and_no_score(patients):
    found = await evaluate(Broken(lambda n: n % 3 == 0), patients.held_out, settings=FEW)
    assert found.metrics["coverage"].value == pytest.approx(2 / 3, abs=0.02)
    assert found.metrics["similarity"].value == 5.0
    dark = await evaluate(Broken(lambda n: True), patients.held_out, settings=FEW)
    assert dark.metrics["coverage"].value == 0.0
    assert {metric.value for name, metric in dark.metrics.items() if name != "coverage"} == {None}


async def test_a_broken_run_goes_on(patients, tmp_path):
    path = tmp_path / "world.jsonl"
    first = await evaluate(Broken(lambda n: n == 5), patients.held_out, settings=FEW, path=path)
    assert first.errors == 1
    again = Broken()
    second = await evaluate(again, patients.held_out, settings=FEW, path=path)
    assert second.errors == 0
    assert again.calls < second.results  # only the patient with the outage was drawn again
    assert again.calls > 0
    third = Broken()
    assert (await evaluate(third, patients.held_out, settings=FEW, path=path)).metrics == second.metrics
    assert third.calls == 0
    with pytest.raises(OtherRun):
        await evaluate(Clinic(), patients.held_out, settings=FEW, path=path)
    with pytest.raises(ValueError, match="held-out"):
        await evaluate(again, [], settings=FEW)


async def test_history_is_what_the_mode_says(patients):
    seen: dict[tuple[str, int], list[str]] = {}

    class Listening(Broken):
        async def draw(self, row, history, exam, *, seed):
            seen.setdefault((row.id, len(history)), []).extend(event.result for event in history)
            return f"drawn {exam}"

    row = patients.held_out[0]
    found = await evaluate(Listening(), [row], settings=FEW)
    told = [text for texts in seen.values() for text in texts]
    assert {text for text in told if not text.startswith("drawn")} <= {event.result for event in row.events}
    assert any(text.startswith("drawn") for text in told)
    blank = [drawn for drawn in found.drawn if drawn.mode is Mode.BLANK]
    assert {len(drawn.draws) for drawn in blank} == {2}


async def test_the_same_seed_draws_the_same(patients):
    one, other = [await evaluate(Empirical(patients.training), patients.held_out, settings=FEW) for _ in range(2)]
    assert [drawn.draws for drawn in one.drawn] == [drawn.draws for drawn in other.drawn]


@pytest.mark.slow
async def test_calibration_climbs_from_the_floor_to_the_truth():
    # One condition's sampler sees the disease, the marginal one does not, the clinic is exact.
    known = of_clinic(16, 300)
    how = Settings(draws=8, modes=(Mode.BLANK,))
    found = {}
    for drawer in (Marginal(known.training), Empirical(known.training), Clinic()):
        found[drawer.name] = calibrate((await evaluate(drawer, known.held_out, settings=how)).drawn)
    truth, sampler, floor = (found[name] for name in ("truth", "empirical", "marginal"))
    assert truth.abnormal_ece < sampler.abnormal_ece < floor.abnormal_ece
    assert truth.excess < 0.03
    assert floor.excess > truth.excess + 0.02
    assert (truth.unreadable, truth.pairs > 0) == (0.0, True)


def test_calibration_needs_virtual_patients():
    assert calibrate([Drawn("record:1", "d", "ECG", "a", ("b",), Mode.BLANK)]).variation is None


def test_rows_round_trip(patients, tmp_path):
    drawn = Drawn("c", "d", "ECG", "t", ("a",), Mode.FREE, 3, ("gone",), 0.5)
    assert drawn_of(json.loads(json.dumps(drawn.as_dict()))) == drawn
    assert coverage([drawn]) == 0.5
    files.write(tmp_path / "cohort.jsonl", [*patients.held_out, *patients.training])
    assert of_file(tmp_path / "cohort.jsonl", 2).held_out == patients.held_out[:2]
