"""The judges that a deployment names: one for evaluations and training, another for gates (decisions.md 22)."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from agents.client import PolicyClient
from agents.judge import LanguageJudge, RuleJudge, RulesFirst
from clinic.services.errors import Refused


@dataclass(frozen=True, slots=True)
class ConfiguredJudge:
    """A model that judges; who it is goes with every evaluation it took part in."""

    speaks: LanguageJudge

    @property
    def identity(self) -> dict[str, str]:
        return self.speaks.identity


def of_evaluations(*, seed: int = 0) -> ConfiguredJudge | None:
    """JUDGE_URL's model; None where none is named: rules and tables judge. Raises Refused for half a setting."""
    return _configured("JUDGE", seed)


def of_gates(*, seed: int = 0) -> ConfiguredJudge | None:
    """GATE_JUDGE_URL's model, or None; raises Refused where the same model judges evaluations and training."""
    gate = _configured("GATE_JUDGE", seed)
    if gate and (settings.JUDGE_URL, settings.JUDGE_MODEL) == (settings.GATE_JUDGE_URL, settings.GATE_JUDGE_MODEL):
        raise Refused(
            "GATE_JUDGE_URL and JUDGE_URL name the same model: a candidate would be tested by the judge that trained"
            " it. Name another one."
        )
    return gate


async def close(judge: LanguageJudge | None) -> None:
    """Close the judge's connections in the event loop that used them."""
    if judge and isinstance(judge.client, PolicyClient):
        await judge.client.close()


def _configured(name: str, seed: int) -> ConfiguredJudge | None:
    url, model, key = (getattr(settings, f"{name}_{part}") for part in ("URL", "MODEL", "API_KEY"))
    if not url:
        return None
    if not model:
        raise Refused(f"{name}_URL is set without {name}_MODEL: set it to the name under which the judge is served.")
    client = PolicyClient(
        url,
        model,
        api_key=key or None,
        first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
        idle_seconds=settings.POLICY_IDLE_SECONDS,
    )
    return ConfiguredJudge(LanguageJudge(client, model=model, seed=seed))


@dataclass(frozen=True, slots=True)
class Instrument:
    """A judge that rates what physicians rate. `reads_out` says that a model's server reads the consultation."""

    name: str
    label: str
    judge: RuleJudge | RulesFirst
    reads_out: bool = True

    @property
    def identity(self) -> dict[str, str]:
        return dict(self.judge.identity)


def instruments() -> list[Instrument]:
    """The configured judges, the one that gives rewards first; the rule-based one is always there."""
    models = [
        ("judge", "The model of JUDGE_URL", of_evaluations()),
        ("gate", "The model of GATE_JUDGE_URL", of_gates()),
    ]
    found = [Instrument(name, label, RulesFirst(model.speaks)) for name, label, model in models if model]
    rules = Instrument("rules", "Rules, without a model", RuleJudge(), reads_out=False)
    # A gate's judge never gives rewards (decisions.md 22), so rules do where only it is named.
    return [*(one for one in found if one.name == "judge"), rules, *(one for one in found if one.name == "gate")]


def instrument(name: str) -> Instrument:
    """By its name; raises Refused where it is not configured."""
    for one in instruments():
        if one.name == name:
            return one
    raise Refused("This judge is not configured here. Nothing was begun; choose another one.")
