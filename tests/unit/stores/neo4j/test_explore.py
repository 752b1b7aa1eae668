"""What Browser is told when it connects is what the style file says, in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from graphrag.stores.neo4j.explore import browser_commands, style_file


def test_the_style_file_comes_as_one_command() -> None:
    told = browser_commands()
    config, style, clear = re.split(r"; (?=\w)", told)
    assert (config, clear) == ("config autoComplete: false", "clear")
    assert re.search(r"[\n\\\\]", told) is None  # a line of neo4j.conf, where \\ escapes
    rules = json.loads(style.removeprefix("style "))
    sheet = Path(style_file()).read_text(encoding="utf-8")
    assert len(rules) == sheet.count("\n}")
    assert sum(map(len, rules.values())) == sheet.count(";\n")
    assert rules["node.__Entity__"]["caption"] == "{name}"
    assert rules["relationship.RELATED"]["color"].startswith("#")
