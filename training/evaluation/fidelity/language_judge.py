"""Step similarity as a capable model sees it, through the protocol of agents.judge."""

from __future__ import annotations

from agents import prompts
from agents.judge import LanguageJudge, verdict
from agents.prompts import fill, plain

PROMPT = "judge_similarity.txt"
SCALE = ("0", "1", "2", "3", "4", "5")
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdict",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"verdict": {"enum": list(SCALE)}},
            "required": ["verdict"],
            "additionalProperties": False,
        },
    },
}


class LanguageSimilarity:
    """Asks the judge for 0..5; what it cannot say raises JudgeError and is unjudged, never 0."""

    def __init__(self, judge: LanguageJudge, *, model: str) -> None:
        self.judge = judge
        self.name = f"model {model}, prompt {prompts.digest(PROMPT)[:12]}"

    async def similarity(self, exam: str, truth: str, drawn: str) -> float:
        prompt = fill(PROMPT, examination=plain(exam), truth=plain(truth), drawn=plain(drawn))
        return float(await self.judge._ask(prompt, _SCHEMA, lambda said: verdict(said, SCALE)))
