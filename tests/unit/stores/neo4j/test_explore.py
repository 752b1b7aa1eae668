"""What Browser is told when it connects is what the style file says, in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from graphrag.stores.neo4j.explore import browser_commands, style_file


def test_the_style_file_comes_as_one_command() -> None:
    told = browser_commands()
    config, style, clear, param = re.split(r"; (?=\w)", told)
    assert (config, clear) == ("config autoComplete: false", "clear")
    assert param == 'param namespace: "default"'
    assert re.search(r"[\n\\\\]", told) is None  # a line of neo4j.conf, where \\ escapes
    rules = json.loads(style.removeprefix("style "))
    sheet = Path(style_file()).read_text(encoding="utf-8")
    assert len(rules) == sheet.count("\n}")
    assert sum(map(len, rules.values())) == sheet.count(";\n")
    assert rules["node.__Entity__"]["caption"] == "{name}"
    assert rules["relationship.RELATED"]["color"].startswith("#")


def test_a_namespace_that_a_line_of_settings_cannot_hold_is_not_told() -> None:
    for name in ('a"; play x', "a\\u0022", "a\nb", "a;b", "naïve"):
        assert browser_commands(namespace=name).endswith("; clear")
    assert browser_commands(namespace="news 2024").endswith('; param namespace: "news 2024"')
