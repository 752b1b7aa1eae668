"""`python -m bench [TOPIC…]`: each topic in a process of its own, so none sees another's heap."""

from __future__ import annotations

import argparse
import subprocess
import sys

TOPICS = {
    "main_job": "documents to cited answers: CPU, memory, tokens, calls, wall against the path",
    "retrieval": "recall on labelled questions, path search taken apart, prose and talk",
    "labelled": "every labelled set by each method, beside another version of the code",
    "abstention": "questions wrongly refused, and unrelated ones refused",
    "answers": "the fit of what decides whether a question is answered without a model",
    "scale": "synthetic graphs: path search, SQLite search, merge and Leiden as they grow",
    "growth": "indexing 100 KB to 10 MB: CPU seconds and the fitted exponent",
    "large": "a synthetic graph of 100,000 entities: each step of an index, and questions",
    "peers": "ours beside Microsoft graphrag, LightRAG, nano-graphrag and fast-graphrag",
    "serving": "our server and LightRAG's asked for passages by many clients at once",
    "neo4j": "a Neo4j of its own: writing, reading, indexing against SQLite, local questions",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="\n".join(f"{name}: {what}" for name, what in TOPICS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="default: all")
    parser.add_argument("--quick", action="store_true", help="leave the longest parts out")
    parser.add_argument("--write-docs", action="store_true", help="put tables into docs/, too")
    options = parser.parse_args()
    topics: list[str] = options.topics or list(TOPICS)
    for name in topics:
        if name not in TOPICS:
            parser.error(f"no topic {name!r}; there are: {', '.join(TOPICS)}")
    flags = ["--quick"] * bool(options.quick) + ["--write-docs"] * bool(options.write_docs)
    failed = [
        name
        for name in topics
        if subprocess.run([sys.executable, "-m", f"bench.{name}", *flags], check=False).returncode
    ]
    if failed:
        sys.exit(f"could not be measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
