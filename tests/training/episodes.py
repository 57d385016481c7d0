"""Episodes made by hand."""

from agents.types import (
    Action,
    ActionKind,
    End,
    Episode,
    EpisodeTurn,
    Hypothesis,
    Observation,
    PolicyIdentity,
    Sampling,
    Source,
    TokenTrace,
    Value,
)

IDENTITY = PolicyIdentity("v1", "base", None, "prompt", "engine", Sampling())


def episode(
    *examinations, diagnosis=None, end=None, case="c", group=None, probability=0.9, tokens=None, malformed=0, usd=0.0
):
    """Orders the examinations, then ends: with the diagnosis, or as `end` says. `tokens` per agent turn."""
    turns = []

    def add(role, text, **more):
        trace = TokenTrace((1,) * tokens, (-0.5,) * tokens, (1,) * tokens) if tokens and role == "agent" else None
        turns.append(EpisodeTurn(len(turns) + 1, role, text, tokens=trace, **more))

    for name in examinations:
        add("agent", f"order {name}", action=Action(ActionKind.EXAMINE, name))
        value = Value("1-1", 2.0, "mg", "H")
        add("environment", "result", observations=(Observation("result", Source.SIMULATED, name, name, (value,)),))
    for _ in range(malformed):
        add("agent", "???")
    if diagnosis:
        differential = (Hypothesis(diagnosis, probability),) if probability is not None else ()
        add("agent", diagnosis, action=Action(ActionKind.DIAGNOSE, diagnosis, "", differential))
    end = end or (End.FINISH if diagnosis else End.MAX_TURNS)
    error = "policy_unavailable: down" if end is End.ENV_ERROR else None
    return Episode(
        case, group or case, IDENTITY, {"backend": "virtual"}, turns, end=end, diagnosis=diagnosis, error=error,
        cost={"usd": usd},
    )  # fmt: skip
