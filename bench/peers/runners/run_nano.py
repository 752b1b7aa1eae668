"""In nano-graphrag's environment: `run_nano.py index|replace|query ROOT CORPUS …`."""

import sys
from pathlib import Path

from nano_graphrag import GraphRAG, QueryParam


def main(step: str, root: str, corpus: str, *given: str) -> None:
    rag = GraphRAG(working_dir=root, enable_naive_rag=True)
    if step == "query":
        method, question = given
        print(rag.query(question, param=QueryParam(mode=method)))
    else:  # a replaced file: nothing can be removed, the new text comes beside the old one
        rag.insert([file.read_text("utf-8") for file in sorted(Path(corpus).iterdir())])


main(*sys.argv[1:])
