"""In Microsoft graphrag's environment: `run_microsoft.py index|replace|query ROOT CORPUS …`."""

import os
import sys
from pathlib import Path

from graphrag.cli.main import app

SETTINGS = """
completion_models:
  default_completion_model:
    {{model_provider: openai, model: gpt-4.1, api_key: bench, api_base: "{url}"}}
embedding_models:
  default_embedding_model:
    {{model_provider: openai, model: text-embedding-3-small, api_key: bench, api_base: "{url}"}}
input: {{type: text}}
input_storage: {{type: file, base_dir: "{corpus}"}}
"""


def main(step: str, root: str, corpus: str, *given: str) -> None:
    folder = Path(root)
    folder.mkdir(exist_ok=True)
    text = SETTINGS.format(url=os.environ["OPENAI_BASE_URL"], corpus=corpus)
    (folder / "settings.yaml").write_text(text)
    if step == "query":
        method, question = given
        name, _, dynamic = method.partition(" ")
        flags = ["--dynamic-community-selection"] * bool(dynamic)
        app(["query", question, "--root", root, "--method", name, *flags])
    else:  # a replaced file: `update` looks at names alone, so the whole index, from its cache
        app(["index", "--root", root, "--method", "standard"])


main(*sys.argv[1:])
