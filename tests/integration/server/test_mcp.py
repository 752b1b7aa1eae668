"""The Model Context Protocol, asked by its makers' own client, over HTTP and over pipes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent, TextResourceContents

from graphrag.text import tokens
from tests.conftest import missing
from tests.served import FACT, QUESTION, Served, copy_of, serving

Result = TypeVar("Result")
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
READING = ["ask", "explore", "fetch", "reports", "search", "status"]


@asynccontextmanager
async def over_http(served: Served) -> AsyncGenerator[Client]:
    headers = {"Authorization": f"Bearer {served.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{served.url}/mcp", http_client=http)) as client,
    ):
        yield client


@asynccontextmanager
async def over_pipes(root: Path, *options: str) -> AsyncGenerator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "graphrag", "mcp", "--index", f"kb={root}", *options],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    async with Client(stdio_client(server)) as client:
        yield client


def asking(served: Served, work: Callable[[Client], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with over_http(served) as client:
            return await work(client)

    return asyncio.run(run())


async def call(client: Client, tool: str, **arguments: object) -> dict[str, object]:
    """The reply, which must be one piece of JSON."""
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    assert result.structured_content is None  # it would say all twice
    return cast("dict[str, object]", json.loads(content.text))


async def failing(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return cast(TextContent, result.content[0]).text


def test_tools_say_what_they_are_for(served: Served) -> None:
    async def work(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert sorted(tool.name for tool in tools) == READING
        for tool in tools:
            assert len(tool.description or "") > 80
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            properties = cast("dict[str, dict[str, str]]", tool.input_schema.get("properties", {}))
            assert all(one.get("description") for one in properties.values())
        # All that a model reads of them before it asks anything.
        told = json.dumps([tool.model_dump(mode="json", exclude_none=True) for tool in tools])
        assert tokens.count(told) < 2500

    asking(served, work)


def test_search_and_fetch_have_the_shapes_of_connectors(served: Served) -> None:
    async def work(client: Client) -> None:
        found = await call(client, "search", query=QUESTION)
        results = cast("list[dict[str, str]]", found["results"])
        assert results
        for one in results:
            assert {"id", "title", "url"} <= one.keys()
        texts: list[str] = []
        for one in results:
            passage = await call(client, "fetch", id=one["id"])
            assert passage["id"] == one["id"]
            assert {"title", "text", "url", "metadata"} <= passage.keys()
            texts.append(str(passage["text"]))
        assert any(FACT in text for text in texts)

    asking(served, work)


def test_reading_on_reaches_the_neighbours(served: Served) -> None:
    async def work(client: Client) -> None:
        results = cast("list[dict[str, str]]", (await call(client, "search", query="x"))["results"])
        for one in results:
            metadata = cast(
                "dict[str, str]", (await call(client, "fetch", id=one["id"]))["metadata"]
            )
            if "next" in metadata:
                after = await call(client, "fetch", id=metadata["next"])
                back = cast("dict[str, str]", after["metadata"])["previous"]
                assert back == one["id"]

    asking(served, work)


def test_ask_answers_with_citations_that_can_be_fetched(served: Served) -> None:
    async def work(client: Client) -> None:
        answer = await call(client, "ask", question=QUESTION)
        assert answer["answered"] is True
        assert FACT in str(answer["answer"])
        cited = cast("list[dict[str, object]]", answer["citations"])
        passage = await call(client, "fetch", id=cited[0]["id"])
        quote = " ".join(str(cited[0]["quote"]).split())
        assert quote in " ".join(str(passage["text"]).split())

    asking(served, work)


def test_explore_and_reports_and_status(served: Served) -> None:
    async def work(client: Client) -> None:
        entity = await call(client, "explore", entity="great eastern")
        assert entity["name"] == "Great Eastern"
        around = cast("list[dict[str, str]]", entity["around"])
        assert any("relationship" in one for one in around)
        passages = [one["passage"] for one in around if "passage" in one]
        await call(client, "fetch", id=passages[0])
        reports = await call(client, "reports", search="Great Eastern")
        assert cast(int, reports["total"]) > 0
        status = await call(client, "status")
        assert cast("list[dict[str, object]]", status["indexes"])[0]["name"] == "kb"

    asking(served, work)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search", {"query": "the cable"}),
        ("ask", {"question": "What is told of the cables?", "method": "global"}),
        ("explore", {"entity": "1866"}),
        ("reports", {}),
        ("explore", {"entity": "1866", "max_tokens": 300}),
        ("reports", {"max_tokens": 200}),
        ("ask", {"question": QUESTION, "max_tokens": 300}),
    ],
)
def test_every_reply_keeps_within_its_bound(
    served: Served, tool: str, arguments: dict[str, object]
) -> None:
    async def work(client: Client) -> None:
        reply = await call(client, tool, **arguments)
        size = tokens.count(json.dumps(reply, ensure_ascii=False))
        most = cast(int, arguments.get("max_tokens", 2000))
        assert size <= most
        assert size > most // 4 or "left_out" not in reply  # nothing is left out without need

    asking(served, work)


def test_what_goes_wrong_is_told_with_a_hint(served: Served) -> None:
    async def work(client: Client) -> None:
        assert "There are: kb" in await failing(client, "ask", question="x", index="other")
        assert "Search again" in await failing(client, "fetch", id="no-such")
        assert "no text unit" in await failing(client, "fetch", id="kb:no-such")
        assert "method" in await failing(client, "ask", question="x", method="no-such")
        assert "query" in await failing(client, "reports", query="x")
        assert "no entity" in await failing(client, "explore", entity="Zzyzx Qwfp")
        assert "Unknown tool" in await failing(client, "index")

    asking(served, work)


def test_resources_are_read_by_id(served: Served) -> None:
    async def work(client: Client) -> None:
        templates = (await client.list_resource_templates()).resource_templates
        assert {one.name for one in templates} == {"document", "passage", "entity", "report"}
        (first, *_) = cast(
            "list[dict[str, str]]", (await call(client, "search", query=QUESTION))["results"]
        )
        read = await client.read_resource(first["url"])
        text = cast(TextResourceContents, read.contents[0]).text
        assert text.startswith(first["text"][:40])
        for kind, path in (
            ("entity", "entities"),
            ("document", "documents"),
            ("report", "reports"),
        ):
            one = served.get(f"/api/indexes/kb/{path}?limit=1").items(path)[0]
            identity = one.get("id") or one["community_id"]
            read = await client.read_resource(f"graphrag://kb/{kind}/{identity}")
            assert cast(TextResourceContents, read.contents[0]).text
        for wrong in ("graphrag://kb/document/no-such", "graphrag://other/document/x"):
            with pytest.raises(Exception, match=r"no document|no index"):
                await client.read_resource(wrong)

    asking(served, work)


def test_over_pipes_it_is_the_same(sample_root: Path) -> None:
    async def run() -> None:
        async with over_pipes(sample_root, "--read-only") as client:
            assert sorted(tool.name for tool in (await client.list_tools()).tools) == READING
            answer = await call(client, "ask", question=QUESTION)
            assert FACT in str(answer["answer"])

    asyncio.run(run())


def test_writing_needs_to_be_allowed(sample_root: Path, tmp_path: Path) -> None:
    root = copy_of(sample_root, tmp_path)

    async def work(client: Client) -> str:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(tools) == sorted([*READING, "index", "delete"])
        hints = tools["delete"].annotations
        assert hints is not None
        assert hints.destructive_hint
        assert "none of the folders" in await failing(client, "index", paths=["/etc"])
        assert "path" in await failing(client, "index", path="documents")
        reply = await call(client, "delete", document="documents/great-eastern.md")
        return str(reply["job"])

    with serving(root, mcp_write=True) as served:
        job = asking(served, work)
        assert served.finish(job)["state"] == "done"
        told = asking(served, lambda client: call(client, "status"))
        (first,) = cast("list[dict[str, object]]", told["jobs"])
        assert (first["id"], first["state"], first["failed"]) == (job, "done", 0)
        assert served.get("/api/indexes/kb/documents?search=great-eastern").json["total"] == 0
    assert (root / "documents" / "great-eastern.md").is_file()


def test_the_inspector_lists_and_calls_tools(sample_root: Path) -> None:
    """The protocol's own inspector, from npm, starts the command and talks to it."""
    npx = shutil.which("npx") or ""
    if not npx:
        missing("npx is not installed (Debian: apt-get install npm)")
    command = [npx, "--yes", INSPECTOR, "--cli", sys.executable, "-m", "graphrag", "mcp"]
    command += ["--index", f"kb={sample_root}", "--method"]

    def inspect(*arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return cast("dict[str, object]", json.loads(done.stdout))

    tools = cast("list[dict[str, object]]", inspect("tools/list")["tools"])
    assert sorted(str(tool["name"]) for tool in tools) == READING
    asked = ["tools/call", "--tool-name", "ask", "--tool-arg", f"question={QUESTION}"]
    (content,) = cast("list[dict[str, str]]", inspect(*asked)["content"])
    assert FACT in content["text"]
