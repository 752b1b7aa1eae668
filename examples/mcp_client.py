"""Ask an index as an assistant does: by the Model Context Protocol, of `graphrag mcp`.

python examples/mcp_client.py ROOT QUESTION
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import TextContent


async def ask(root: str, question: str) -> str:
    """The answer, with its citations, as JSON."""
    command = ["-m", "graphrag", "mcp", "--root", root, "--read-only"]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        result = await client.call_tool("ask", {"question": question})
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


if __name__ == "__main__":
    print(json.loads(asyncio.run(ask(*sys.argv[1:])))["answer"])
