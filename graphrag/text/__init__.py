"""Read text: words, index terms, sentences, names in canonical form, and its language."""

from __future__ import annotations

from graphrag.text.analysis import is_stop_word, terms, terms_of, words
from graphrag.text.language import detect_language
from graphrag.text.normalisation import fold, normalise, storable, without_invisible
from graphrag.text.scripts import without_ending
from graphrag.text.segmentation import sentences

__all__ = [
    "detect_language",
    "fold",
    "is_stop_word",
    "normalise",
    "sentences",
    "storable",
    "terms",
    "terms_of",
    "without_ending",
    "without_invisible",
    "words",
]
