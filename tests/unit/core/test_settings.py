"""Settings: one default each, a clear order, and errors that name what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import yaml

from graphrag.core.errors import SettingsError
from graphrag.core.settings import FILE_NAME, Settings
from graphrag.core.settings_file import load_settings, render_yaml, setting_names


def load(root: Path, text: str = "", **environ: str) -> Settings:
    if text:
        (root / FILE_NAME).write_text(text, encoding="utf-8")
    return load_settings(root, environ=environ)


def test_no_file_gives_the_defaults_and_no_model(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.chat.model == Settings().chat.model
    assert not settings.has_chat
    assert not settings.has_embedding


def test_order_is_file_then_environment_then_options(tmp_path: Path) -> None:
    text = "chunks: {max_tokens: 100, overlap: 10}\nnamespace: file\n"
    (tmp_path / FILE_NAME).write_text(text)
    environ = {"GRAPHRAG__CHUNKS__OVERLAP": "20", "GRAPHRAG__NAMESPACE": "env"}
    settings = load_settings(tmp_path, environ=environ, options={"namespace": "call"})
    assert (settings.chunks.max_tokens, settings.chunks.overlap) == (100, 20)
    assert settings.namespace == "call"


def test_the_rendered_file_loads_to_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, render_yaml()) == load(tmp_path / "elsewhere")


def test_the_rendered_file_describes_every_setting() -> None:
    lines = render_yaml().splitlines()
    for number, line in enumerate(lines):
        if ": " in line and not line.lstrip().startswith("#"):
            assert lines[number - 1].lstrip().startswith("# "), line
    data = yaml.safe_load(render_yaml())
    for name in setting_names():
        value: object = data
        for key in name.split("."):
            assert isinstance(value, dict)
            assert key in value, name
            value = cast(dict[str, object], value)[key]


@pytest.mark.parametrize(
    ("environ", "chat", "embedding"),
    [
        ({"OPENAI_API_KEY": "k"}, True, True),
        ({"OPENAI_BASE_URL": "http://localhost:1/v1"}, True, True),
        ({"OPENAI_API_KEY": ""}, False, False),
        ({"OPENAI_API_KEY": "k", "GRAPHRAG__EMBEDDING__MODEL": "null"}, True, False),
        ({"GRAPHRAG__CHAT__API_KEY": "k"}, True, True),
        ({"GRAPHRAG__EMBEDDING__BASE_URL": "http://localhost:1/v1"}, False, True),
    ],
)
def test_models_come_from_the_openai_variables(
    tmp_path: Path, environ: dict[str, str], chat: bool, embedding: bool
) -> None:
    settings = load_settings(tmp_path, environ=environ)
    assert (settings.has_chat, settings.has_embedding) == (chat, embedding)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("chat: {modle: x}", "chat.modle"),
        ("chat: {modle: x}", "did you mean 'chat.model'"),
        ("nonsense: 1", "nonsense"),
        ("query: {basic: {k: 0}}", "query.basic.k"),
        ("query: {global: {level: -1}}", "query.global"),
        ("chat: {api_key: '${NOT_SET}'}", "NOT_SET"),
        ("chat: 5", "chat"),
        ("[1, 2]", FILE_NAME),
        ("a: [", FILE_NAME),
    ],
)
def test_wrong_files_name_the_setting(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert named in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_variables_are_put_in_and_keys_stay_hidden(tmp_path: Path) -> None:
    settings = load(
        tmp_path, "chat:\n  api_key: ${MY_KEY}\n  model: m-${SIZE}\n", MY_KEY="s3cret", SIZE="8b"
    )
    assert settings.chat.model == "m-8b"
    assert settings.chat.api_key is not None
    assert settings.chat.api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


def test_a_wrong_value_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "chat: {api_key: [s3cret]}")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ['x: !!int ""', "x: !!timestamp foo", "a: &a [*a]", "x: 0x" + "F" * 5000, "x: ["]
)
def test_a_file_that_yaml_cannot_build_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "graphrag.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"graphrag\.yaml cannot be read"):
        load_settings(tmp_path)
