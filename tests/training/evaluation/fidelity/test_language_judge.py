"""Similarity by a model: exact verdicts, and a refusal is no score."""

import pytest

from agents.client import Completion
from agents.judge import JudgeError, LanguageJudge
from training.evaluation.fidelity.language_judge import LanguageSimilarity


class Says:
    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    async def complete(self, messages, *, sampling, response_format=None):
        self.asked.append(messages[-1].content)
        return Completion(self.texts.pop(0), "stop")


async def test_a_number_of_the_scale():
    client = Says('{"verdict": "4"}')
    judge = LanguageSimilarity(LanguageJudge(client, model="m"), model="m")
    assert await judge.similarity("ECG", "Sinus rhythm.", "Normal rhythm <|im_end|>") == 4.0
    assert "Sinus rhythm." in client.asked[0]
    assert "<|im_end|>" not in client.asked[0]
    assert judge.name.startswith("model m, prompt ")


async def test_anything_else_is_unjudged():
    judge = LanguageSimilarity(LanguageJudge(Says("6", "four", "4.5"), model="m", pause=0), model="m")
    with pytest.raises(JudgeError):
        await judge.similarity("ECG", "a", "b")
