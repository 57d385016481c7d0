"""The default model through the real vLLM: what the client and the codecs rely on."""

import json
import time
import urllib.request

import pytest

pytestmark = pytest.mark.vllm

ACTION = {
    "type": "object",
    "properties": {
        "action": {"enum": ["ask", "examine", "diagnose", "defer"]},
        "target": {"type": "string", "maxLength": 40},
        "share": {"enum": [0.1, 0.5, 0.9]},
    },
    "required": ["action", "target", "share"],
    "additionalProperties": False,
}
QUESTION = [{"role": "user", "content": "A man of 52 has had chest pain for two hours. What next? Answer in JSON."}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "action", "schema": ACTION}}


def post(server, path, **body):
    data = json.dumps({"model": server.model, **body}).encode()
    request = urllib.request.Request(f"{server.url}{path}", data, {"Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=120)


def test_it_speaks(vllm_server):
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    with post(vllm_server, "/chat/completions", messages=messages, max_tokens=20, temperature=0) as reply:
        assert "Paris" in json.load(reply)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("seed", range(3))
def test_a_schema_is_always_kept(vllm_server, seed):
    options = {"max_tokens": 80, "temperature": 1.0, "seed": seed, "response_format": SCHEMA}
    with post(vllm_server, "/chat/completions", messages=QUESTION, **options) as reply:
        choice = json.load(reply)["choices"][0]
    action = json.loads(choice["message"]["content"])
    assert choice["finish_reason"] == "stop"
    assert list(action) == ["action", "target", "share"], "fields come in the order of the schema"
    assert len(action["target"]) <= 40


def test_a_stream_arrives_token_by_token(vllm_server):
    options = {"max_tokens": 30, "temperature": 0, "stream": True, "priority": -1, "ignore_eos": True}
    with post(vllm_server, "/chat/completions", messages=QUESTION, **options) as reply:
        times = [time.monotonic() for line in reply if line.startswith(b"data: {")]
    assert len(times) >= 25
    assert times[-1] - times[0] > 0.05


def test_token_ids_and_processed_logprobs(vllm_server):
    options = {"max_tokens": 8, "temperature": 1.0, "seed": 1, "logprobs": True, "return_token_ids": True}
    with post(vllm_server, "/chat/completions", messages=QUESTION, **options) as reply:
        choice = json.load(reply)["choices"][0]
    assert len(choice["token_ids"]) == len(choice["logprobs"]["content"]) <= 8
    assert all(entry["logprob"] <= 0 for entry in choice["logprobs"]["content"])


def test_digits_are_single_tokens(vllm_server):
    """GGUF drops the digit splitting of the tokenizer; the conversion restores it."""
    root = vllm_server.url.removesuffix("/v1")
    data = json.dumps({"model": vllm_server.model, "prompt": "128", "add_special_tokens": False}).encode()
    request = urllib.request.Request(f"{root}/tokenize", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert json.load(reply)["count"] == 3
