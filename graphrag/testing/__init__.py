"""A deterministic OpenAI-compatible server, and models that need no server, for tests.

`TestServer` answers over real HTTP: in this process, in one of its own (`TestServer.spawn`), or
from a shell (`python -m graphrag.testing`). `FakeChat` and `FakeEmbedder` go into
`GraphRAG.open(chat=…, embed=…)`.
"""

from graphrag.testing.fakes import FakeChat, FakeEmbedder
from graphrag.testing.faults import Fault
from graphrag.testing.replies import ChatRequest, Rule
from graphrag.testing.server import TestServer

__all__ = ["ChatRequest", "FakeChat", "FakeEmbedder", "Fault", "Rule", "TestServer"]
