"""What both faces of the engine promise: the same methods, documented, on one event loop."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import cast, get_args

import pytest

from graphrag import (
    AsyncGraphRAG,
    Document,
    GraphRAG,
    IndexOptions,
    IndexResult,
    QueryMethod,
    QueryOptions,
    UsageError,
)
from graphrag.engine.options import IndexArguments, QueryArguments
from graphrag.query.router import Method
from graphrag.tuning.run import TuneOptions

ARGUMENTS = {
    "IndexArguments": IndexArguments,
    "QueryArguments": QueryArguments,
    "TuneOptions": TuneOptions,
}
PUBLIC = sorted(
    name
    for name, value in inspect.getmembers(AsyncGraphRAG)
    if not name.startswith("_") and callable(value)
)


def parameters(function: object) -> Iterator[str]:
    """The names of the arguments, those of `**options` one by one."""
    for parameter in inspect.signature(cast(type, function)).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (kind,) = [name for name in ARGUMENTS if name in str(parameter.annotation)]
            yield from ARGUMENTS[kind].__annotations__
        elif parameter.name != "self":
            yield parameter.name


@pytest.mark.parametrize("name", PUBLIC)
def test_each_method_documents_its_arguments_in_both_classes(name: str) -> None:
    method: object = getattr(AsyncGraphRAG, name)
    twin: object = getattr(GraphRAG, name)
    text = inspect.getdoc(method) or ""
    assert text == inspect.getdoc(twin)
    assert [*parameters(method)] == [*parameters(twin)]
    missing = [argument for argument in parameters(method) if f"`{argument}`" not in text]
    assert not missing
    assert "Raises " in text


@pytest.mark.parametrize("options", [IndexOptions, QueryOptions, IndexResult])
def test_each_field_is_documented_below_itself(options: type) -> None:
    source = Path(inspect.getfile(options)).read_text(encoding="utf-8")
    (body,) = (
        node.body
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == options.__name__
    )
    documented = {
        field.target.id
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
    }
    assert documented == {field.name for field in fields(options)}


def test_the_keyword_arguments_are_the_fields() -> None:
    for options, arguments in ((IndexOptions, IndexArguments), (QueryOptions, QueryArguments)):
        annotations = {field.name: str(field.type) for field in fields(options)}
        named = cast(dict[str, object], arguments.__annotations__)
        assert {
            name: str(getattr(kind, "__forward_arg__", kind)) for name, kind in named.items()
        } == annotations


def test_the_methods_of_a_question_are_those_of_the_router() -> None:
    assert set(get_args(QueryMethod)) == {"auto", *get_args(Method)}


def test_an_argument_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        GraphRAG.open(tmp_path, chat=None, embed=None) as rag,
        pytest.raises(TypeError, match="prun"),
    ):
        rag.index(prun=True)  # pyright: ignore[reportCallIssue] # that it is refused is the test


def test_a_second_event_loop_is_refused_with_what_to_do(tmp_path: Path) -> None:
    rag = AsyncGraphRAG.open(tmp_path, chat=None, embed=None)
    documents = [Document(source="a", text="Captain Ann Smith sailed the Corvus.")]

    async def fill_and_ask() -> bool:
        await rag.index(documents=documents)
        return (await rag.query("Who sailed the Corvus?")).answered

    with asyncio.Runner() as runner:
        assert runner.run(fill_and_ask())
        for work in (rag.query("Who sailed the Corvus?"), rag.status(), rag.close()):
            with pytest.raises(UsageError, match="second event loop") as caught:
                asyncio.run(work)
            assert "one event loop per AsyncGraphRAG" in caught.value.hint
            assert "GraphRAG" in caught.value.hint
        runner.run(rag.close())
    asyncio.run(rag.close())  # closing twice does no harm
