"""Read the corrections that people made of the graph, and apply the ones that tell names apart.

`corrections.yaml` under the root is a list, an item a line; it wins over the settings, the model's
verdicts and the rules. An item is undone by removing its line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeAlias, cast

import polars as pl
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from typing_extensions import TypedDict  # pydantic describes no other before Python 3.12

from graphrag.core.errors import NotFoundError, SettingsError, UsageError
from graphrag.core.tables import stable_id
from graphrag.core.work_folder import write_whole
from graphrag.indexing.extraction.evidence import CurrentEvidence
from graphrag.text import normalise

FILE_NAME = "corrections.yaml"
_HEAD = """\
# Corrections of the graph, applied by every `graphrag index`. Remove a line to undo it.
"""

_NEW = "the new correction"
_KEPT = "kept for when there is"
_ONE_ALREADY = "these are one name already"
# What is wrong with an item, by pydantic's word for it.
_WRONG: Mapping[str, str] = {
    "string_type": "{where} is {value!r:.200}, no text: put it into quotes",
    "tuple_type": "{where} is {value!r:.200}, no list: write [A, B]",
    "too_short": "{where} has fewer than two names",
    "string_too_short": "{where} is empty",
    "missing": "{where!r} is missing",
    "extra_forbidden": "{where!r} is not known",
}

_Text: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(names))
    if len(distinct) < 2:
        raise ValueError(_ONE_ALREADY)
    return distinct


class Merge(_Item):
    """These names are one entity; the first is its name."""

    merge: Annotated[tuple[_Text, ...], Field(min_length=2), AfterValidator(_distinct)]


class Rename(_Item):
    """The entity of this name is called `to`; where another is called so, the two are one."""

    rename: _Text
    to: _Text

    @model_validator(mode="after")
    def _check(self) -> Rename:
        if self.rename == self.to:
            raise ValueError(_ONE_ALREADY)
        return self


class Retype(_Item):
    retype: _Text
    to: _Text


class Hide(_Item):
    """The entity of this name is no entity."""

    hide: _Text


class Split(_Item):
    """This name means `to` in some documents, or where the text has one of some phrases."""

    split: _Text
    to: _Text
    documents: tuple[_Text, ...] = ()
    context: tuple[_Text, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Split:
        if bool(self.documents) == bool(self.context):
            raise ValueError("say documents, or context, where the name means something else")
        if normalise(self.split) == normalise(self.to):
            raise ValueError("the two names are one")
        return self


Correction: TypeAlias = Merge | Rename | Retype | Hide | Split
_KINDS: Mapping[str, type[Correction]] = {
    "merge": Merge,
    "split": Split,
    "rename": Rename,
    "retype": Retype,
    "hide": Hide,
}


@dataclass(frozen=True, slots=True)
class Corrections:
    """What the items ask for together, free of contradiction."""

    items: tuple[Correction, ...] = ()
    joined: tuple[tuple[str, ...], ...] = ()
    """Names that are one entity; the first is its name."""
    types: Mapping[str, str] = field(default_factory=dict[str, str])
    """By normalised name."""
    hidden: frozenset[str] = frozenset()
    """Normalised names."""

    @property
    def record(self) -> str:
        """What an index keeps of them: a digest of each item, as a JSON list."""
        return json.dumps([stable_id("correction", item.model_dump_json()) for item in self.items])

    @property
    def splits(self) -> tuple[Split, ...]:
        return tuple(item for item in self.items if isinstance(item, Split))

    def keep_apart(self, lists: Sequence[Sequence[str]]) -> list[list[str]]:
        """`lists` of names that stay apart, but where these corrections make two of them one."""
        names = {normalise(name): own[0] for own in self.joined for name in own}
        kept = [
            list({names.get(normalise(name), name): name for name in reversed(apart)}.values())
            for apart in lists
        ]
        return [*kept, *([one.split, one.to] for one in self.splits)]

    def notes(
        self,
        evidence: CurrentEvidence,
        documents: pl.DataFrame,
        names: Collection[str],
        *,
        new_names: bool = False,
    ) -> list[CorrectionNote]:
        """What items do not find, in their order; with `new_names` also new names and types.

        `evidence` is as it was before `tell_apart`, `names` are the normalised ones after it,
        `documents` has id and source. What follows from another item's note is none.
        """
        given: dict[str, set[int]] = {}
        for number, item in enumerate(self.items, start=1):
            if isinstance(item, Rename | Split):
                given.setdefault(normalise(item.to), set()).add(number)
            elif isinstance(item, Merge):
                given.setdefault(normalise(item.merge[0]), set()).add(number)
        units = _units(evidence, documents) if self.splits else None
        types = set[str]()
        if new_names:
            types.update(str(one).casefold() for one in evidence.entities["type"].unique())
        found: list[CorrectionNote] = []

        def is_there(name: str, number: int) -> bool:
            norm = normalise(name)
            return norm in names or bool(given.get(norm, set()) - {number})

        for number, item in enumerate(self.items, start=1):
            match item:
                case Merge():
                    named = item.merge[1:]
                    first = item.merge[0]
                    if new_names and not is_there(first, number):
                        what = f"{first!r} is a new name, which the entity will have"
                        found.append(CorrectionNote(number, what, first))
                case Retype():
                    named = (item.retype,)
                    if new_names and item.to.casefold() not in types:
                        what = f"no entity is of type {item.to!r} yet"
                        found.append(CorrectionNote(number, what))
                case Rename(rename=name) | Hide(hide=name):
                    named = (name,)
                case Split():
                    assert units is not None
                    found += [
                        CorrectionNote(number, f"{what}; {_KEPT}")
                        for what in _unmet(item, units, documents, evidence)
                    ]
                    continue
            found += [
                CorrectionNote(number, f"nothing is called {name!r}; {_KEPT}", name)
                for name in named
                if not is_there(name, number)
            ]
        return found


@dataclass(frozen=True, slots=True)
class CorrectionNote:
    """What an item of `corrections.yaml` does not find in the index."""

    number: int
    """Of the item, from 1."""
    what: str
    """Without a full stop."""
    name: str = ""
    """The name that nothing has, where it is one."""


def warnings(notes: Sequence[CorrectionNote]) -> Iterator[str]:
    """A sentence for each thing that is not found, with the numbers of its items."""
    numbers: dict[str, list[int]] = {}
    for note in notes:
        numbers.setdefault(note.what, []).append(note.number)
    for what, own in numbers.items():
        yield f"{FILE_NAME}, {_items(own)}: {what}"


NO_CORRECTIONS = Corrections()


class CorrectionState(TypedDict):
    """What the next run of `index` would find in `corrections.yaml`."""

    items: int
    pending: int  # items that the index was made without
    removed: int  # items that the index was made with, and that are gone
    problem: str  # why the file cannot be read, or ""


def correction_state(root: Path, record: str) -> CorrectionState:
    """Compare the file under `root` with the `record` of an index."""
    try:
        corrections = read_corrections(root)
    except SettingsError as error:
        return CorrectionState(items=0, pending=0, removed=0, problem=str(error))
    written, applied = (
        Counter(cast("list[str]", json.loads(one))) for one in (corrections.record, record)
    )
    return CorrectionState(
        items=len(corrections.items),
        pending=(written - applied).total(),
        removed=(applied - written).total(),
        problem="",
    )


def read_corrections(root: Path) -> Corrections:
    """The corrections under `root`; none where there is no file. Raises SettingsError."""
    return corrections_of(_read(root / FILE_NAME), source=root / FILE_NAME)


def corrections_of(rows: Sequence[object], *, source: object = FILE_NAME) -> Corrections:
    """Check `rows` one by one and together. Raises SettingsError naming the rows at fault."""
    numbered = enumerate(rows, start=1)
    items = tuple(_parse(row, f"{source}: item {number}") for number, row in numbered)
    joined = tuple(_joined(items, source))
    set_of = {normalise(name): one for one in joined for name in one[0]}

    def entity(name: str) -> tuple[str, tuple[int, ...]]:
        """Its normalised name, and the items that make it so."""
        names, numbers = set_of.get(normalise(name), ((name,), ()))
        return normalise(names[0]), numbers

    types: dict[str, str] = {}
    first: dict[tuple[str, ...], tuple[int, str]] = {}  # who said what of a name
    hidden = {
        entity(item.hide)[0]: number
        for number, item in enumerate(items, start=1)
        if isinstance(item, Hide)
    }
    for number, item in enumerate(items, start=1):
        match item:
            case Retype():
                name, kind = entity(item.retype)[0], item.to.lower()
                other, said = first.setdefault((name,), (number, kind))
                if said != kind:
                    what = f"{item.retype!r} has two types, {said!r} and {kind!r}"
                    raise _ContradictionError(what, source, (other, number))
                types[name] = kind
                named = (item.retype,)
            case Split():
                (name, by), (meant, _) = entity(item.split), entity(item.to)
                if name == meant:
                    what = f"{item.split!r} and {item.to!r} are split and merged"
                    raise _ContradictionError(what, source, (*by, number))
                for where in (*item.documents, *map(str.lower, item.context)):
                    by_what = "documents" if item.documents else "context"
                    key = (normalise(item.split), by_what, where)
                    other, said = first.setdefault(key, (number, item.to))
                    if entity(said)[0] != meant:
                        what = f"{item.split!r} means {said!r} and {item.to!r} by {where!r}"
                        raise _ContradictionError(what, source, (other, number))
                named = (item.to,)
            case Merge():
                named = item.merge
            case Rename():
                named = (item.rename, item.to)
            case Hide():
                named = ()
        for name in named:
            key, by = entity(name)
            if key in hidden:
                what = f"{name!r} is hidden and corrected"
                raise _ContradictionError(what, source, (hidden[key], *by, number))
    return Corrections(items, tuple(names for names, _ in joined), types, frozenset(hidden))


def plain(corrections: Corrections) -> list[dict[str, object]]:
    """The items as they stand in the file."""
    return [_plain(item) for item in corrections.items]


def _plain(item: Correction) -> dict[str, object]:
    return item.model_dump(mode="json", exclude_defaults=True)


def add_correction(root: Path, row: Mapping[str, object]) -> str:
    """Add one item to the file, which is checked first; returns its line.

    One that stands there already is not added again. Raises UsageError on an item that is wrong
    by itself, SettingsError where it contradicts others or the file is wrong.
    """
    import yaml

    path = root / FILE_NAME
    rows = _read(path)
    before = corrections_of(rows, source=path).items
    try:
        item = _parse(row, _NEW)
        corrections_of([row], source=_NEW)
    except SettingsError as error:
        raise UsageError(str(error), hint=error.hint) from error
    dump = cast(
        "Callable[..., str]",
        yaml.safe_dump,  # pyright: ignore[reportUnknownMemberType]
    )
    line = dump(
        _plain(item), default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**31
    ).strip()
    if item in before:
        return line
    try:
        corrections_of([*rows, row], source=path)
    except _ContradictionError as error:
        others = sorted({*error.numbers} - {len(rows) + 1})
        raise SettingsError(
            f"{path}: {_NEW} contradicts {_items(others)}: {error.what}",
            hint=f"It was not written. Remove {_items(others)} first, if this one is right.",
        ) from error
    text = _text(path) or _HEAD
    text = f"{text.rstrip()}\n- {line}\n"
    if len(_rows(text, path)) != len(rows) + 1:
        raise SettingsError(f"{path} has no item a line", hint=f"Add it by hand: {line}")
    _write(path, text)
    return line


def remove_correction(root: Path, number: int) -> None:
    """Take the item `number`, from 1, out of the file. Raises NotFoundError where it has none."""
    import yaml

    path = root / FILE_NAME
    text = _text(path)
    rows = _rows(text, path)
    if not 0 < number <= len(rows):
        raise NotFoundError(f"{path} has no item {number}", hint=f"It has {len(rows)}.")
    compose = cast("Callable[[str], yaml.SequenceNode]", yaml.compose)
    node = last = cast("yaml.Node", compose(text).value[number - 1])
    while isinstance(last, yaml.CollectionNode) and not last.flow_style:
        value = cast("Sequence[yaml.Node] | Sequence[tuple[yaml.Node, yaml.Node]]", last.value)[-1]
        last = value[1] if isinstance(value, tuple) else value
    lines = text.splitlines(keepends=True)
    kept = "".join([*lines[: node.start_mark.line], *lines[last.end_mark.line + 1 :]])
    if list(_rows(kept, path)) != [*rows[: number - 1], *rows[number:]]:
        raise SettingsError(f"{path} has no item a line", hint="Take it out by hand.")
    _write(path, kept)


def tell_apart(
    evidence: CurrentEvidence, corrections: Corrections, documents: pl.DataFrame
) -> CurrentEvidence:
    """`evidence` with the names that are split under their new ones.

    `documents` has id and source.
    """
    if not corrections.splits:
        return evidence
    units = _units(evidence, documents)
    moved = pl.concat([_moved(one, units) for one in corrections.splits])
    moved = moved.unique(["text_unit_id", "norm"], keep="first", maintain_order=True)
    entities = _moved_names(evidence.entities, moved, "norm", "name")
    relationships = evidence.relationships
    for end in ("source_norm", "target_norm"):
        relationships = _moved_names(relationships, moved, end)
    claims = evidence.claims
    for end in ("subject", "object"):
        norms = [normalise(name or "") for name in claims[end].to_list()]
        keyed = claims.with_columns(pl.Series("norm", norms, dtype=pl.String))
        claims = _moved_names(keyed, moved, "norm", end).drop("norm")
    return replace(
        evidence,
        entities=entities,
        relationships=relationships,
        claims=claims,
        moved=moved.select("text_unit_id", "norm", "to_norm"),
    )


def _units(evidence: CurrentEvidence, documents: pl.DataFrame) -> pl.DataFrame:
    sources = documents.select(pl.col("id").alias("document_id"), "source")
    return evidence.units.join(sources, on="document_id", how="left")


def _moved(split: Split, units: pl.DataFrame) -> pl.DataFrame:
    """text_unit_id, norm, to, to_norm: the units in which the name means something else."""
    wheres = [*map(_in_document, split.documents), *map(_has_phrase, split.context)]
    return units.filter(pl.any_horizontal(wheres)).select(
        "text_unit_id",
        pl.lit(normalise(split.split)).alias("norm"),
        pl.lit(split.to).alias("to"),
        pl.lit(normalise(split.to)).alias("to_norm"),
    )


def _unmet(
    split: Split, units: pl.DataFrame, documents: pl.DataFrame, evidence: CurrentEvidence
) -> list[str]:
    """What `split` asks for that the texts lack."""
    wheres = {name: _in_document(name) for name in split.documents} | {
        phrase: _has_phrase(phrase) for phrase in split.context
    }
    rows = documents if split.documents else units
    found = [name for name, where in wheres.items() if not rows.filter(where).is_empty()]
    what = "no document is" if split.documents else "no text has"
    lacking = [f"{what} {name!r}" for name in wheres if name not in found]
    named = evidence.entities.filter(pl.col("norm") == normalise(split.split))
    if found and (
        named.join(_moved(split, units), on=["text_unit_id", "norm"], how="semi").is_empty()
    ):
        where = ", ".join(map(repr, found))
        lacking.append(f"nothing is called {split.split!r} where it is split, by {where}")
    return lacking


def _has_phrase(phrase: str) -> pl.Expr:
    return pl.col("text").str.to_lowercase().str.contains(phrase.lower(), literal=True)


def _in_document(name: str) -> pl.Expr:
    """Of this source, or with this end from a slash on: `sky.md` is `notes/sky.md`."""
    source = pl.col("source")
    return (source == name) | source.str.ends_with(f"/{name}")


def _moved_names(rows: pl.DataFrame, moved: pl.DataFrame, norm: str, *names: str) -> pl.DataFrame:
    return (
        rows.join(
            moved, left_on=["text_unit_id", norm], right_on=["text_unit_id", "norm"], how="left"
        )
        .with_columns(
            pl.coalesce("to_norm", norm).alias(norm),
            *(pl.coalesce("to", name).alias(name) for name in names),
        )
        .drop("to", "to_norm")
    )


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error}") from error


def _read(path: Path) -> Sequence[object]:
    return _rows(_text(path), path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="Correct the file.") from error


def _rows(text: str, path: Path) -> Sequence[object]:
    import yaml

    try:
        data: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="Correct the file.") from error
    if data is None:
        return ()
    if not isinstance(data, list):
        raise SettingsError(f"{path} is no list of corrections", hint=_hint())
    return cast("list[object]", data)


def _parse(row: object, where: str) -> Correction:
    given = cast("dict[object, object]", row) if isinstance(row, dict) else {}
    kinds = [name for name in _KINDS if name in given]
    if len(kinds) != 1:
        raise SettingsError(f"{where} is no correction: {row!r:.200}", hint=_hint())
    try:
        return _KINDS[kinds[0]].model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        wrong = _WRONG.get(first["type"], "{error}").format(
            where=".".join(map(str, first["loc"])),
            value=cast("object", first["input"]),
            error=first["msg"].removeprefix("Value error, "),
        )
        raise SettingsError(f"{where} ({kinds[0]}): {wrong}", hint=_hint()) from error


def _hint() -> str:
    return (
        "Items are {merge: [A, B]}, {rename: A, to: B}, {retype: A, to: ship}, {hide: A}, "
        "{split: A, to: B, documents: [a.md]} or {split: A, to: B, context: [a phrase]}."
    )


def _joined(
    items: Sequence[Correction], source: object
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """The sets of names that merges and renames make, with the numbers of these items.

    The first name of each is the one that no item gives up. Where an item says how to spell a
    name, it is spelled so.
    """
    lists = {
        number: item.merge if isinstance(item, Merge) else (item.to, item.rename)
        for number, item in enumerate(items, start=1)
        if isinstance(item, Merge | Rename)
    }
    set_of: dict[str, dict[int, tuple[str, ...]]] = {}
    for number, names in lists.items():
        held = [set_of.get(normalise(name), {}) for name in names]
        whole = {**dict(chain.from_iterable(one.items() for one in held)), number: names}
        for name in chain.from_iterable(whole.values()):
            set_of[normalise(name)] = whole
    for whole in {id(one): one for one in set_of.values()}.values():
        kept: dict[str, str] = {}
        spelled: dict[str, dict[str, None]] = {}
        lost = {name for names in whole.values() for name in names[1:]}
        for first, *others in whole.values():
            kept[normalise(first)] = first
            if normalise(first) in map(normalise, others):
                own = spelled.setdefault(normalise(first), {})
                own |= {} if first in lost else {first: None}
        for first, *others in whole.values():
            for name in others:
                if normalise(name) != normalise(first):
                    kept.pop(normalise(name), None)
        called = [
            *chain.from_iterable(spelled.values()),
            *(name for norm, name in kept.items() if norm not in spelled),
        ]
        if len(called) != 1:
            names = sorted(dict.fromkeys(chain.from_iterable(whole.values())))
            what = (
                f"{', '.join(map(repr, names))} are one entity, to be called "
                f"{' or '.join(map(repr, called)) or 'none of them'}"
            )
            raise _ContradictionError(what, source, tuple(whole))
        spellings = dict.fromkeys([*called, *chain.from_iterable(whole.values())])
        yield tuple(spellings), tuple(whole)


class _ContradictionError(SettingsError):
    def __init__(self, what: str, source: object, numbers: Sequence[int]) -> None:
        self.what, self.numbers = what, numbers
        super().__init__(
            f"{source}: {_items(sorted({*numbers}))} contradict each other: {what}",
            hint="Remove one of the lines; nothing was applied.",
        )


def _items(numbers: Sequence[int]) -> str:
    return f"item{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
