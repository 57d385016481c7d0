"""The judges that a deployment names: one for evaluations and training, another for gates (decisions.md 22)."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from agents.client import PolicyClient
from agents.judge import LanguageJudge
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
