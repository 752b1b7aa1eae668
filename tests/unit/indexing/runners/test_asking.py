"""Many questions at once: what is kept, what is listed, and what ends the asking."""

from __future__ import annotations

import asyncio

import pytest

from graphrag.core.errors import BadReplyError, CostLimitError, ModelAuthError, ModelError
from graphrag.indexing.runners.asking import Asked, ask_and_keep

Kept = list[tuple[int, str | ModelError]]


def run(
    answers: dict[int, str | Exception], kept: Kept, *, limit: int = 1, patience: int | None = None
) -> tuple[Asked[int], list[int]]:
    """Ask for all of `answers`, one after the other; and what was done."""
    done: list[int] = []

    async def ask(item: int) -> str:
        answer = answers[item]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def keep(results: Kept) -> None:
        await asyncio.sleep(0)
        kept.extend(results)

    asked = ask_and_keep(answers, ask, keep, limit=limit, on_done=done.extend, patience=patience)
    return asyncio.run(asked), done


def test_replies_and_errors_are_kept_and_errors_listed() -> None:
    kept: Kept = []
    error = BadReplyError("no JSON")
    asked, done = run({1: "one", 2: error, 3: "three"}, kept, limit=3)
    assert sorted(done) == [1, 2, 3]
    assert sorted(kept, key=lambda pair: pair[0]) == [(1, "one"), (2, error), (3, "three")]
    assert asked == Asked(2, {2: error})


def test_a_cost_limit_ends_the_asking_and_is_no_error_of_an_item() -> None:
    kept: Kept = []
    limit = CostLimitError("enough")
    asked, done = run({1: "one", 2: limit, 3: "three"}, kept)
    assert done == [1, 2]
    assert kept == [(1, "one")]
    assert asked == Asked(1, {}, limit)


def test_a_refused_key_is_raised_when_all_before_it_is_kept() -> None:
    kept: Kept = []
    with pytest.raises(ModelAuthError, match="wrong key"):
        run({1: "one", 2: ModelAuthError("wrong key"), 3: "three"}, kept)
    assert kept == [(1, "one")]


@pytest.mark.parametrize(("first", "n_done"), [(ModelError("down"), 2), ("one", 4)])
def test_patience_ends_only_where_nothing_came(first: str | ModelError, n_done: int) -> None:
    down = ModelError("down")
    asked, done = run({1: first, 2: down, 3: down, 4: down}, [], patience=2)
    assert len(done) == n_done
    assert (asked.stopped is down) == (n_done == 2)


def test_other_exceptions_are_raised_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        run({1: ZeroDivisionError()}, [])
