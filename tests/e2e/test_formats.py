"""Pdf and office files, and texts in other languages, through the command: cited answers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from tests.e2e.conftest import Shell

LANGUAGES = Path(__file__).parents[1] / "data" / "languages"
OFFICE = {
    "soundings.pdf": ("Who put the mud of the Cyclops under a microscope?", "Huxley", "Page 1"),
    "reading-a-cable.pptx": ("What is the mouse mill for?", "ink is charged", "Slide 2"),
    "cable-ships.xlsx": ("Who owned the Mackay-Bennett?", "Commercial Cable", "Sheet: Ships"),
    "porthcurno.docx": ("Why did the cable not land at Falmouth?", "anchors", ""),
}
ASKED = {
    "ko": (
        "거울 검류계는 누가 만들었는가?",
        "윌리엄 톰슨",
        "식물은 햇빛으로 어떻게 당을 만드는가?",
    ),
    "de": ("Wer baute das Spiegelgalvanometer?", "William Thomson", "Wann blühen die Apfelbäume?"),
    "ar": ("من صنع الغلفانومتر ذا المرآة؟", "وليام طومسون", "متى تزهر أشجار التفاح؟"),
}


def ask(shell: Shell, question: str) -> dict[str, object]:
    done = shell.run("query", question, "--json")
    assert done.code == 0, done.err
    return done.json()


def citations(answer: dict[str, object]) -> list[dict[str, object]]:
    return cast(list[dict[str, object]], answer["citations"])


def test_office_files_give_answers_with_the_place_and_bad_ones_are_listed(
    shell: Shell, examples: Path
) -> None:
    docs = shell.root / "docs"
    docs.mkdir()
    for name in OFFICE:
        shutil.copy(examples / "documents" / name, docs)
    (docs / "half.docx").write_bytes((docs / "porthcurno.docx").read_bytes()[:5000])
    (docs / "sheet.pptx").write_bytes((docs / "cable-ships.xlsx").read_bytes())
    (docs / "fake.pdf").write_text("Only text.")
    done = shell.run("index", "docs", "--method", "fast", "--json")
    assert done.code == 3
    result = done.json()
    assert result["documents"] == len(OFFICE)
    failed = {
        item["source"]: item["reason"] for item in cast(list[dict[str, str]], result["failed"])
    }
    assert failed.keys() == {"docs/half.docx", "docs/sheet.pptx", "docs/fake.pdf"}
    assert "not a pptx but a xlsx" in failed["docs/sheet.pptx"]
    for name, (question, fact, place) in OFFICE.items():
        answer = ask(shell, question)
        assert answer["answered"] is True, question
        quoted = [one for one in citations(answer) if fact in str(one["quote"])]
        assert [(one["document"], one["page"], one["verified"]) for one in quoted] == [
            (f"docs/{name}", place, True)
        ]
    shown = shell.run("query", OFFICE["soundings.pdf"][0])
    assert "Page 1 (docs/soundings.pdf) verified" in shown.out


def test_other_languages_give_cited_answers_and_refusals(shell: Shell) -> None:
    shutil.copytree(LANGUAGES, shell.root / "docs")
    done = shell.run("index", "docs", "--method", "fast", "--json")
    assert done.code == 0, done.err
    for language, (question, fact, unrelated) in ASKED.items():
        answer = ask(shell, question)
        assert answer["answered"] is True, question
        assert fact in str(answer["answer"])
        cited = citations(answer)
        assert cited
        assert all(one["verified"] for one in cited)
        assert any(
            one["document"] == f"docs/{language}.md" and fact in str(one["quote"]) for one in cited
        )
        assert ask(shell, unrelated)["answered"] is False
