"""Adapters loaded by their content name into a vLLM server that has the base: what a GPU serves."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings

from clinic.local.model_server import pinned_engine
from clinic.models import Endpoint, ModelVersion
from clinic.services import versions
from clinic.services.errors import Refused
from training import places
from training.serving.sentences import SENTENCES

SECONDS = 60.0
KEY = "POLICY_API_KEY"


def load(version: ModelVersion) -> Endpoint:
    """The endpoint of the version, its adapter loaded unless it is. A name is never loaded twice: it is its content."""
    if not version.adapter:
        raise Refused(SENTENCES["no_adapter"].format(version=version.version))
    url = settings.LORA_URL.rstrip("/")
    if not url:
        raise Refused(SENTENCES["nobody_serves"])
    if version.version not in served(url, version):
        _load(url, version)
    return versions.register_endpoint(
        by=None,
        version=version,
        url=url,
        model_name=version.version,
        engine=settings.POLICY_ENGINE or f"{pinned_engine()} lora",
        api_key_variable=KEY if os.environ.get(KEY) else "",
    )


def _load(url: str, version: ModelVersion) -> None:
    folder = Path(settings.LORA_FOLDER) if settings.LORA_FOLDER else places.adapters()
    try:
        _ask(
            f"{url}/load_lora_adapter",
            version,
            {"lora_name": version.version, "lora_path": str(folder / version.version)},
        )
    except Refused:
        # A page and the timer may ask at once; the server refuses a name that it has.
        if version.version not in served(url, version):
            raise


def unload(version: ModelVersion) -> bool:
    """Out of the server's memory; False where it was not in it. Raises Refused."""
    url = settings.LORA_URL.rstrip("/")
    if not url or version.version not in served(url, version):
        return False
    _ask(f"{url}/unload_lora_adapter", version, {"lora_name": version.version})
    return True


def served(url: str, version: ModelVersion) -> list[str]:
    said = _ask(f"{url}/models", version)
    try:
        return [str(entry["id"]) for entry in json.loads(said)["data"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(SENTENCES["lora"].format(version=version.version, why="it is no vLLM")) from error


def _ask(address: str, version: ModelVersion, body: dict[str, Any] | None = None) -> bytes:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(address, json.dumps(body).encode() if body else None, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310
            return bytes(reply.read())
    except urllib.error.HTTPError as error:
        why = f"it answered {error.code}: {error.read(300).decode(errors='replace')}"
        raise Refused(SENTENCES["lora"].format(version=version.version, why=why)) from error
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        raise Refused(SENTENCES["lora"].format(version=version.version, why="it cannot be reached")) from error
