"""Spell a word as British and American English each do: "colour" and "color"."""

from __future__ import annotations

import re

# Behind what, the British letters, the American ones, and before what.
_LETTERS = (
    (r"(?<=[a-z]{2})", "our", "or", r"(?!es?$)"),
    (r"(?<=[a-z]{3}[iy])", "s", "z", r"(?=(?:e[drs]?|ers|ing|ations?)$)"),
    (r"(?<=[bt])", "re", "er", r"(?=s?$)"),
    (r"(?<=[a-z](?:en|ti))", "c", "s", r"(?=(?:e[drs]?|ing)$)"),
    (r"(?<=[a-z]{2}og)", "ue", "", r"(?=s?$)"),
    (r"(?<=[a-z]{4}m)", "me", "", r"(?=s?$)"),
)
_RULES = tuple(
    (re.compile(f"{behind}{one}{before}"), other)
    for behind, british, american, before in _LETTERS
    for one, other in ((british, american), (american, british))
)


def other_spellings(word: str) -> list[str]:
    """How the other side of the Atlantic may write `word`, casefolded; many are no words."""
    folded = word.casefold()
    found = (rule.sub(other, folded, count=1) for rule, other in _RULES)
    return [one for one in dict.fromkeys(found) if one != folded]
