"""Players by name, as `--policy` says them.

`random`, `random:COUNT`, `greedy-oracle`, or an endpoint: `NAME`, `NAME/diagagent` for the other codec, and with the
prompting of `medagents:NAME` or `mdagents:NAME`. Which endpoints exist is the caller's (the application's rows, or
one made here from a URL).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agents.client import PolicyClient
from agents.codecs import Codec, by_name
from agents.policy import Policy
from agents.types import MAX_TURNS, PolicyIdentity, Sampling
from training.evaluation.panels import PANELS
from training.evaluation.policies import RANDOM_EXAMINATIONS, Endpoint, GreedyOracle, Player, RandomPlayer

Opens = Callable[[Codec], Policy]
"""A policy of one endpoint in a codec."""


class UnknownPlayer(LookupError):
    """No player has this name; the message lists those that exist."""


def player(
    name: str, *, seed: int = 0, max_turns: int = MAX_TURNS, endpoints: Mapping[str, Opens] | None = None
) -> Player:
    """The player of a name; raises UnknownPlayer, and ValueError for an unknown codec."""
    endpoints = endpoints or {}
    head, _, rest = name.partition(":")
    if head == RandomPlayer.name and (not rest or rest.isdigit()):
        return RandomPlayer(seed, count=int(rest) if rest else RANDOM_EXAMINATIONS)
    if name == GreedyOracle.name:
        return GreedyOracle(max_turns=max_turns)
    style, whose = (head, rest) if head in PANELS and rest else ("", name)
    endpoint, _, codec = whose.partition("/")
    if endpoint not in endpoints:
        known = ", ".join(["random", "greedy-oracle", *sorted(endpoints)])
        raise UnknownPlayer(f"no policy {name!r}; there are {known}, and {':NAME, '.join(PANELS)}:NAME")
    policy = endpoints[endpoint](by_name(codec or "structured"))
    return Endpoint(name, PANELS[style](policy) if style else policy)


def endpoint(url: str, model: str, *, api_key: str | None = None, sampling: Sampling | None = None) -> Opens:
    """Any OpenAI-compatible server. What lies behind it is not known here, and its identity says so."""
    client = PolicyClient(url, model, api_key=api_key)

    def opens(codec: Codec) -> Policy:
        how = sampling or Sampling(max_tokens=getattr(codec, "max_tokens", 512))
        return Policy(client, codec, how, PolicyIdentity(model, "unknown", None, codec.digest, "unknown", how))

    return opens
