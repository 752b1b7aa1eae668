"""A reader that ends first: the command ends quietly, with the code that other tools have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphrag import Document, GraphRAG

BROKEN_PIPE = 141  # what a shell reports of `yes | head -1`


@pytest.mark.parametrize("arguments", [["--help"], ["entities"], ["query", "Who sailed?"]])
def test_a_reader_that_is_gone_ends_the_command_quietly(
    arguments: list[str], tmp_path: Path
) -> None:
    with GraphRAG.open(tmp_path, chat=None, embed=None) as rag:
        rag.index(documents=[Document(source="a", text="Ann Smith sailed the Corvus.")])
    reader, writer = os.pipe()
    os.close(reader)
    root = [] if arguments == ["--help"] else ["--root", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "graphrag", *arguments, *root],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert done.returncode == BROKEN_PIPE
    assert done.stderr == ""
