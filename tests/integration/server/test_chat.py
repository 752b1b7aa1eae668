"""OpenAI's own client against the server: models, answers, streams, history, errors."""

from __future__ import annotations

from collections.abc import Generator

import openai
import pytest

from tests.served import FACT, QUESTION, Served


@pytest.fixture(scope="module")
def client(served: Served) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.token, max_retries=0) as client:
        yield client


def test_models_are_indexes_and_their_methods(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "kb"
    assert {"kb:basic", "kb:drift", "kb:auto", "kb:global"} <= set(names)
    assert client.models.retrieve("kb:drift").id == "kb:drift"
    with pytest.raises(openai.NotFoundError, match=r"no model 'other'\. GET /v1/models"):
        client.models.retrieve("other")


def test_an_answer_has_its_citations_as_annotations_and_in_the_text(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="kb:basic", messages=[{"role": "user", "content": QUESTION}], temperature=0
    )
    assert reply.model == "kb:basic"
    (choice,) = reply.choices
    text = choice.message.content or ""
    assert choice.finish_reason == "stop"
    assert FACT in text
    assert "\n\nSources:\n[1] " in text
    annotations = choice.message.annotations or []
    assert annotations
    for annotation in annotations:
        cited = annotation.url_citation
        assert text[cited.start_index : cited.end_index].startswith("[")
        extra = cited.model_extra or {}
        assert extra["quote"]
        assert extra["verified"] is True
        assert extra["document"].startswith("documents/")


def test_a_stream_is_the_same_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="kb", messages=[{"role": "user", "content": QUESTION}]
    )
    chunks = list(
        client.chat.completions.create(
            model="kb",
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None


def test_the_conversation_is_history(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="kb:local",
        messages=[
            {"role": "system", "content": "Answer in verse."},
            {"role": "user", "content": "Who built the Great Eastern?"},
            {"role": "assistant", "content": "Brunel. [1]\n\nSources:\n[1] Great Eastern"},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ],
    )
    assert FACT in (reply.choices[0].message.content or "")


def test_errors_are_those_that_the_client_knows(served: Served, client: openai.OpenAI) -> None:
    asked: list[dict[str, str]] = [{"role": "user", "content": "x"}]
    for model in ("other", "kb:no-such", ""):
        with pytest.raises(openai.NotFoundError) as unknown:
            client.chat.completions.create(model=model, messages=asked)  # type: ignore[arg-type] # plain dicts
        assert "/v1/models" in unknown.value.message
    with pytest.raises(openai.BadRequestError, match="no question"):
        client.chat.completions.create(
            model="kb", messages=[{"role": "system", "content": "Be kind."}]
        )
    wrong = openai.OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()
