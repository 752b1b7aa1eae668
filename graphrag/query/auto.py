"""Choose the method that suits a question and what the index holds, and say why.

Rules, no model: a question about the whole goes to the reports (`global`) or, where no model
wrote any and one can be asked, to relevance tests under a budget (`lazy`). One that asks how or
why and what follows goes to reports and then into detail (`drift`), if a model wrote them and the
cost limit leaves room. One that leads from one thing to another goes to chains (`path`), one that
names several things which no passage holds together to all searches at once (`hybrid`), one that
names an entity to the graph around it (`local`), the rest to text search (`basic`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from graphrag import text as analysis
from graphrag.core.settings import WORK_FOLDER
from graphrag.query.answering.extractive import closest
from graphrag.query.context import Question, Resources
from graphrag.query.context.rows import ReportMethod
from graphrag.query.context.words import weigh
from graphrag.query.search import basic
from graphrag.query.search.entities import find_names
from graphrag.text.questions import ASKING, is_broad, subject

MAX_NAMED = 3  # entities that the reason names
PASSAGES = 5  # in which one place may hold the whole question
WHOLE = 0.9  # of the question's weight in one place: it can be answered from there

SEVERAL = 2  # entities that are named, and have to be found in several places

_RELATIVE = frozenset({"cui", "dont", "that", "which", "who", "whom", "whose"})
# "Anna's father", but not "Heart's Content": what is owned is written as a common noun.
_OWNED = re.compile(
    r"\b(?!(?i:what|who|where|when|how|why|it|that|there|here|he|she|let)['’])[\w-]+['’]s?\s+"
    r"[^\W\d_A-Z][\w-]+"
)
_OF_OF = re.compile(r"\bof\s+(?:[\w'’-]+\s+){1,3}of\b")
# Somebody by a part played: "the inventor of ...". Asked for itself, it is one thing.
_ROLE_OF = re.compile(
    r"\b[\w-]*(?:er|or|ist|ian|ant|man|woman|ess|child|son|wife|spouse|widow|parent)s?\s+of\b"
)
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
_ONLY_ROLE = re.compile(r"\W*(?:who|what)\s+(?:is|was|are|were)\s+(?:the\s+)?[\w-]+\s+of\b", re.I)


async def choose(
    question: Question, resources: Resources, counts: Mapping[str, int]
) -> tuple[Literal["basic", "local", "global", "path", "lazy", "hybrid", "drift"], str]:
    """The method, of those whose artefacts the index has, and why, in plain words."""
    has_reports = counts.get("reports", 0) > 0
    if question.level is not None and has_reports:
        return "global", "a level of the hierarchy was asked for"
    breadth = is_broad(question.text)
    names = await find_names(question, resources)
    whole = await _why_whole(breadth, names, question, resources)
    if whole and resources.models.chat is not None and not await _has_written_reports(resources):
        return "lazy", f"{whole}, and no model has written community reports"
    if whole and has_reports:
        return "global", whole
    if spreads(question.text) and has_reports and await _affords_drift(resources):
        return "drift", "the question asks how or why, and for what follows from it"
    hop = "" if breadth else hops(question.text)
    several = len(names) >= SEVERAL
    if (
        (hop or several)
        and _has_chains(await resources.meta(), resources)
        and not await _stands_in_one_place(question, resources)
    ):
        if hop:
            return "path", f"{hop}, and no passage holds all of it"
        return "hybrid", f"the question names {_listed(names)}, and no passage holds all of it"
    if names:
        return "local", f"the question names entities of the index: {_listed(names)}"
    if breadth:
        return "basic", "the question is broad, but the index has no community reports"
    return "basic", "the question names no entity of the index"


def hops(text: str) -> str:
    """How the question leads from one thing to another; empty when it does not."""
    spoken = [word.casefold() for word in analysis.words(text)]
    asking = next((at for at, word in enumerate(spoken) if word in ASKING), 0)
    if any(word in _RELATIVE for word in spoken[asking + 1 :]):
        return "the question describes what it asks about by another clause"
    if _OWNED.search(text):
        return "the question asks about what belongs to somebody or something else"
    if _OF_OF.search(text) or (_ROLE_OF.search(text) and not _ONLY_ROLE.match(text)):
        return "the question names somebody or something by what it belongs to"
    return ""


def spreads(text: str) -> bool:
    """Whether the question asks how or why something is, and beside it for more."""
    found = _OPEN.search(text)
    return bool(found and _FURTHER.search(text, found.end()))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMED])


async def _affords_drift(resources: Resources) -> bool:
    """Whether a model wrote the reports, and one can be asked as often as DRIFT does."""
    models, limit = resources.models, resources.settings.limits.max_cost_usd
    if models.chat is None or not await _has_written_reports(resources):
        return False
    cost = models.chat_cost(resources.settings.query.drift.max_prompt_tokens, 0)
    return limit is None or (cost is not None and cost <= limit)


async def _why_whole(
    breadth: Literal["", "corpus", "themes"],
    names: Sequence[str],
    question: Question,
    resources: Resources,
) -> str:
    """Why the whole collection has to be looked at; empty where it has not."""
    if breadth == "corpus":
        return "the question is about the whole collection"
    if breadth and not names:
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


def _has_chains(meta: Mapping[str, str], resources: Resources) -> bool:
    """Whether `path` has its arrays, and they link enough for chains to be followed."""
    from graphrag.query.path.search import MIN_LINKED
    from graphrag.stores.arrays.path_index import PathIndex, folder_of

    index = PathIndex.load(folder_of(resources.root / WORK_FOLDER, meta))
    return index is not None and index.linked_share() >= MIN_LINKED


async def _stands_in_one_place(question: Question, resources: Resources) -> bool:
    """Whether a few sentences of one good passage hold (nearly) all that the question says."""
    ranking = await basic.rank(question, resources, k=PASSAGES, turns=0)
    best = [unit for unit, _ in ranking.units[:PASSAGES]]
    return any(closest(unit, ranking.words) >= WHOLE for unit in best)
