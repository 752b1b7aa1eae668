"""What a process of its own loads, and that it finds what any other does."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from graphrag.testing import FakeEmbedder


def test_vectors_do_not_depend_on_the_process() -> None:
    code = (
        "import asyncio; from graphrag.testing import FakeEmbedder;"
        "print(asyncio.run(FakeEmbedder(8).embed(['the red fox'])).tolist())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    here = asyncio.run(FakeEmbedder(8).embed(["the red fox"]))
    assert np.array_equal(np.array(json.loads(printed), dtype=np.float32), here)


def test_the_client_imports_nothing_heavy_until_it_is_used() -> None:
    code = (
        "import sys, graphrag.models.models, graphrag.testing;"
        "print([m for m in ('openai', 'numpy', 'polars', 'tiktoken') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_ranks_are_loaded_on_first_use_only() -> None:
    code = "import sys, graphrag.text.tokens; print('tiktoken' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_hash_seed_does_not_matter(tmp_path: Path) -> None:
    script = (
        "import sys, hashlib; from pathlib import Path;"
        "from graphrag.stores.arrays import building;"
        "from tests.unit.stores.arrays.test_path_index import FILMS, tables;"
        "building.build(*tables(FILMS, {'Leo Fong': ['Leo Fung'], 'film': []}))"
        ".save(Path(sys.argv[1]))"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / seed)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            check=True,
        )
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / seed).iterdir()}
        for seed in ("1", "2")
    )
    assert one == other


def test_english_loads_no_language_model_and_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys; import graphrag.text as t; heavy = {'numpy', 'polars', 'py3langid',"
        "'Stemmer'}; print(heavy & set(sys.modules));"
        "print(t.detect_language('It was the best of times, and it was the worst of times. ' * 3),"
        "'py3langid' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["set()", "en False"]
