"""What is compared: how each system is installed, started, fed and asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers.install import REPOSITORY

RUNNERS = Path(__file__).parent / "runners"
FAST = "ours-fast"


@dataclass(frozen=True, slots=True)
class System:
    """`runner` is the script that drives a peer in its environment; ours has its command line."""

    key: str  # of the environment and of the file of results
    name: str
    requirements: tuple[str, ...]
    start: tuple[str, ...]  # the smallest use: the help, or the import where there is no command
    methods: tuple[str, ...]
    runner: str = ""
    replaces: str = ""  # how it takes a file whose text changed
    model: bool = True
    skipped: tuple[str, ...] = ()  # steps that are not run at 1 MB, for they take too long
    limit: float = 900  # seconds of one command

    def command(self, step: str, root: Path, corpus: Path, *given: str) -> list[str]:
        """Arguments for its Python. Steps: index; replace NAME; query METHOD QUESTION."""
        if self.runner:
            return [str(RUNNERS / self.runner), step, str(root), str(corpus), *given]
        at = ["--root", str(root), "--method"]
        if step == "query":
            method, question = given
            name, _, dynamic = method.partition(" ")
            return ["-m", "graphrag", "query", question, *at, name, *["--dynamic"] * bool(dynamic)]
        method = "standard" if self.model else "fast"
        return ["-m", "graphrag", "index", str(corpus), *at, method]


SYSTEMS: Sequence[System] = (
    System(
        key="ours",
        name="graphrag-neo4j",
        requirements=(str(REPOSITORY),),
        start=("-m", "graphrag", "--help"),
        methods=("basic", "local", "global", "global dynamic", "drift", "path", "lazy", "hybrid"),
        replaces="extracts the changed units",
    ),
    System(
        key=FAST,
        name="graphrag-neo4j, no model",
        requirements=(str(REPOSITORY),),
        start=("-m", "graphrag", "--help"),
        methods=("basic", "local", "global", "path", "lazy", "hybrid"),
        replaces="extracts the changed units",
        model=False,
    ),
    System(
        key="lightrag",
        name="LightRAG",
        requirements=("lightrag-hku==1.5.7", "openai>=2,<3"),
        start=("-c", "import lightrag, lightrag.llm.openai"),
        methods=("naive", "local", "global", "hybrid", "mix"),
        runner="run_lightrag.py",
        replaces="the document is deleted, then inserted",
    ),
    System(
        key="nano",
        name="nano-graphrag",
        requirements=("nano-graphrag==0.0.8.2",),
        start=("-c", "import nano_graphrag"),
        methods=("naive", "local", "global"),
        runner="run_nano.py",
        replaces="the new text is added, the old one stays",
    ),
    System(
        key="fast",
        name="fast-graphrag",
        # a later sentencepiece needs a later protobuf than its other dependencies allow
        requirements=("fast-graphrag==0.0.5", "sentencepiece==0.2.0"),
        start=("-c", "import fast_graphrag"),
        methods=("pagerank",),
        runner="run_fast.py",
        replaces="the new text is added, the old one stays",
    ),
    System(
        key="microsoft",
        name="Microsoft graphrag",
        requirements=("graphrag==3.3.0",),
        start=("-m", "graphrag", "--help"),
        methods=("basic", "local", "global", "global dynamic", "drift"),
        runner="run_microsoft.py",
        replaces="the whole index again, from its cache",
        skipped=("nothing changed", "one file replaced"),
        limit=2400,
    ),
)
