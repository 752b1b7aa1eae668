"""The lines on stderr that tell how far a run is."""

from __future__ import annotations

import pytest

from graphrag.cli.progress import Lines


def test_the_first_file_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        lines.start("reading", 246)
        lines.advance("reading", note="policy.pdf")
        assert capsys.readouterr().err == "reading 1 of 246: policy.pdf\n"
        lines.finish("reading")
    assert capsys.readouterr().err.startswith("reading: 246, ")


def test_each_tenth_of_a_long_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as lines:
        lines.start("extract", 40)
        for _ in range(9):
            lines.advance("extract")
    assert capsys.readouterr().err == "extract: 4 of 40\nextract: 8 of 40\n"
