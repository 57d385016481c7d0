"""A gate from its button to its verdict with servers that the keeper starts: fake engines, everything else as it is."""

from __future__ import annotations

import pytest

from tests.training.serving.conftest import base, fleet, home, served  # noqa: F401 - fixtures
from tests.training.serving.factories import admin, make_candidate
from training import gates
from training.models import Alarm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def started(served):  # noqa: F811
    return gates.start(candidate=make_candidate(served.base), by=admin(), profile="demo")


def test_both_are_brought_up_probed_played_and_scored(served, fleet):  # noqa: F811
    gate = started(served)
    assert gates.execute(gate.pk) in ("undecided", "failed"), "both engines answer at random"
    gate.refresh_from_db()
    assert gate.checks.get(name="identity").outcome == "passed"
    assert gate.checks.get(name="divergence").n > 0
    assert fleet.engine(gate.candidate.version).requests
    assert fleet.engine(served.version).requests
    endpoint = gate.candidate.endpoints.get(active=True)
    assert endpoint.identity_ok


def test_other_weights_under_the_candidates_name_decide_nothing(served, fleet):  # noqa: F811
    gate = started(served)
    fleet.loaded[gate.candidate.version] = "something else"
    assert gates.execute(gate.pk) == "broke"
    gate.refresh_from_db()
    assert "nats per token away" in gate.error
    assert not gate.checks.exists()
    assert Alarm.objects.get().kind == "identity"
    asked = [said for said in fleet.engine(gate.candidate.version).requests if "messages" in said.body]
    assert not asked, "no consultation was played"


def test_a_server_that_does_not_start_breaks_off_with_its_reason(served, fleet):  # noqa: F811
    gate = started(served)
    fleet.broken.add(gate.candidate.version)
    assert gates.execute(gate.pk) == "broke"
    gate.refresh_from_db()
    assert gate.candidate.version in gate.error
