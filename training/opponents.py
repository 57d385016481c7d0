"""Who can be evaluated: the built-in rules, the versions registered here, and any server named on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

from agents.answers import ruled
from agents.client import PolicyClient
from agents.codecs import Codec
from agents.policy import Policy
from agents.types import PolicyIdentity, Sampling
from clinic.models import Endpoint, ModelRole, ModelVersion
from clinic.services import versions
from clinic.services.errors import Refused
from clinic.services.prompts import api_key
from training.evaluation import players
from training.evaluation.panels import PANELS
from training.evaluation.policies import GreedyOracle, Player, RandomPlayer

DEFAULT = "default"
VIRTUAL_ONLY = (RandomPlayer.name, GreedyOracle.name)


@dataclass
class Opponent:
    """A player and the connections that it opened; close them where they were used."""

    player: Player
    clients: list[PolicyClient] = field(default_factory=list)

    @property
    def plays_records(self) -> bool:
        return not self.player.name.startswith(VIRTUAL_ONLY)

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


def opponent(*, policy: str, seed: int = 0, codec: str = "", url: str = "", model: str = "") -> Opponent:
    """The player of a name: random, greedy-oracle, default, a version, URL#MODEL, or a name for `url` and `model`.

    `medagents:NAME` and `mdagents:NAME` prompt it as a panel. Raises Refused.
    """
    style, name, wire = _parts(policy)
    if "://" in name and not url:
        url, _, model = name.partition("#")
        name = _short(model)
    codec = codec or wire
    clients: list[PolicyClient] = []
    endpoints: dict[str, players.Opens] = {}
    if url:
        endpoints[name] = _server(url, model, seed, clients)
    elif not name.startswith(VIRTUAL_ONLY):
        version, endpoint = _registered(name)
        codec = codec or version.codec
        endpoints[name] = _version(version, endpoint, seed, clients)
    called = f"{style}{name}/{codec}" if codec and name in endpoints else f"{style}{name}"
    try:
        return Opponent(players.player(called, seed=seed, endpoints=endpoints), clients)
    except (players.UnknownPlayer, ValueError) as error:
        raise Refused(f"This policy cannot be evaluated: {error}.") from error


def _parts(policy: str) -> tuple[str, str, str]:
    """(panel with its colon, name, codec) of a policy as it is said."""
    head, _, rest = policy.partition(":")
    style, name = (f"{head}:", rest) if head in PANELS and rest else ("", policy)
    if "://" in name:
        return style, name, ""
    name, _, wire = name.partition("/")
    return style, name, wire


def _short(model: str) -> str:
    """A served model's name without what would read as a codec or a panel."""
    return model.rpartition("/")[2].replace(":", "-")


def _server(url: str, model: str, seed: int, clients: list[PolicyClient]) -> players.Opens:
    if not model:
        raise Refused("Name the model that the server knows as well: --model NAME, or URL#MODEL.")
    version = ModelVersion(version=model, name=model, base="unknown")
    key = "POLICY_API_KEY" if url == settings.POLICY_URL else ""
    return _version(version, Endpoint(url=url, model_name=model, engine="unknown", api_key_variable=key), seed, clients)


def _registered(name: str) -> tuple[ModelVersion, Endpoint]:
    if name == DEFAULT:
        return versions.serving_agent()
    version = ModelVersion.objects.filter(version=name, role=ModelRole.AGENT).first()
    endpoint = version.endpoints.filter(active=True).first() if version else None
    if version is None or endpoint is None:
        raise Refused(
            f"There is no policy {name}; say random, greedy-oracle, default, a registered version with an endpoint,"
            f" {':NAME, '.join(PANELS)}:NAME, or a server as URL#MODEL."
        )
    return version, endpoint


def _version(version: ModelVersion, endpoint: Endpoint, seed: int, clients: list[PolicyClient]) -> players.Opens:
    client = PolicyClient(
        endpoint.url,
        endpoint.model_name,
        api_key=api_key(endpoint),
        first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
        idle_seconds=settings.POLICY_IDLE_SECONDS,
    )
    clients.append(client)

    def opens(codec: Codec) -> Policy:
        most = getattr(codec, "max_tokens", settings.POLICY_MAX_TOKENS)
        how = ruled(Sampling(max_tokens=most, seed=seed))
        adapter, probe = version.adapter or None, version.manifest.get("probe")
        identity = PolicyIdentity(version.version, version.base, adapter, codec.digest, endpoint.engine, how, probe)
        return Policy(client, codec, how, identity)

    return opens
