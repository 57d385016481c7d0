"""vLLM reads a consultation's growing prompt from its cache, as far as whole blocks allow."""

import pytest

from benchmarks.prefix_reuse import TARGET, consult, share

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


async def test_a_consultation_of_twelve_turns_reuses_its_prefix(vllm_server):
    rows = await consult(vllm_server.url, vllm_server.model)
    assert len(rows) == 11
    assert rows[-1].prompt > rows[0].prompt
    assert sum(row.possible for row in rows) > 0.5 * sum(row.prompt for row in rows)
    assert share(rows) >= TARGET
