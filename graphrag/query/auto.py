"""Choose the method that suits a question and what the index holds, and say why.

Rules, no model: a question about the whole goes to the reports (`global`) or, where no model
wrote any and one can be asked, to relevance tests under a budget (`lazy`). One that asks how or
why and what follows goes to reports and then into detail (`drift`), if a model wrote them and the
cost limit leaves room. One that chains between text units can start from goes to `path`, the rest
to text search (`basic`): over the labelled sets no single method finds more than this choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from graphrag.core.settings import WORK_FOLDER
from graphrag.query.context import Question, Resources
from graphrag.query.context.rows import ReportMethod
from graphrag.query.context.words import weigh
from graphrag.query.path.search import HISTORY_TURNS
from graphrag.query.search import basic
from graphrag.query.search.entities import find_names
from graphrag.text.questions import is_broad, subject

MAX_NAMED = 3  # things that the reason names

# "How did the cable fail, and what came of it?" asks for much; "how many" for a number.
_OPEN = re.compile(
    r"\b(?:why|how(?!\s+(?:many|much|long|old|far|often|big|large|high|tall|deep|fast|soon|late)\b))\b",
    re.I,
)
_FURTHER = re.compile(
    r"\b(?:and|but|or)\s+(?:\w+\s+){0,2}?(?:how|why|what|who|whom|which|where|when)\b"
    r"|\b(?:consequences?|effects?|impact|influenced?|outcomes?|led\s+to|lead\s+to|result(?:s|ed)?\s+in)\b",
    re.I,
)


async def choose(
    question: Question, resources: Resources, counts: Mapping[str, int]
) -> tuple[Literal["basic", "global", "path", "lazy", "drift"], str]:
    """The method, of those whose artefacts the index has, and why, in plain words."""
    has_reports = counts.get("reports", 0) > 0
    if question.level is not None and has_reports:
        return "global", "a level of the hierarchy was asked for"
    whole = await _why_whole(question, resources)
    if whole and resources.models.chat is not None and not await _has_written_reports(resources):
        return "lazy", f"{whole}, and no model has written community reports"
    if whole and has_reports:
        return "global", whole
    if whole:
        return "basic", f"{whole}, but the index has no community reports"
    if spreads(question.text) and has_reports and await _affords_drift(resources):
        return "drift", "the question asks how or why, and for what follows from it"
    return await _choose_search(question, resources)


async def _choose_search(
    question: Question, resources: Resources
) -> tuple[Literal["basic", "path"], str]:
    """By whether chains lead anywhere from what the question says."""
    from graphrag.stores.arrays.path_index import PathIndex, folder_of

    index = PathIndex.load(folder_of(resources.root / WORK_FOLDER, await resources.meta()))
    if index is None:
        return "basic", "the index has no arrays of path search here"
    from graphrag.query.path.chains import ChainSearch

    search = ChainSearch(index, basic.asked_text(question, turns=HISTORY_TURNS))
    if not search.is_anchored():
        return "basic", "chains of text units have no place to start from in this question"
    names = ", ".join(search.anchors()[:MAX_NAMED])
    if names:
        return "path", f"the question names what few text units are about: {names}"
    return "path", "most text units say what one thing is, so that chains join them"


def spreads(text: str) -> bool:
    """Whether the question asks how or why something is, and beside it for more."""
    found = _OPEN.search(text)
    return bool(found and _FURTHER.search(text, found.end()))


async def _affords_drift(resources: Resources) -> bool:
    """Whether a model wrote the reports, and one can be asked as often as DRIFT does."""
    models, limit = resources.models, resources.settings.limits.max_cost_usd
    if models.chat is None or not await _has_written_reports(resources):
        return False
    cost = models.chat_cost(resources.settings.query.drift.max_prompt_tokens, 0)
    return limit is None or (cost is not None and cost <= limit)


async def _why_whole(question: Question, resources: Resources) -> str:
    """Why the whole collection has to be looked at; empty where it has not."""
    breadth = is_broad(question.text)
    if breadth == "corpus":
        return "the question is about the whole collection"
    if breadth and not await find_names(question, resources):
        return "the question asks for themes and names no entity"
    if breadth and await _is_subject_of_all(question, resources):
        return "the question asks for themes of what the whole collection is about"
    return ""


async def _has_written_reports(resources: Resources) -> bool:
    """Whether a model wrote reports: those put together from sentences say less of the whole."""
    rows = await resources.store.rows("reports", ReportMethod)
    return any(row.method != "extractive" for row in rows)


async def _is_subject_of_all(question: Question, resources: Resources) -> bool:
    language = (await resources.meta()).get("language") or "en"
    about = subject(question.text, language)
    return (await weigh(about, resources.store, language=language)).common
