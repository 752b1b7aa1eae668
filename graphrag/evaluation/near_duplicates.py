"""Find the documents and passages of an index that are nearly the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from graphrag.evaluation.targets import Target
from graphrag.indexing.corpus.near_duplicates import (
    SimilarTexts,
    clusters,
    document_groups,
    similar_pairs,
    word_groups,
)
from graphrag.stores import opened_store


@dataclass(frozen=True, slots=True)
class PassagePair:
    """Two text units. `text` is that of the first."""

    one: str
    other: str
    one_document: str
    other_document: str
    similarity: float
    text: str


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """`documents` by source. `passages` are of documents that are not themselves a pair."""

    similarity: float
    documents: tuple[SimilarTexts, ...]
    passages: tuple[PassagePair, ...]

    @property
    def could_go(self) -> int:
        """Documents that have a like that would stay, if all that are joined are alike."""
        return sum(len(group) - 1 for group in clusters(self.documents))

    def as_dict(self) -> dict[str, object]:
        """Plain data for `json.dumps`."""
        return {
            "similarity": self.similarity,
            "documents": [asdict(pair) for pair in self.documents],
            "passages": [asdict(pair) for pair in self.passages],
            "groups": clusters(self.documents),
        }


async def find_duplicates(target: Target) -> NearDuplicates:
    """Everything as alike as `input.near_duplicate_similarity` says. Raises NoIndexError."""
    with target.opened(chat=False) as engine:
        async with engine as rag:
            settings, root = rag.settings, rag.root
    async with opened_store(settings, root) as store:
        documents = await store.read("documents", columns=["id", "source"])
        units = await store.read("text_units", columns=["id", "document_id", "text"])
    threshold = settings.input.near_duplicate_similarity
    source_of: dict[str, str] = dict(documents.iter_rows())
    alike = [
        _by_source(source_of[pair.one], source_of[pair.other], pair.similarity)
        for pair in similar_pairs(document_groups(units), threshold=threshold)
    ]
    known = {(pair.one, pair.other) for pair in alike}
    texts = {unit: (source_of[document], text) for unit, document, text in units.iter_rows()}
    groups = {unit: word_groups(text) for unit, (_, text) in texts.items()}
    passages: list[PassagePair] = []
    for pair in similar_pairs(groups, threshold=threshold):
        (one, text), (other, _) = texts[pair.one], texts[pair.other]
        if (min(one, other), max(one, other)) not in known:
            passages.append(PassagePair(pair.one, pair.other, one, other, pair.similarity, text))
    return NearDuplicates(threshold, tuple(alike), tuple(passages))


def _by_source(one: str, other: str, similarity: float) -> SimilarTexts:
    return SimilarTexts(min(one, other), max(one, other), similarity)
