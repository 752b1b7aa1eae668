"""Without a model: Korean, German and Arabic texts are indexed, asked about and cited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from graphrag import Answer, AsyncGraphRAG
from graphrag.text import detect_language

SAMPLES = Path(__file__).parents[1] / "data" / "languages"


class Asked(NamedTuple):
    """Questions with what the answers must hold, and questions that the text does not answer."""

    facts: dict[str, str]
    unrelated: tuple[str, ...]


ASKED = {
    "ko": Asked(
        {
            "그레이트이스턴호를 설계한 사람은 누구인가?": "브루넬",
            "여왕의 인사말을 전하는 데 몇 시간이 걸렸는가?": "열여섯 시간",
            "거울 검류계는 누가 만들었는가?": "윌리엄 톰슨",
            "첫 번째 케이블은 왜 멈추었는가?": "높은 전압",
        },
        (
            "사과나무는 언제 꽃을 피우는가?",
            "월드컵 축구 대회에서 우승한 나라는 어디인가?",
            "식물은 햇빛으로 어떻게 당을 만드는가?",
            "세종대왕은 언제 한글을 만들었는가?",
        ),
    ),
    "de": Asked(
        {
            "Wer entwarf die Great Eastern?": "Brunel",
            "Wie lange brauchte der Gruß der Königin Victoria?": "sechzehn Stunden",
            "Wer baute das Spiegelgalvanometer?": "William Thomson",
            "Von wem wurde das Schiff entworfen, das 1866 das Kabel verlegte?": "Brunel",
        },
        (
            "Wann blühen die Apfelbäume?",
            "Welche Mannschaft gewann die Fußballweltmeisterschaft in Brasilien?",
            "Wie gewinnen Pflanzen Zucker aus Sonnenlicht?",
        ),
    ),
    "ar": Asked(
        {
            "من صمم السفينة غريت إيسترن؟": "برونل",
            "كم ساعة استغرق إرسال تحية الملكة فيكتوريا؟": "ست عشرة ساعة",
            "من صنع الغلفانومتر ذا المرآة؟": "وليام طومسون",
        },
        (
            "متى تزهر أشجار التفاح؟",
            "أي فريق فاز بكأس العالم لكرة القدم في البرازيل؟",
            "كيف تصنع النباتات السكر من ضوء الشمس؟",
        ),
    ),
}


async def ask(root: Path, samples: Sequence[Path], questions: Sequence[str]) -> list[Answer]:
    async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
        result = await rag.index(samples, method="fast")
        assert result.failed == ()
        assert result.entities >= 3 * len(samples)
        return [await rag.query(question) for question in questions]


@pytest.mark.parametrize("language", ASKED)
@pytest.mark.parametrize("together", [False, True], ids=["alone", "with the others"])
def test_facts_are_found_and_what_is_not_there_is_refused(
    language: str, together: bool, tmp_path: Path
) -> None:
    facts, unrelated = ASKED[language]
    samples = sorted(SAMPLES.iterdir()) if together else [SAMPLES / f"{language}.md"]
    answers = asyncio.run(ask(tmp_path, samples, [*facts, *unrelated]))
    by_question = {answer.question: answer for answer in answers}
    for question, fact in facts.items():
        answer = by_question[question]
        assert answer.answered, question
        assert any(
            citation.verified and fact in " ".join(citation.quote.split())
            for citation in answer.citations
        ), answer.answer
        assert all(citation.verified for citation in answer.citations)
    assert [by_question[question].answered for question in unrelated] == [False] * len(unrelated)


@pytest.mark.parametrize("language", ASKED)
def test_the_language_is_detected(language: str) -> None:
    assert detect_language((SAMPLES / f"{language}.md").read_text(encoding="utf-8")) == language
