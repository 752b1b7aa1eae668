"""Turn texts into vectors with an ONNX model, on the cores of this machine."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from graphrag.core.errors import ModelError, SettingsError
from graphrag.models.local.download import MODEL, PUBLISHED, TOKENIZER, model_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOCAL = "local"
DEFAULT = "bge"
BATCH_TOKENS = 2048  # with padding; larger batches take more memory and are not faster
TOKENS = 512  # that a model of unknown length reads at once


class LocalEmbedder:
    """The model that `local`, `local:NAME` or `local:FOLDER` means; loaded with the first text.

    A text that is longer than the model reads is cut into windows, all of which are read; its
    vector is their mean, by length. All vectors have unit length.
    """

    def __init__(self, model: str) -> None:
        self._which = model.removeprefix(LOCAL).removeprefix(":") or DEFAULT
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"{LOCAL}:{self._which}"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (len(texts), dimensions). Raises SettingsError, ModelError."""
        return await asyncio.to_thread(self._embed, texts)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:  # it uses all cores: two at once would wait for each other
            if self._loaded is None:
                self._loaded = _Loaded(self._which)
            return self._loaded.embed(texts)


class _Loaded:
    def __init__(self, which: str) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise SettingsError(
                f"embedding.model 'local' needs the package {error.name!r}, which is not installed",
                hint='Run: pip install "graphrag-neo4j[local-embeddings]".',
            ) from error
        published = PUBLISHED.get(which)
        folder = Path(which) if published is None else model_folder(which)
        options = onnxruntime.SessionOptions()
        # Threads that spin while they wait take the cores from all else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        network = _network(folder)
        if not (network.is_file() and (folder / TOKENIZER).is_file()):
            raise SettingsError(
                f"there is no embedding model in {str(folder)!r}",
                hint=f"It needs {MODEL} and {TOKENIZER}; names are {', '.join(PUBLISHED)}.",
            )
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.session = onnxruntime.InferenceSession(
            str(network), options, providers=["CPUExecutionProvider"]
        )
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.inputs = {one.name for one in self.session.get_inputs()}
        self.pooling = _pooling(folder) if published is None else published.pooling
        self.tokens = _tokens(folder) if published is None else published.tokens

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        windows: list[list[int]] = []
        owners: list[int] = []
        for owner, encoded in enumerate(self.tokenizer.encode_batch([*texts])):
            for window in _windows(encoded.ids, self.tokens):
                windows.append(window)
                owners.append(owner)
        vectors: NDArray[np.float32] | None = None
        for batch in _batches(windows):
            rows = self._run([windows[place] for place in batch])
            if vectors is None:
                vectors = np.zeros((len(texts), rows.shape[1]), dtype=np.float32)
            for place, row in zip(batch, rows, strict=True):
                vectors[owners[place]] += row * len(windows[place])
        if vectors is None:
            return np.zeros((0, 0), dtype=np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def _run(self, windows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """A unit vector for each window."""
        import numpy as np

        ids = np.zeros((len(windows), max(map(len, windows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {name: value for name, value in given.items() if name in self.inputs}
        hidden = self.session.run(None, feed)[0]
        if hidden.ndim == 2:  # the network pools by itself
            pooled = hidden
        elif self.pooling == "first":
            pooled = hidden[:, 0]
        else:
            weights = mask[:, :, None].astype(np.float32)
            pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        if not np.isfinite(pooled).all():
            raise ModelError("the local model made vectors that are no numbers")
        return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def _windows(ids: Sequence[int], most: int) -> Iterator[list[int]]:
    """All of a text in parts of at most `most` tokens, each between the text's own two marks."""
    if len(ids) <= most:
        yield [*ids]
        return
    first, *body, last = ids
    n_windows = -(-len(body) // (most - 2))
    size = -(-len(body) // n_windows)  # equal ones: a short rest says little by itself
    for start in range(0, len(body), size):
        yield [first, *body[start : start + size], last]


def _batches(windows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Places of windows of like length, so that little of a batch is padding."""
    batch: list[int] = []
    for place in sorted(range(len(windows)), key=lambda place: (len(windows[place]), place)):
        if batch and (len(batch) + 1) * len(windows[place]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _network(folder: Path) -> Path:
    found = [folder / MODEL, folder / "onnx" / MODEL, *sorted(folder.glob("*.onnx"))]
    return next((path for path in found if path.is_file()), folder / MODEL)


def _pooling(folder: Path) -> Literal["first", "mean"]:
    """As sentence-transformers writes it beside a model."""
    config = _config(folder / "1_Pooling" / "config.json")
    return "first" if config.get("pooling_mode_cls_token") else "mean"


def _tokens(folder: Path) -> int:
    for name, field in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("config.json", "max_position_embeddings"),
    ):
        found = _config(folder / name).get(field)
        if isinstance(found, int) and found > 2:
            return min(found, TOKENS)
    return TOKENS


def _config(path: Path) -> dict[str, object]:
    try:
        return cast("dict[str, object]", json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return {}
