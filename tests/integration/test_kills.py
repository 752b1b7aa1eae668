"""A process that is killed in a commit, and what is read after."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from graphrag.stores.sqlite.store import SQLiteStore
from tests.unit.stores.sqlite.test_store import snapshot

_COMMIT_FOREVER = """
import asyncio, sys
from pathlib import Path
from graphrag.stores.sqlite.store import SQLiteStore
from tests.unit.stores.sqlite.test_store import snapshot

async def main(path):
    store = await SQLiteStore.open(path, namespace="default")
    async with store.writing():
        number = 0
        while True:
            number += 1
            await store.put_replies({str(number): "x"})
            print(number, flush=True)
            await store.commit(snapshot(*[str(number)] * 2000, meta=str(number)))

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_kill_in_a_commit_leaves_the_old_or_the_new(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "graph.db"
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMIT_FOREVER, str(path)], cwd=root, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()

    async def main() -> None:
        store = await SQLiteStore.open(path, namespace="default", create=False)
        run = (await store.meta()).get("run")
        assert run in (None if lines == 1 else str(lines - 1), str(lines))
        held = await store.read("entities")
        assert held["description"].unique().to_list() == ([run] if run else [])
        assert held.height == (2000 if run else 0)
        found = await store.search_text("entities", run or "1", k=3000)
        assert len(found) == held.height
        async with store.writing():  # the lease of the dead is no hindrance
            await store.commit(snapshot("after"))
        (check,) = store._connection.execute("PRAGMA integrity_check").fetchone()
        assert check == "ok"
        await store.close()

    asyncio.run(main())
