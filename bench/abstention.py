"""Without a model: questions that the corpus answers and are refused, and unrelated ones."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import corpora
from bench.report import heading, table
from bench.retrieval import index
from graphrag import QueryMethod
from graphrag.engine.sync import AsyncGraphRAG

METHODS: tuple[QueryMethod, ...] = ("auto", "basic", "local", "path", "hybrid")
UNRELATED = Path(__file__).parents[1] / "tests" / "data" / "unrelated_questions.txt"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.abstention", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="auto alone")
    parser.add_argument("--write-docs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    heading("abstention")
    corpus = corpora.wiki(titles=True)
    asked = [one.text for one in corpus.questions]
    unrelated = UNRELATED.read_text("utf-8").splitlines()
    methods = METHODS[:1] if options.quick else METHODS
    with tempfile.TemporaryDirectory() as folder:
        root = index(Path(folder), corpus.documents)
        rows = [
            (method, _refused(root, asked, method), _refused(root, unrelated, method))
            for method in methods
        ]
    columns = (
        "method",
        f"false abstentions of {len(asked)} (at most 5%)",
        f"unrelated refused of {len(unrelated)} (at least 80%)",
    )
    table("Abstention on 2wiki, no model", columns, rows)


def _refused(root: Path, questions: Sequence[str], method: QueryMethod) -> str:
    async def run() -> int:
        async with AsyncGraphRAG.open(root, chat=None, embed=None) as rag:
            answers = [await rag.query(question, method=method) for question in questions]
        return sum(not answer.answered for answer in answers)

    return f"{asyncio.run(run()) / len(questions):.1%}"


if __name__ == "__main__":
    main()
