"""The one error family of talking to a model server, be it the agent's or the world model's."""


class PolicyError(Exception):
    """The server refused, or said what cannot be read; `code` names why and is stable."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class PolicyUnavailable(PolicyError):
    """Nobody answers just now; the same request may work later."""


class WorldUnavailable(PolicyUnavailable):
    """The world model does not answer just now: no result was made up in its place, and nothing was lost."""


class WorldError(PolicyError):
    """The world model refused, or its server says what cannot be read; trying again will not help."""
