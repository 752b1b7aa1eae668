"""Ours beside its peers: each system's processes measured, results as JSON, then the page."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bench.measure import CommandError, Run, attempt, environment
from bench.peers import install, page
from bench.peers.systems import SYSTEMS, System
from bench.report import data, heading
from graphrag.testing import TestServer

QUESTION = "What did Sherlock Holmes find out about the Red-Headed League?"
SMALL, LARGE = "100 KB", "1 MB"
SMALL_PART = 20_000  # bytes of one of the five files
DIMENSIONS = "1536"  # of the embedding model that is the default of most
SERVER = ("--tokens", "tiktoken", "--dimensions", DIMENSIONS)
DIALECTS = ("--rules", "bench.peers.dialects:RULES")
SLOW = ("--latency", "1", "--embedding-latency", "1")
STARTS = 3

Stats = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class Corpus:
    size: str
    folder: Path
    changed: Path  # one of its files
    text: str  # what that file says after the change


@dataclass(slots=True)
class Bench:
    """One system on one corpus: its processes one after the other, a row for each."""

    system: System
    interpreter: Path
    corpus: Corpus
    work: Path
    keep: Callable[[dict[str, object]], None]

    def all(self) -> None:
        with self._server() as server:
            if self._row("index", server, "index"):
                self._row("nothing changed", server, "index")
                for method in self.system.methods:
                    with self._copied():  # so that no method finds the replies of another
                        self._row(f"query: {method}", server, "query", method, QUESTION)
                self.corpus.changed.write_text(self.corpus.text, encoding="utf-8")
                self._row("one file replaced", server, "replace", self.corpus.changed.name)

    def slow(self) -> None:
        with self._server(*SLOW) as server:
            self._row("index, 1 s a call", server, "index")

    @contextmanager
    def _copied(self) -> Generator[None]:
        root, aside = self.work / "root", self.work / "aside"
        shutil.copytree(root, aside)
        yield
        shutil.rmtree(root)
        aside.rename(root)

    def _server(self, *more: str) -> TestServer:
        dialects = DIALECTS if self.system.runner else ()
        return TestServer.spawn(*SERVER, *dialects, *more)

    def _row(self, name: str, server: TestServer, step: str, *given: str) -> bool:
        if self.corpus.size == LARGE and name in self.system.skipped:
            return True
        server.reset()
        row: dict[str, object] = {"size": self.corpus.size, "step": name}
        root = self.work / "root"
        root.mkdir(exist_ok=True)
        command = self.system.command(step, root, self.corpus.folder, *given)
        variables = environment(server.url if self.system.model else None)
        if self.system.runner:
            variables["TIKTOKEN_CACHE_DIR"] = str(install.token_ranks())
            variables["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks GitHub for prices
        limit, folder = self.system.limit, str(self.work)
        try:
            run = attempt(
                [str(self.interpreter), *command], variables, seconds=limit, folder=folder
            )
            row |= _figures(run) | _counts(server.stats())
            if step == "index" and self.system.model and name != "nothing changed":
                _has_extracted(row)
        except CommandError as failure:
            row["failed"] = str(failure).strip().splitlines()[-1][:300]
            print(failure, file=sys.stderr)
        self.keep(row)
        print(json.dumps({"system": self.system.name, **row}), file=sys.stderr, flush=True)
        return "failed" not in row


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    names = [system.key for system in SYSTEMS]
    parser.add_argument("--only", action="append", choices=names, help="these systems alone")
    parser.add_argument("--small", action="store_true", help="100 KB alone")
    parser.add_argument("--quick", action="store_true", help="ours alone, 100 KB")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    parser.add_argument("--write-docs", action="store_true", help="also into docs/")
    options = parser.parse_args()
    if not options.page:
        heading("peers")
        data("gutenberg")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it runs ends, too
        chosen = options.only or (names[:2] if options.quick else names)
        sizes = (small,) if options.small or options.quick else (small, large)
        for system in SYSTEMS:
            if system.key in chosen:
                _measure(system, sizes)
    if options.write_docs:
        page.write(SYSTEMS)
    else:
        page.show(SYSTEMS)


def small(folder: Path) -> Corpus:
    """Five files of 20 KB."""
    text = data("gutenberg", "holmes_00.txt").read_text("utf-8")
    files = [folder / f"part_{number}.txt" for number in range(5)]
    for number, file in enumerate(files):
        file.write_text(text[number * SMALL_PART :][:SMALL_PART], encoding="utf-8")
    return Corpus(SMALL, folder, files[2], _other()[:SMALL_PART])


def large(folder: Path) -> Corpus:
    """Ten files of 100 KB."""
    for file in data("gutenberg").glob("*.txt"):
        shutil.copy(file, folder)
    return Corpus(LARGE, folder, folder / "holmes_05.txt", _other()[: 5 * SMALL_PART])


def _other() -> str:
    return data("dulce", "operation_dulce.md").read_text("utf-8")


def _measure(system: System, sizes: Sequence[Callable[[Path], Corpus]]) -> None:
    """Each row is saved at once: what was measured before a long command outlives it."""
    result: page.Result = {"system": system.name, "replaces": system.replaces}
    rows: list[dict[str, object]] = []

    def keep(row: dict[str, object]) -> None:
        rows.append(row)
        page.save(system.key, result)

    try:
        interpreter = install.python(system.key, system.requirements)
        start = _start(system, interpreter)
    except CommandError as failure:
        reason = str(failure).strip().splitlines()[-1]
        page.save(system.key, result | {"failed": f"not installed: {reason}"})
        return
    distributions, size = install.weight(interpreter)
    result |= {"version": _version(system, interpreter), "start": start}
    result |= {"distributions": distributions, "install_mb": round(size), "rows": rows}
    for make in sizes:
        with _folders() as (work, corpus):
            Bench(system, interpreter, make(corpus), work, keep).all()
    if system.model:
        with _folders() as (work, corpus):
            Bench(system, interpreter, small(corpus), work, keep).slow()


@contextmanager
def _folders() -> Generator[tuple[Path, Path]]:
    """A folder to work in and one for the corpus, both gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        yield Path(folder), corpus


def _version(system: System, interpreter: Path) -> str:
    name = "graphrag-neo4j" if not system.runner else system.requirements[0].partition("==")[0]
    code = f"from importlib.metadata import version; print(version({name!r}))"
    return attempt([str(interpreter), "-c", code], environment()).out.strip()


def _start(system: System, interpreter: Path) -> dict[str, float]:
    variables = environment() | {
        "TIKTOKEN_CACHE_DIR": str(install.token_ranks()),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "bench",
    }
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            attempt([str(interpreter), *system.start], variables, folder=folder)
            for _ in range(STARTS)
        ]
    return _figures(min(runs, key=lambda run: run.cpu))


def _figures(run: Run) -> dict[str, float]:
    return {
        "wall": round(run.wall, 2),
        "cpu": round(run.cpu, 2),
        "peak_mb": round(run.peak_mb),
    }


def _counts(stats: Stats) -> dict[str, object]:
    chat, embeddings = stats.get("chat", {}), stats.get("embeddings", {})
    return {
        "calls": _sum(chat, "calls"),
        "prompt_tokens": _sum(chat, "prompt_tokens"),
        "completion_tokens": _sum(chat, "completion_tokens"),
        "embedding_calls": _sum(embeddings, "calls"),
        "embedding_inputs": _sum(embeddings, "inputs"),
        "embedding_tokens": _sum(embeddings, "prompt_tokens"),
        "kinds": {kind: counts["calls"] for kind, counts in chat.items()},
    }


def _has_extracted(row: Mapping[str, object]) -> None:
    """Some end well when every call failed. Raises CommandError."""
    if not cast(Mapping[str, int], row["kinds"]).get("extract"):
        raise CommandError("ended without an error, and without an extraction")


def _sum(kinds: Mapping[str, Mapping[str, int]], name: str) -> int:
    return sum(counts[name] for counts in kinds.values())


if __name__ == "__main__":
    main()
