"""What `make demo` runs: the sample documents in, cited answers out; no key, no server, no cost.

It indexes `examples/documents` into `.demo/` with the command `graphrag`, asks one local and one
global question with it, then puts every question of `examples/questions.jsonl` through the Python
API and compares the answers with the facts written beside the questions. Without a model some of
the harder ones need not hold: the exit code is 0 if at least 28 of the 30 do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from graphrag import Answer, GraphRAG

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = REPOSITORY / "examples" / "documents"
QUESTIONS = REPOSITORY / "examples" / "questions.jsonl"
ROOT = REPOSITORY / ".demo"
MARKER = ROOT / "made-by-demo"
MOST_MISSED = 2  # questions; "who designed the ship that ..." is answered in other words there
PASSAGES = 3  # a fact must be in the answer or in this many first passages

LOCAL_QUESTION = "What did Willoughby Smith do on the Great Eastern in 1866?"
GLOBAL_QUESTION = "Overall, which companies were founded to make and lay cables?"

NEXT_STEPS = """\
Next steps

  ask more        .venv/bin/graphrag query "Who was Robert Halpin?" --root .demo
  see the reading .venv/bin/graphrag query "Who was Robert Halpin?" --root .demo --context
  your documents  .venv/bin/graphrag index PATH --root FOLDER
  use a model     export OPENAI_API_KEY=...   (or OPENAI_BASE_URL for another server),
                  then index and query as above; the index gets model-written extraction,
                  reports and answers, and costs money: `index --dry-run` says how much
  the index       {index}

README.md and docs/ say the rest.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A question with the strings that its answer or its first passages must hold."""

    question: str
    kind: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    holds: bool
    where: str


def main() -> int:
    # No model, whatever the environment holds: the demo must not cost anything.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "GRAPHRAG__"))
    }
    if not make_root():
        return 2
    commands = (
        ["index", relative(DOCUMENTS), "--root", relative(ROOT)],
        ["query", LOCAL_QUESTION, "--method", "local", "--root", relative(ROOT)],
        ["query", GLOBAL_QUESTION, "--method", "global", "--root", relative(ROOT)],
    )
    heading("The command line, with no model: answers are extracts, sentences of the documents")
    for arguments in commands:
        code = graphrag(arguments, environment)
        if code:
            print(f"graphrag {arguments[0]} ended with exit code {code}", file=sys.stderr)
            return 1
    failed = ask_samples()
    print(NEXT_STEPS.format(index=relative(ROOT / ".graphrag" / "graph.db")))
    return 1 if failed > MOST_MISSED else 0


def make_root() -> bool:
    """A fresh `.demo/`; only one that an earlier demo made is removed."""
    if ROOT.exists():
        if not MARKER.is_file():
            print(f"{ROOT} was not made by the demo; move it away first", file=sys.stderr)
            return False
        shutil.rmtree(ROOT)
    ROOT.mkdir()
    MARKER.write_text("Made by examples/demo.py; `make clean` removes it.\n", encoding="utf-8")
    return True


def graphrag(arguments: list[str], environment: dict[str, str]) -> int:
    """Run the installed command, as a user would, and return its exit code."""
    shown = (f'"{argument}"' if " " in argument else argument for argument in arguments)
    print(f"$ graphrag {' '.join(shown)}", flush=True)
    command = shutil.which("graphrag", path=sysconfig.get_path("scripts"))
    if command is None:
        print("the command graphrag is not installed beside this Python", file=sys.stderr)
        return 1
    done = subprocess.run([command, *arguments], cwd=REPOSITORY, env=environment, check=False)
    print(flush=True)
    return done.returncode


def ask_samples() -> int:
    """Ask every sample question in process, print what was found, return how many failed."""
    samples = load_samples(QUESTIONS)
    heading(f"The Python API: {len(samples)} questions whose answers are known")
    print(f"{'question':62} {'kind':12} {'method':8} {'found':5} where")
    failed = 0
    start = time.perf_counter()
    with GraphRAG.open(ROOT, chat=None, embed=None) as rag:
        for sample in samples:
            answer = rag.query(sample.question)
            verdict = judge(sample, answer)
            failed += not verdict.holds
            question = sample.question
            question = question if len(question) <= 62 else question[:61] + "…"
            found = "yes" if verdict.holds else "NO"
            print(f"{question:62} {sample.kind:12} {answer.method:8} {found:5} {verdict.where}")
    seconds = time.perf_counter() - start
    print(f"\n{len(samples) - failed} of {len(samples)} hold, in {seconds:.1f} s.\n")
    return failed


def load_samples(path: Path) -> list[Sample]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Sample(row["question"], row["kind"], tuple(row["facts"])) for row in rows]


def judge(sample: Sample, answer: Answer) -> Verdict:
    """Whether the facts are in the answer or its first passages, and every citation verified."""
    if sample.kind == "unanswerable":
        return Verdict(not answer.answered, "said so" if not answer.answered else "answered it")
    if not answer.answered:
        return Verdict(False, "not answered")
    if not answer.citations or not all(citation.verified for citation in answer.citations):
        return Verdict(False, "a citation is missing or not verified")
    units = answer.context.text_units[:PASSAGES]
    texts = [flatten(text) for text in (answer.answer, *(unit.text for unit in units))]
    deepest = 0
    for fact in sample.facts:
        place = next((n for n, text in enumerate(texts) if flatten(fact) in text), None)
        if place is None:
            return Verdict(False, f"lacks {fact!r}")
        deepest = max(deepest, place)
    if deepest == 0:
        return Verdict(True, "answer")
    cited = {citation.text_unit_id for citation in answer.citations}
    if units[deepest - 1].id not in cited:
        return Verdict(False, f"passage {deepest}, not cited")
    return Verdict(True, f"passage {deepest}")


def flatten(text: str) -> str:
    """Lines and capitals as in running text, for comparing."""
    return " ".join(text.split()).casefold()


def heading(text: str) -> None:
    print(f"{text}\n{'─' * len(text)}\n", flush=True)


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


if __name__ == "__main__":
    sys.exit(main())
