"""The SDK without the types that are not used: lighter, and whole for whoever asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import cast

from graphrag.testing import TestServer

CALL = """
import asyncio, json, os, sys
from graphrag.models.http_client import Server
from graphrag.models.openai_models import OpenAIChat
from graphrag.prompts import Message
from graphrag.core.settings import ChatSettings

async def ask():
    chat = OpenAIChat(Server(sys.argv[1], "key"), ChatSettings(model="m"))
    reply = await chat.complete([Message("user", "Who?")])
    streamed = [piece async for piece in chat.stream([Message("user", "Who?")])]
    await chat.server.close()
    return bool(reply.text) and bool(streamed)

answered = asyncio.run(ask())
loaded = sorted(name for name in sys.modules if name.startswith("openai.types"))
import openai
from openai.types.responses import Response
found = [openai.types.Batch, openai.types.graders.LabelModelGrader, Response,
         openai.types.responses.Response]
print(json.dumps([answered, loaded, [kind.__name__ for kind in found]]))
"""

FIRST = """
import json, sys
import openai
before = openai.types
from graphrag.models.openai_import import defer_unused_types
defer_unused_types()
print(json.dumps(openai.types is before and sys.modules["openai.types"] is before))
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=dict(os.environ),
    )
    return done.stdout


def test_calls_need_none_of_the_deferred_types_and_an_application_finds_them() -> None:
    with TestServer() as server:
        printed = run(CALL, server.url)
    answered, loaded, found = cast(tuple[bool, list[str], list[str]], json.loads(printed))
    assert answered
    assert not [name for name in loaded if name.startswith("openai.types.responses.response_in")]
    assert len(loaded) < 200  # all are 468 in the version this was written with
    assert found == ["Batch", "LabelModelGrader", "Response", "Response"]


def test_an_sdk_that_is_there_already_is_left_alone() -> None:
    assert json.loads(run(FIRST)) is True
