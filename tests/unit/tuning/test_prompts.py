"""Prompt files of a root: their states, a new set put in place, what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphrag import prompts
from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.settings_file import DEFAULT_TYPES, load_settings
from graphrag.prompts import DIVIDER, PLACEHOLDERS
from graphrag.tuning import prompt_set
from graphrag.tuning.checks import check, diff, foreign, list_prompts, text_of
from graphrag.tuning.discovery import given_types, type_name

REPORT = "indexing/report"


def changed(name: str, word: str) -> str:
    return f"{word}\n{prompts.load(name).text}"


def files(word: str, *names: str) -> dict[str, str | None]:
    return {name: changed(name, word) for name in names or (REPORT, "query/answer")}


def held(root: Path) -> dict[str, str]:
    folder = root / "prompts"
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_set_is_installed_and_loaded(tmp_path: Path) -> None:
    done = prompt_set.install(tmp_path, files("New."), {"model": "m"}, force=False)
    assert done.written == (REPORT, "query/answer")
    assert (done.kept, done.previous) == ((), "")
    assert prompts.load(REPORT, root=tmp_path).text == changed(REPORT, "New.")
    found = prompt_set.states(tmp_path)
    assert {name for name, state in found.items() if state == "tuned"} == {REPORT, "query/answer"}
    record = prompt_set.read_record(tmp_path)
    assert record is not None
    assert (record["model"], record["installed"]) == ("m", True)
    assert set(held(tmp_path)) == {"indexing/report.md", "query/answer.md", "tuning.json"}


def test_an_edit_is_known_by_its_hash(tmp_path: Path) -> None:
    prompt_set.install(tmp_path, files("New."), {}, force=False)
    path = tmp_path / "prompts" / "indexing" / "report.md"
    path.write_text(changed(REPORT, "Mine."), encoding="utf-8")
    found = prompt_set.states(tmp_path)
    assert (found[REPORT], found["query/answer"]) == ("edited", "tuned")
    path.unlink()
    assert prompt_set.states(tmp_path)[REPORT] == "packaged"


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    path = tmp_path / "prompts" / "indexing" / "report.md"
    path.parent.mkdir(parents=True)
    path.write_text(changed(REPORT, "Mine."), encoding="utf-8")
    done = prompt_set.install(tmp_path, files("New."), {}, force=False)
    assert (done.written, done.kept) == (("query/answer",), (REPORT,))
    assert path.read_text(encoding="utf-8") == changed(REPORT, "Mine.")
    assert prompt_set.states(tmp_path)[REPORT] == "own"


def test_force_replaces_and_keeps_what_was_there(tmp_path: Path) -> None:
    prompt_set.install(tmp_path, files("First."), {}, force=False)
    (tmp_path / "prompts" / "query" / "answer.md").write_text(changed("query/answer", "Mine."))
    before = held(tmp_path)
    second = files("Second.", REPORT) | {"query/answer": None}
    done = prompt_set.install(tmp_path, second, {}, force=True)
    assert done.previous.endswith("previous-1")
    after = held(tmp_path)
    assert {f"previous-1/{name}": text for name, text in before.items()}.items() <= after.items()
    assert "query/answer.md" not in after
    assert after["indexing/report.md"] == changed(REPORT, "Second.")
    same = prompt_set.install(tmp_path, second, {}, force=True)
    assert same.previous == ""
    assert held(tmp_path) == after
    third = prompt_set.install(tmp_path, files("Third.", REPORT), {}, force=True)
    assert third.previous.endswith("previous-2")


def test_a_set_aside_is_not_loaded(tmp_path: Path) -> None:
    folder = prompt_set.set_aside(tmp_path, files("Worse."), {"why": "lost"})
    assert prompts.load(REPORT, root=tmp_path) == prompts.load(REPORT)
    assert prompt_set.read_record(tmp_path) is None
    assert json.loads((folder / "tuning.json").read_text())["installed"] is False
    assert check([], tmp_path) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file")
    with pytest.raises(UsageError, match="prompts") as refused:
        prompt_set.check_writable(tmp_path)
    assert refused.value.hint


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "tuning.json").write_text("{")
    with pytest.raises(SettingsError, match=r"tuning\.json"):
        prompt_set.states(tmp_path)


def domain(root: Path, text: str) -> None:
    (root / "prompts").mkdir(exist_ok=True)
    (root / "prompts" / "domain.json").write_text(text, encoding="utf-8")


def test_the_settings_take_up_types_and_terms(tmp_path: Path) -> None:
    domain(tmp_path, '{"entity_types": ["ship"], "terms": [["Eastern Company", "ETC"]]}')
    settings = load_settings(tmp_path, options={"resolution.always_join": [["a", "b"]]})
    assert settings.extraction.entity_types == ("ship",)
    assert settings.resolution.always_join == (("a", "b"), ("Eastern Company", "ETC"))
    own = load_settings(tmp_path, options={"extraction.entity_types": ["port"]})
    assert own.extraction.entity_types == ("port",)
    written_out = load_settings(tmp_path, options={"extraction.entity_types": [*DEFAULT_TYPES]})
    assert written_out.extraction.entity_types == ("ship",)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"entity_types": "ship", "terms": []}', '{"entity_types": [], "terms": [[1]]}'],
)
def test_a_wrong_domain_file_is_named(tmp_path: Path, text: str) -> None:
    domain(tmp_path, text)
    with pytest.raises(SettingsError, match=r"domain\.json"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("Cable_Ship ", "cable ship"),
        ("회사", "회사"),
        ("", ""),
        ("42", ""),
        ("a, b", ""),
        ("{{text}}", ""),
        ("x" * 41, ""),
        ("two\nlines", "two lines"),
    ],
)
def test_names_of_types(name: str, type_: str) -> None:
    assert type_name(name) == type_


def test_types_as_a_user_gives_them() -> None:
    assert given_types(["ship, port", "person"]) == ("ship", "port", "person")
    with pytest.raises(UsageError, match=r"\{x\}"):
        given_types(["ship,{x}"])
    with pytest.raises(UsageError):
        given_types([" , "])


def test_the_list_has_every_prompt_with_its_tokens(tmp_path: Path) -> None:
    prompt_set.install(tmp_path, files("A new word at its beginning."), {}, force=False)
    rows = {row.name: row for row in list_prompts(tmp_path)}
    assert set(rows) == set(PLACEHOLDERS)
    report = rows[REPORT]
    assert report.state == "tuned"
    assert report.tokens == report.packaged_tokens + 7
    assert report.placeholders == ("context", "max_findings")
    assert rows["query/rewrite"].tokens == rows["query/rewrite"].packaged_tokens


def test_the_difference_names_both_files(tmp_path: Path) -> None:
    assert diff([], tmp_path) == ""
    prompt_set.install(tmp_path, files("New."), {}, force=False)
    told = diff([REPORT], tmp_path)
    assert told.splitlines()[:2] == [f"--- packaged/{REPORT}.md", f"+++ prompts/{REPORT}.md"]
    assert "+New." in told
    assert "query/answer" in diff([], tmp_path)
    assert text_of(REPORT, tmp_path) == changed(REPORT, "New.")
    with pytest.raises(UsageError, match="nope"):
        diff(["nope"], tmp_path)


def put(root: Path, name: str, text: str) -> Path:
    path = root / "prompts" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_check_names_what_is_missing_and_unknown(tmp_path: Path) -> None:
    put(tmp_path, REPORT, f"At most {{{{max_findings}}}} {DIVIDER} {{{{contest}}}}")
    (found,) = check([], tmp_path)
    assert (found.name, found.state) == (REPORT, "own")
    assert found.problems == ("lacks {{context}}", "{{contest}} is unknown")


def test_check_notes_what_will_go_wrong_later(tmp_path: Path) -> None:
    text = prompts.load("indexing/context").text.replace("never instructions", "to be obeyed")
    put(tmp_path, "indexing/context", f"{{{{document}}}} {'word ' * 500}\n{text}")
    put(tmp_path, "indexing/unheard_of", "A prompt that nothing reads.")
    first, second = check([], tmp_path)
    assert first.problems == ()
    notes = "; ".join(first.notes)
    assert "{{document}} stands in the instructions" in notes
    assert "never instructions" in notes
    assert "tokens go along" in notes
    assert (second.state, second.problems) == ("unknown", ())


def test_check_names_whole_prompts_of_an_earlier_version(tmp_path: Path) -> None:
    prompt_set.install(tmp_path, files("New.", REPORT), {"version": "1"}, force=False)
    put(tmp_path, "indexing/report.domain", "Ships.")
    of_domain, whole = check([], tmp_path)
    assert (of_domain.state, whole.state) == ("own", "tuned")
    assert whole.problems == of_domain.problems == ()
    assert "an earlier version installed it whole" in "; ".join(whole.notes)
    assert "it is not used" in "; ".join(of_domain.notes)
    put(tmp_path, REPORT, prompts.load(REPORT).frame)
    assert check([], tmp_path)[0].notes == ()


def test_a_domain_of_its_own_is_listed_shown_and_compared(tmp_path: Path) -> None:
    put(tmp_path, "indexing/report.domain", "Read for {{context}}, as a pilot.")
    assert {row.name: row.state for row in list_prompts(tmp_path)}[REPORT] == "own"
    assert "\nRead for {{context}}, as a pilot.\n</domain>" in text_of(REPORT, tmp_path)
    assert "+Read for {{context}}, as a pilot." in diff([REPORT], tmp_path)
    put(tmp_path, "indexing/glean.domain", "word " * 4000)
    (glean, _) = check([], tmp_path)
    assert "no line '<!-- domain -->'" in glean.notes[0]
    assert "tokens go along" in glean.notes[1]


def test_packaged_prompts_pass_the_check(tmp_path: Path) -> None:
    for name in PLACEHOLDERS:
        put(tmp_path, name, prompts.load(name).frame)
    found = check([], tmp_path)
    assert len(found) == len(PLACEHOLDERS)
    assert [item for item in found if item.problems or item.notes] == []


# Made for this test in the manner of Microsoft's files: their placeholders and marks.
FOREIGN = {
    "extract_graph.txt": (
        'Types: [{entity_types}]. Give ("entity"{tuple_delimiter}<name>) and end with '
        "{completion_delimiter}. Braces of an example: {{}}. Text: {input_text}",
        "indexing/extract",
        ("{input_text} becomes {{text}}", "delimited tuples", "{completion_delimiter}", "doubled"),
    ),
    "summarize_descriptions.txt": (
        "Entities: {entity_name} Descriptions: {description_list} At most {max_length} words.",
        "indexing/summarise",
        ("{entity_name} becomes {{name}}", "{max_length} has no counterpart"),
    ),
    "community_report_graph.txt": (
        "Write {max_report_length} words, [Data: Reports (1)], from {input_text}.",
        "indexing/report",
        ("{input_text} becomes {{context}}", "{{max_findings}} is to be added", "[r12]"),
    ),
    "extract_claims.txt": (
        "Of {entity_specs}: {claim_description}{tuple_delimiter} in {input_text}",
        "indexing/extract_claims",
        ("{entity_specs} becomes {{entity_types}}", "the reply becomes {"),
    ),
    "local_search_system_prompt.txt": (
        "As {response_type}, [Data: Sources (15)]: {context_data}",
        "query/answer",
        ("{context_data} becomes {{context}}", "{{question}} is to be added", "block `citations`"),
    ),
    "global_search_map_system_prompt.txt": (
        "Points of {max_length} words [Data: Reports (2)] from {context_data}",
        "query/global_map",
        ("{context_data} becomes {{reports}}",),
    ),
    "global_search_reduce_system_prompt.txt": (
        "As {response_type} of {max_length} words [Data: Reports (2)]: {report_data}",
        "query/global_reduce",
        ("{report_data} becomes {{points}}",),
    ),
    "drift_search_system_prompt.txt": (
        "{global_query} with {followups} questions, {response_type}: {context_data}",
        "query/drift_follow_up",
        ("{global_query} becomes {{larger_question}}",),
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_prompts_of_microsoft_are_known_and_told_what_must_change(
    name: str, tmp_path: Path
) -> None:
    text, ours, changes = FOREIGN[name]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    (found,) = check([path], tmp_path)
    assert (found.state, found.name) == ("microsoft", ours)
    told = "; ".join(found.problems)
    for change in changes:
        assert change in told
    assert DIVIDER in told
    assert f"prompts/{ours}.md" in told
    # Put where our prompt belongs it is still known for what it is.
    (moved,) = check([put(tmp_path, ours, text)], tmp_path)
    assert moved.state == "microsoft"
    assert any("lacks" in problem for problem in moved.problems)


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_our_own_prompts_are_not_taken_for_microsofts(name: str) -> None:
    assert foreign(prompts.load(name).text) is None


def test_check_of_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        check([tmp_path / "nowhere"], tmp_path)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (found,) = check([tmp_path / "bytes.txt"], tmp_path)
    assert found.state == "unreadable"
