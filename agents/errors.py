"""The one error family of talking to a model server."""


class PolicyError(Exception):
    """The server refused, or said what cannot be read; `code` names why and is stable."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class PolicyUnavailable(PolicyError):
    """Nobody answers just now; the same request may work later."""
