"""What the pages of runs show, and that their forms do what they say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.models import User
from tests.training.runs.factories import ask
from training import run_curves, run_notes, run_pages, runs
from training.models import Run, RunMetric, RunStatus, Schedule
from training.runs.lease import claim

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def client(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend="clinic.accounts.ClinicBackend")
    return client


@pytest.fixture
def run(admin: User) -> Run:
    """At work, with ten steps behind it."""
    held = claim(ask(admin).pk)
    for step in range(1, 11):
        line = {"step": step, "reward": step / 10, "parts": {"accuracy": 0.5}, "kl": 0.1, "seconds": 3.0}
        held.beat([line], step=step, steps=20, doing="training", log=f"step {step} {HOSTILE}")
    return Run.objects.get(pk=held.run.pk)


def page(client: Client, name: str, *arguments: object) -> str:
    return client.get(reverse(f"training:{name}", args=arguments)).content.decode()


def test_the_list_shows_progress_and_a_spark(client: Client, run: Run) -> None:
    shown = page(client, "run_list")
    assert "10 of 20" in shown
    assert 'aria-label="reward over the steps"' in shown


def test_an_empty_list_teaches_the_next_step(client: Client) -> None:
    assert "No run yet" in page(client, "run_list")


def test_one_shows_curves_time_left_log_and_buttons(client: Client, run: Run) -> None:
    shown = page(client, "run_detail", run.pk)
    for words in (
        "Reward",
        "Parts of the reward",
        "KL to the start",
        "about 30 s left",
        "Step 10 of 20",
        "Cancel the run",
    ):
        assert words in shown, words
    assert "Resume the run" not in shown
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown


def test_the_live_part_is_polled_while_it_runs_and_reloads_the_page_at_its_end(client: Client, run: Run) -> None:
    address = reverse("training:run_curves", args=[run.pk])
    answer = client.get(address)
    assert 'hx-trigger="every 3s"' in answer.content.decode()
    assert "HX-Refresh" not in answer
    run.move_to(RunStatus.FAILED, by=None, lease_until=None, error="It broke.")
    answer = client.get(address)
    assert answer["HX-Refresh"] == "true"
    assert "hx-trigger" not in answer.content.decode()
    assert "It broke." in answer.content.decode()


def test_a_silent_worker_is_said(client: Client, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=5))
    assert "Its worker is silent" in page(client, "run_detail", run.pk)


def test_a_cancelled_run_whose_worker_fell_silent_can_be_cancelled_again(client: Client, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(cancel_asked_at=timezone.now())
    assert "Cancel the run" not in page(client, "run_detail", run.pk)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=5))
    assert "Cancel the run" in page(client, "run_detail", run.pk)
    client.post(reverse("training:run_cancel", args=[run.pk]))
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


def test_a_new_run_is_started_by_its_form(client: Client, admin: User) -> None:
    form = {"trainer": "grpo", "recipe": "default", "seed": "3", "config": '{"steps": 5}', "name": "By hand"}
    answer = client.post(reverse("training:run_new"), form)
    made = Run.objects.get(name="By hand")
    assert answer.url == reverse("training:run_detail", args=[made.pk])
    assert (made.config, made.seed, made.by) == ({"steps": 5}, 3, admin)


def test_an_untouched_form_has_no_settings(client: Client) -> None:
    for name in ("run_new", "schedule_new"):
        assert "null" not in page(client, name)


@pytest.mark.parametrize("config", ["[1]", "{", '{"base": "/etc"}'])
def test_a_form_that_cannot_be_says_why_and_keeps_what_was_written(client: Client, config: str) -> None:
    form = {"trainer": "grpo", "recipe": "default", "seed": "3", "config": config, "name": "Kept"}
    answer = client.post(reverse("training:run_new"), form)
    assert answer.status_code == 422
    assert 'value="Kept"' in answer.content.decode()
    assert not Run.objects.exists()


def test_cancel_says_what_happens(client: Client, run: Run) -> None:
    answer = client.post(reverse("training:run_cancel", args=[run.pk]), follow=True)
    assert "Cancelling" in answer.content.decode()
    answer = client.post(reverse("training:run_resume", args=[run.pk]), follow=True)
    assert "Only a run that broke off or was cancelled" in answer.content.decode()


def test_a_schedule_is_written_and_shown(client: Client) -> None:
    form = {"name": "Nightly", "trainer": "grpo", "recipe": "default", "config": "", "weekdays": ["0", "4"],
            "opens": "22:00", "closes": "05:00", "at_least": "7", "enabled": "on"}  # fmt: skip
    assert client.post(reverse("training:schedule_new"), form).status_code == 302
    shown = page(client, "schedule_list")
    assert "22:00 to 05:00" in shown
    assert "Mon, Fri" in shown
    schedule = Schedule.objects.get()
    kept = page(client, "schedule_edit", schedule.pk)
    assert 'value="22:00"' in kept
    assert (
        client.post(reverse("training:schedule_edit", args=[schedule.pk]), {**form, "at_least": "0"}).status_code == 422
    )


# --- curves -------------------------------------------------------------------------------------------------------
def metric(step: int, **values: object) -> RunMetric:
    return RunMetric(step=step, values={"step": step, **values}, at=timezone.now())


def test_a_chart_names_its_ends_and_breaks_at_gaps() -> None:
    lines = [metric(1, reward=0.0), metric(2, reward=None), metric(3, reward=1.0, parts={"accuracy": 1})]
    reward, parts = run_curves.charts(lines)
    assert (reward.title, reward.low, reward.high, reward.first, reward.last) == ("Reward", 0.0, 1.0, 1, 3)
    assert reward.series[0].path == "M4.0 90.0L276.0 6.0"
    assert [one.name for one in parts.series] == ["accuracy"]


def test_numbers_nobody_named_get_a_chart_and_words_get_none() -> None:
    (chart,) = run_curves.charts([metric(1, my_probe=2.0, note="x", flag=True)])
    assert chart.title == "My probe"


def test_a_long_run_is_thinned_to_means() -> None:
    points = run_curves.thinned([(n, float(n % 2)) for n in range(1000)], 100)
    assert len(points) == 100
    assert {value for _, value in points} == {0.5}


def test_time_left_goes_by_the_last_steps() -> None:
    run = Run(status=RunStatus.RUNNING, step=10, steps=40)
    assert run_pages.time_left(run, [metric(9, seconds=2.0), metric(10, seconds=4.0)]) == timedelta(seconds=90)
    assert run_pages.time_left(run, []) is None


def measured(at: list[tuple[int, float]]) -> list[RunMetric]:
    """Lines of these steps, read so many seconds after the first."""
    now = timezone.now()
    return [RunMetric(step=step, at=now + timedelta(seconds=seconds), values={"step": step}) for step, seconds in at]


def test_the_time_left_after_a_pause_is_that_of_the_present_pace() -> None:
    run = Run(status=RunStatus.RUNNING, step=13, steps=23)
    steady = measured([(step, 10.0 * step) for step in range(4, 14)])
    assert run_pages.time_left(run, steady) == timedelta(seconds=100)
    # Resumed: the lines of before are read again together, then one every ten seconds.
    again = measured([(step, 0.0) for step in range(1, 10)] + [(10, 10.0), (11, 20.0), (12, 30.0), (13, 40.0)])
    assert run_pages.time_left(run, again) == timedelta(seconds=100)
    paused = measured([(8, 0.0), (9, 10.0), (10, 20.0), (11, 86_000.0), (12, 86_010.0), (13, 86_020.0)])
    assert run_pages.time_left(run, paused) == timedelta(seconds=100)


def test_a_long_run_is_read_thinly_and_to_its_end(run: Run) -> None:
    rows = [RunMetric(run=run, step=step, values={"step": step, "reward": step}) for step in range(11, 5011)]
    RunMetric.objects.bulk_create(rows)
    found = run_curves.read(run, newest=run_pages.WINDOW)
    assert len(found) <= run_curves.MOST_READ + run_pages.WINDOW
    assert [row.step for row in found[-run_pages.WINDOW :]] == list(range(4991, 5011))
    (chart,) = (one for one in run_curves.charts(found) if one.title == "Reward")
    assert (chart.first, chart.last, chart.high) == (6, 5010, 5010)


def test_what_dpo_reckons_is_no_part_of_a_reward() -> None:
    line = {"step": 1, "preferred": 0.5, "reward_chosen": 0.2, "reward_rejected": -0.1, "margin": 0.3}
    found = {
        one.title: [each.name for each in one.series] for one in run_curves.charts([RunMetric(step=1, values=line)])
    }
    assert found == {
        "Preferred over rejected": ["preferred"],
        "Margin": ["margin"],
        "Implied reward": ["reward chosen", "reward rejected"],
    }


@pytest.fixture
def played(admin: User) -> Run:
    """A GRPO run that has played one step, without physicians' criteria."""
    held = claim(runs.start(site=admin.site, by=admin, trainer="grpo", recipe="physicians").pk)
    held.beat([{"step": 1, "reward": 0.5}], step=1, steps=4)
    return Run.objects.get(pk=held.run.pk)


def test_what_was_not_rewarded_and_not_watched_is_said(client: Client, played: Run) -> None:
    shown = page(client, "run_detail", played.pk)
    assert "nothing of it has counted in this run: the run has no snapshot" in shown
    assert "Exploiting the world: not watched" in shown
    row = played.metrics.get()
    row.values |= {"reward_physicians": 0.4, "plausibility": 0.9}
    row.save()
    shown = page(client, "run_detail", played.pk)
    assert "nothing of it has counted" not in shown
    assert "1 steps with simulated results are too few" in shown


def test_reward_that_rises_while_the_world_gets_less_believable_is_said(played: Run) -> None:
    rows = [RunMetric(step=n, values={"reward": n / 30, "plausibility": 1 - n / 30}) for n in range(30)]
    assert "may be exploiting the world" in run_notes.world(rows)
    rows = [RunMetric(step=n, values={"reward": n / 30, "plausibility": 0.9}) for n in range(30)]
    assert "no sign of it" in run_notes.world(rows)
