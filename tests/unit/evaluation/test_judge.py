"""What a judge is asked keeps within the window of its model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from graphrag.core.settings_file import load_settings
from graphrag.evaluation.answers.grading import FactualityReply
from graphrag.evaluation.judge import Asker
from graphrag.models.servers import open_models
from graphrag.testing import TestServer


def test_what_the_window_has_no_room_for_is_cut_and_counted(tmp_path: Path) -> None:
    values = {"question": "Who?", "gold": "Ann", "answer": "Ann sailed. " * 2000}

    async def ask(url: str) -> Asker:
        options = {"chat.base_url": url, "chat.context_tokens": 2048, "embedding.model": None}
        models = open_models(load_settings(tmp_path, options=options, environ={}), root=tmp_path)
        try:
            asker = Asker(models, tmp_path)
            await asker.ask("factuality", values, FactualityReply)
            await asker.ask("factuality", {**values, "answer": "Ann."}, FactualityReply)
            return asker
        finally:
            await models.close()

    with TestServer(context_tokens=2048, tokens="tiktoken") as server:
        asker = asyncio.run(ask(server.url))
        refused = sum(kind["faults"] for kind in server.stats()["chat"].values())
    assert (asker.asked, asker.cut, refused) == (2, 1, 0)
    assert "1 of 2 prompts were cut to the window of the model" in asker.warnings()
