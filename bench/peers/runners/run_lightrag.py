"""In LightRAG's environment: `run_lightrag.py index|replace|query ROOT CORPUS …`."""

import asyncio
import os
import sys
from pathlib import Path

from lightrag import LightRAG, QueryParam
from lightrag.llm.openai import gpt_4o_mini_complete, openai_embed

os.environ["OPENAI_API_BASE"] = os.environ["OPENAI_BASE_URL"]  # the one that it reads


async def main(step: str, root: str, files: dict[str, str], *given: str) -> None:
    rag = LightRAG(
        working_dir=root, llm_model_func=gpt_4o_mini_complete, embedding_func=openai_embed
    )
    await rag.initialize_storages()
    try:
        if step == "query":
            method, question = given
            print(await rag.aquery(question, param=QueryParam(mode=method)))
            return
        if step == "replace":
            (name,) = given
            await rag.adelete_by_doc_id(name)
        await rag.ainsert([*files.values()], ids=[*files], file_paths=[*files])
    finally:
        await rag.finalize_storages()


step, root, corpus, *given = sys.argv[1:]
files = {file.name: file.read_text("utf-8") for file in sorted(Path(corpus).iterdir())}
asyncio.run(main(step, root, files, *given))
