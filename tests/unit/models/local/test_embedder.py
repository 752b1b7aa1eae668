"""A model in this process reads all of a text, whatever stands in the same batch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from graphrag.core.errors import SettingsError
from graphrag.models.local.embedder import TOKENS, LocalEmbedder
from tests.local_model import write_model

VECTORS = {"mill": (1.0, 0.0), "weir": (0.0, 1.0)}


def embed(folder: Path, *texts: str) -> NDArray[np.float32]:
    return asyncio.run(LocalEmbedder(f"local:{folder}").embed(texts))


def test_vectors_have_unit_length_and_stand_in_order(tmp_path: Path) -> None:
    folder = write_model(tmp_path, VECTORS)
    texts = ["weir", "mill mill mill mill mill", "mill weir"]
    found = embed(folder, *texts)
    np.testing.assert_allclose(found, [[0, 1], [1, 0], [0.5**0.5, 0.5**0.5]], atol=1e-6)


def test_all_of_a_long_text_is_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path, VECTORS)
    found = embed(folder, "mill " * TOKENS + "weir " * TOKENS, "mill")
    np.testing.assert_allclose(found[0], [0.5**0.5, 0.5**0.5], atol=0.02)


def test_the_first_token_pools_where_the_model_says_so(tmp_path: Path) -> None:
    folder = write_model(tmp_path, VECTORS | {"[CLS]": (0.0, 3.0)})
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert embed(folder, "mill")[0].tolist() != [1.0, 0.0]


def test_texts_without_a_known_word_or_any_have_a_vector_of_zeros(tmp_path: Path) -> None:
    assert embed(write_model(tmp_path, VECTORS), "", "canal").tolist() == [[0, 0], [0, 0]]


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no embedding model") as raised:
        embed(tmp_path / "absent", "mill")
    assert "bge" in raised.value.hint
