"""In fast-graphrag's environment: `run_fast.py index|replace|query ROOT CORPUS …`."""

import os
import sys
from pathlib import Path

from fast_graphrag import GraphRAG
from fast_graphrag._llm import OpenAIEmbeddingService, OpenAILLMService

DOMAIN = "Find the people, places and organisations of these stories and how they are related."
QUERIES = "Who is Sherlock Holmes?\nWhat happened at Briony Lodge?"
TYPES = ["person", "organization", "location", "event", "product", "concept"]


def main(step: str, root: str, corpus: str, *given: str) -> None:
    url = os.environ["OPENAI_BASE_URL"]
    rag = GraphRAG(
        working_dir=root,
        domain=DOMAIN,
        example_queries=QUERIES,
        entity_types=TYPES,
        config=GraphRAG.Config(
            llm_service=OpenAILLMService(model="gpt-4o-mini", base_url=url, api_key="bench"),
            # its own limit of 500 requests a minute would be measured, not its work
            embedding_service=OpenAIEmbeddingService(
                base_url=url, api_key="bench", rate_limit_per_minute=False
            ),
        ),
    )
    if step == "query":
        _, question = given
        print(rag.query(question).response)
    else:  # a replaced file: nothing can be removed, the new text comes beside the old one
        rag.insert([file.read_text("utf-8") for file in sorted(Path(corpus).iterdir())])


main(*sys.argv[1:])
