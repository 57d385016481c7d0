"""The only parsers of what a policy writes: our structured JSON, our one-line form, and the DiagAgent dialect."""

from __future__ import annotations

from agents.codecs.base import Codec, FieldText, StreamParser
from agents.codecs.brief import BriefCodec
from agents.codecs.cards import CardsCodec
from agents.codecs.dialect import DialectCodec
from agents.codecs.structured import StructuredCodec

__all__ = [
    "BriefCodec",
    "CardsCodec",
    "Codec",
    "DialectCodec",
    "FieldText",
    "StreamParser",
    "StructuredCodec",
    "by_name",
]


def by_name(name: str) -> Codec:
    """The codec of a name: "structured", "brief", "cards" or "diagagent"; ValueError for any other."""
    for codec in (StructuredCodec(), BriefCodec(), CardsCodec(), DialectCodec()):
        if codec.name == name:
            return codec
    raise ValueError(f"no codec {name!r}: use structured, brief, cards or diagagent")
