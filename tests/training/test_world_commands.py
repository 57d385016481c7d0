"""`manage world_fidelity` and `manage cross_world`: tables, resuming, refusals in one sentence."""

import io
import json

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from clinic.models import AuditEntry
from tests.clinic import factories as make
from tests.doubles.engine import FakeEngine
from tests.doubles.served import Served
from training.evaluation.fidelity.cohort import of_clinic
from training.worlds import rows as files

pytestmark = pytest.mark.django_db
FEW = ("--n", "2", "--draws", "1", "--train", "5")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    make.default_site()
    return tmp_path


def run(*arguments):
    out, told = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(*arguments, "--json", stdout=out, stderr=told)
    except SystemExit as end:
        code = end.code
    return json.loads(out.getvalue().splitlines()[-1]), told.getvalue(), code


def refused(*arguments):
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*arguments, "--json", stdout=out, stderr=io.StringIO())
    assert json.loads(out.getvalue().splitlines()[-1]) == {"ok": False, "error": str(error.value)}
    return str(error.value)


def test_worlds_side_by_side_and_the_reported_ones(home):
    got, told, _ = run("world_fidelity", "--world", "marginal", "--world", "truth", *FEW)
    assert [world["world"] for world in got["worlds"]] == ["marginal", "truth"]
    assert got["n"] == 2
    metric = got["worlds"][1]["metrics"]["similarity"]
    assert set(metric) == {"value", "low", "high", "n", "better", "real"}
    assert got["worlds"][1]["notes"]["similarity_judge"] == "rules"
    assert {row["tag"] for row in got["reported"]} == {"reported"}
    assert "2 of 2 patients, truth" in told
    assert len(list((home / "fidelity").glob("*.jsonl"))) == 2


def test_only_patients_with_a_condition():
    held_out = of_clinic(3, 0, conditions=["cap"]).held_out
    assert {row.diagnosis for row in held_out} == {"Community-acquired pneumonia"}
    assert len({row.id for row in held_out}) == 3
    assert "no condition 'flux'" in refused("world_fidelity", "--world", "truth", "--condition", "flux", *FEW)


def test_a_table_for_people(home):
    out = io.StringIO()
    call_command("world_fidelity", "--world", "truth", *FEW, stdout=out, stderr=io.StringIO())
    assert "step similarity 0-5" in out.getvalue()
    assert "DiagGym-7B" in out.getvalue()


def test_a_server_that_is_away_is_no_score_and_no_success(home):
    got, _, code = run("world_fidelity", "--world", "http://127.0.0.1:9/v1#w", *FEW, "--modes", "forced")
    (world,) = got["worlds"]
    assert code == 1
    assert (got["ok"], world["results"]) == (False, 0)
    assert (world["metrics"]["coverage"]["value"], world["metrics"]["similarity"]["value"]) == (0.0, None)


def test_a_result_is_as_long_as_asked_for_and_no_longer(home):
    with Served() as served:
        world = f"{served.url}#{served.model}"
        run("world_fidelity", "--world", world, *FEW, "--modes", "forced", "--max-tokens", "7")
        assert {request.body["max_tokens"] for request in served.requests} == {7}
        run("world_fidelity", "--world", world, *FEW, "--modes", "forced", "--max-tokens", "8")
    assert len(list((home / "fidelity").glob("*.jsonl"))) == 2, "other lengths are another run"


def test_credentialed_rows_stay_here_and_the_try_is_audited(home):
    held_out = of_clinic(1, 0).held_out[0].as_dict() | {"access": "credentialed"}
    files.write(home / "cohort.jsonl", [files.row_of(held_out)])
    said = refused(
        "world_fidelity", "--world", "http://models.example/v1#w", "--rows", str(home / "cohort.jsonl"), *FEW
    )
    assert "data use agreement" in said
    assert AuditEntry.objects.order_by("seq").last().action == "credentialed.refused"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--world", "nowhere"), "There is no world nowhere"),
        (("--modes", "sideways"), "There is no mode 'sideways'"),
        (("--draws", "0"), "--draws is a number from 1."),
        (("--world", "empirical", "--train", "0"), "needs training patients"),
        (("--world", "truth", "--judge", "model"), "No judge is named"),
    ],
)
def test_refusals(arguments, said):
    assert said in refused("world_fidelity", *FEW, *arguments)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
async def test_one_policy_in_two_worlds():
    async with FakeEngine() as engine:
        policy = f"{engine.url}#{engine.model}"
        got, told, _ = await sync_to_async(run)("cross_world", "--policy", policy, "--limit", "2")
    assert [world["world"] for world in got["worlds"]] == ["virtual", "record"]
    assert got["worlds"][1]["identity"]["backend"] == "record"
    assert {gap["measure"] for gap in got["worlds"][1]["gaps"]} == {"accuracy", "f1", "turns", "cost"}
    assert "record world" in told


def test_rules_play_in_their_own_world_only():
    assert "plays in no other world" in refused("cross_world", "--policy", "random", "--limit", "1")
    assert "--limit is a number from 1." in refused("cross_world", "--policy", "random", "--limit", "-1")
