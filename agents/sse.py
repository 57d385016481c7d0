"""Reads server-sent events of a completion, chat or plain, from raw chunks; on the token path, so it does little."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from agents.errors import PolicyError, PolicyUnavailable


class Usage(NamedTuple):
    """Tokens of one request as the server counted them; `cached` of the prompt came from the prefix cache."""

    prompt: int
    completion: int
    cached: int = 0


class Delta(NamedTuple):
    """What arrived together: text, sampled ids (n,) and log-probs (n,) where asked for; `finish` on the last.

    `dropped`, on the first, says why answers before this one were (agents.answers).
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    finish: str | None = None
    usage: Usage | None = None
    prompt_ids: tuple[int, ...] = ()
    dropped: tuple[str, ...] = ()


class EventReader:
    """Turns chunks of bytes into Deltas; `began` after the first text, `done` after [DONE]."""

    def __init__(self) -> None:
        self.began = False
        self.done = False
        self._rest = b""
        self._finish: str | None = None

    def feed(self, chunk: bytes) -> Delta | None:
        """Everything whole in what has arrived, as one Delta; None if there was nothing. Raises PolicyError."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        out: Delta | None = None
        for line in lines:
            if line.startswith(b"data:"):
                delta = self._event(line[5:].strip())
                if delta is not None:
                    out = delta if out is None else _merge(out, delta)
        return out

    def _event(self, data: bytes) -> Delta | None:
        if data == b"[DONE]":
            self._end()
            return None
        try:
            event = orjson.loads(data)
            return self._delta(event)
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise PolicyError("the model server said what is not its protocol", code="policy_garbled") from error

    def _end(self) -> None:
        if self._finish in (None, "abort"):
            raise PolicyUnavailable("the model server broke off", code="policy_unavailable")
        self.done = True

    def _delta(self, event: dict[str, Any]) -> Delta | None:
        if "error" in event:
            raise _error(event["error"])
        choices = event["choices"]
        usage = _usage(event.get("usage"))
        if not choices:
            return Delta("", usage=usage) if usage else None
        choice = choices[0]
        # PostgreSQL's text cannot hold NUL.
        said = choice["text"] if "text" in choice else choice["delta"].get("content")
        text = (said or "").replace("\x00", "�")
        finish = choice.get("finish_reason")
        self._finish = finish or self._finish
        ids = choice.get("token_ids")
        logprobs = choice.get("logprobs")
        prompt = event.get("prompt_token_ids")
        self.began = self.began or bool(text or ids)
        if not (text or finish or ids or usage or prompt):
            return None
        return Delta(
            text,
            tuple(ids) if ids else (),
            tuple(entry["logprob"] for entry in logprobs["content"]) if logprobs and logprobs.get("content") else (),
            finish,
            usage,
            tuple(prompt) if prompt else (),
        )


def _usage(data: dict[str, Any] | None) -> Usage | None:
    if not data:
        return None
    cached = (data.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(data["prompt_tokens"], data.get("completion_tokens") or 0, cached)


def _merge(first: Delta, second: Delta) -> Delta:
    return Delta(
        first.text + second.text,
        first.token_ids + second.token_ids,
        first.logprobs + second.logprobs,
        second.finish or first.finish,
        second.usage or first.usage,
        first.prompt_ids or second.prompt_ids,
    )


def _error(error: Any) -> PolicyError:
    """An error the server reported inside the stream."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 500:
        return PolicyError(f"the model server refused ({code})", code="policy_rejected")
    return PolicyUnavailable("the model server failed while answering", code="policy_unavailable")
