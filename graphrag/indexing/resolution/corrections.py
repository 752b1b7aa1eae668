"""Read the corrections that people made of the graph, and apply the ones that tell names apart.

`corrections.yaml` under the root is a list, an item a line; it wins over the settings, the model's
verdicts and the rules. An item is undone by removing its line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeAlias, cast

import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from graphrag.core.errors import SettingsError, UsageError
from graphrag.core.tables import stable_id
from graphrag.core.work_folder import write_whole
from graphrag.indexing.extraction.evidence import CurrentEvidence
from graphrag.text import normalise

FILE_NAME = "corrections.yaml"
_HEAD = """\
# Corrections of the graph, applied by every `graphrag index`. Remove a line to undo it.
"""

_WHEN = "when there is"
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


class Merge(_Item):
    """These names are one entity; the first is its name."""

    merge: Annotated[tuple[_Text, ...], Field(min_length=2)]


class Rename(_Item):
    """The entity of this name is called `to`; where another is called so, the two are one."""

    rename: _Text
    to: _Text


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
    def digest(self) -> str:
        return stable_id("corrections", *(item.model_dump_json() for item in self.items))

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

    def absent(self, names: Collection[str], sources: Sequence[str]) -> Iterator[str]:
        """What to say of items whose names are not among the normalised `names`.

        Or whose documents are not among those of `sources`.
        """
        for item in self.items:
            match item:
                case Merge():
                    lacking = [name for name in item.merge[1:] if normalise(name) not in names]
                case Rename(rename=name) | Retype(retype=name) | Hide(hide=name):
                    lacking = [name] if normalise(name) not in names else []
                case Split():
                    lacking = [item.split] if normalise(item.to) not in names else []
                    for name in item.documents:
                        if not any(_is_of(name, source) for source in sources):
                            yield f"{FILE_NAME}: no document is {name!r}; kept for {_WHEN}"
            for name in lacking:
                where = " where it is split" if isinstance(item, Split) else ""
                yield f"{FILE_NAME}: nothing is called {name!r}{where}; kept for {_WHEN}"


NO_CORRECTIONS = Corrections()


def read_corrections(root: Path) -> Corrections:
    """The corrections under `root`; none where there is no file. Raises SettingsError."""
    return corrections_of(_read(root / FILE_NAME), source=root / FILE_NAME)


def corrections_of(rows: Sequence[object], *, source: object = FILE_NAME) -> Corrections:
    """Check `rows` one by one and together. Raises SettingsError naming the rows at fault."""
    items = tuple(_parse(row, number, source) for number, row in enumerate(rows, start=1))
    joined = tuple(_joined(items, source))
    of_set = {normalise(name): names[0] for names in joined for name in names}

    def entity(name: str) -> str:
        return normalise(of_set.get(normalise(name), name))

    types: dict[str, str] = {}
    hidden = {entity(item.hide): item.hide for item in items if isinstance(item, Hide)}
    for item in items:
        match item:
            case Retype():
                kind = item.to.lower()
                other = types.setdefault(entity(item.retype), kind)
                if other != kind:
                    what = f"{item.retype!r} has two types, {other!r} and {kind!r}"
                    raise _contradiction(what, source)
                named = (item.retype,)
            case Split():
                if entity(item.split) == entity(item.to):
                    raise _contradiction(
                        f"{item.split!r} and {item.to!r} are split and merged", source
                    )
                named = (item.to,)
            case Merge():
                named = item.merge
            case Rename():
                named = (item.rename, item.to)
            case Hide():
                named = ()
        for name in named:
            if entity(name) in hidden:
                raise _contradiction(f"{name!r} is hidden and corrected", source)
    return Corrections(items, joined, types, frozenset(hidden))


def plain(corrections: Corrections) -> list[dict[str, object]]:
    """The items as they stand in the file."""
    return [item.model_dump(mode="json", exclude_defaults=True) for item in corrections.items]


def add_correction(root: Path, row: Mapping[str, object]) -> str:
    """Add one item to the file, which is checked first; returns its line.

    Raises UsageError on an item that is wrong by itself, SettingsError where the file is.
    """
    import yaml

    path = root / FILE_NAME
    rows = _read(path)
    try:
        corrections_of([row], source="the new correction")
    except SettingsError as error:
        raise UsageError(str(error), hint=error.hint) from error
    item = plain(corrections_of([*rows, row], source=path))[-1]
    dump = cast(
        "Callable[..., str]",
        yaml.safe_dump,  # pyright: ignore[reportUnknownMemberType]
    )
    line = dump(
        item, default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**31
    ).strip()
    text = _text(path) or _HEAD
    text = f"{text.rstrip()}\n- {line}\n"
    if len(_rows(text, path)) != len(rows) + 1:
        raise SettingsError(f"{path} has no item a line", hint=f"Add it by hand: {line}")
    _write(path, text)
    return line


def remove_correction(root: Path, number: int) -> None:
    """Take the item `number`, from 1, out of the file. Raises SettingsError where it has none."""
    import yaml

    path = root / FILE_NAME
    text = _text(path)
    rows = _rows(text, path)
    if not 0 < number <= len(rows):
        raise SettingsError(f"{path} has no item {number}", hint=f"It has {len(rows)}.")
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
    sources = documents.select(pl.col("id").alias("document_id"), "source")
    units = evidence.units.join(sources, on="document_id", how="left")
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


def _moved(split: Split, units: pl.DataFrame) -> pl.DataFrame:
    """text_unit_id, norm, to, to_norm: the units in which the name means something else."""
    if split.documents:
        sources = units["source"].unique().to_list()
        meant = [one for one in sources if any(_is_of(name, one) for name in split.documents)]
        chosen = units.filter(pl.col("source").is_in(meant))
    else:
        text = pl.col("text").str.to_lowercase()
        phrases = [text.str.contains(phrase.lower(), literal=True) for phrase in split.context]
        chosen = units.filter(pl.any_horizontal(phrases))
    return chosen.select(
        "text_unit_id",
        pl.lit(normalise(split.split)).alias("norm"),
        pl.lit(split.to).alias("to"),
        pl.lit(normalise(split.to)).alias("to_norm"),
    )


def _is_of(document: str, source: str) -> bool:
    """Whether `document` is `source`, or its end from a slash on: `sky.md` is `notes/sky.md`."""
    return source == document or source.endswith(f"/{document}")


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


def _parse(row: object, number: int, source: object) -> Correction:
    given = cast("dict[object, object]", row) if isinstance(row, dict) else {}
    kinds = [name for name in _KINDS if name in given]
    if len(kinds) != 1:
        raise SettingsError(f"{source}: item {number} is no correction: {row!r:.200}", hint=_hint())
    try:
        return _KINDS[kinds[0]].model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        wrong = _WRONG.get(first["type"], "{error}").format(
            where=".".join(map(str, first["loc"])),
            value=cast("object", first["input"]),
            error=first["msg"].removeprefix("Value error, "),
        )
        said = f"{source}: item {number} ({kinds[0]}): {wrong}"
        raise SettingsError(said, hint=_hint()) from error


def _hint() -> str:
    return (
        "Items are {merge: [A, B]}, {rename: A, to: B}, {retype: A, to: ship}, {hide: A}, "
        "{split: A, to: B, documents: [a.md]} or {split: A, to: B, context: [a phrase]}."
    )


def _joined(items: Sequence[Correction], source: object) -> Iterator[tuple[str, ...]]:
    """The sets of names that merges and renames make, each with the one that no item gives up."""
    lists = [
        item.merge if isinstance(item, Merge) else (item.to, item.rename)
        for item in items
        if isinstance(item, Merge | Rename)
    ]
    set_of: dict[str, list[tuple[str, ...]]] = {}
    for names in lists:
        held = {id(one): one for name in names if (one := set_of.get(normalise(name)))}
        whole = [*chain.from_iterable(held.values()), names]
        for name in chain.from_iterable(whole):
            set_of[normalise(name)] = whole
    for whole in {id(one): one for one in set_of.values()}.values():
        kept = {normalise(names[0]): names[0] for names in whole}
        for name in chain.from_iterable(names[1:] for names in whole):
            kept.pop(normalise(name), None)
        if len(kept) != 1:
            names = sorted({name for own in whole for name in own})
            called = " or ".join(map(repr, kept.values())) or "none of them"
            what = f"{', '.join(map(repr, names))} are one entity, to be called {called}"
            raise _contradiction(what, source)
        spellings = dict.fromkeys([*kept.values(), *chain.from_iterable(whole)])
        yield tuple(spellings)


def _contradiction(what: str, source: object) -> SettingsError:
    return SettingsError(
        f"{source}: two corrections contradict each other: {what}",
        hint="Remove one of the lines; nothing was applied.",
    )
