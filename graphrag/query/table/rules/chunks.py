"""Divide what a question says of its type into parts, a relation or a condition each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import polars as pl

from graphrag.query.table.graph import Refusal
from graphrag.query.table.plan import Condition, Operator
from graphrag.query.table.rules.draft import Chunk, Draft, Joined, check_measured
from graphrag.query.table.rules.tokens import Token

IGNORED = ("filler", "that", "in", "both")
_OPERATORS: tuple[Literal["<", "<=", ">", ">="], ...] = ("<", "<=", ">", ">=")
_WITHIN = (*_OPERATORS, *IGNORED, "than", "year", "number", "between", "value", "has")


def read_chunks(tokens: Sequence[Token], draft: Draft) -> list[Chunk]:
    """The parts of `tokens`, what stands behind a question's type; what compares goes to `draft`.

    Raises Refusal on whatever cannot be read.
    """
    reader = _Reader(tokens, draft)
    reader.read()
    if any(chunk.is_empty and chunk.negated for chunk in reader.chunks):
        raise Refusal("the question does not say what is denied")
    return [chunk for chunk in reader.chunks if not chunk.is_empty]


class _Reader:
    def __init__(self, tokens: Sequence[Token], draft: Draft) -> None:
        self._tokens = tokens
        self._draft = draft
        self._graph = draft.graph
        self.chunks = [Chunk()]

    def read(self) -> None:
        at = 0
        while at < len(self._tokens):
            at += 1 + self._take(self._tokens[at], at)

    def _take(self, token: Token, at: int) -> int:
        """Put a token into the last chunk, or begin one; how many more tokens it took."""
        current = self.chunks[-1]
        match token.kind:
            case "and" | "but" | "comma" | "list":
                self._join(token)
            case "no":
                current.negated = True
            case "nor":
                self._join(token)
                self.chunks[-1].negated = True
            case "by":
                current.passive = True
            case "has":
                current.has = True
            case "most" | "fewest":
                current.order = token.kind
            case "relation":
                self._relation(token)
            case "type" | "name":
                self._end(token, at)
            case "that" if self._is_relative(at):
                if not current.is_empty:
                    self.chunks.append(Chunk(joined="that"))
                self.chunks[-1].relative = True
            case "degree" | "max" | "min" if self._is_best(token):
                return self._superlative(token, self._tokens[at + 1 :])
            case "attribute" | "key" | "value" | "degree" | "year" | "number" | "between":
                return self._condition(at)
            case "<" | "<=" | ">" | ">=":
                return self._condition(at)
            case "word":
                self._word(token, at)
            case "total" | "count" | "top" | "filler" | "that" | "in" | "both":
                pass
            case _:
                raise Refusal(f"{token.text!r} cannot be asked in this place")
        return 0

    def _join(self, token: Token) -> None:
        current = self.chunks[-1]
        joined: Joined = "and"
        if token.kind in ("but", "comma"):
            joined = "but" if token.kind == "but" else "that"
        if not current.is_empty or current.negated:
            self.chunks.append(Chunk(joined=joined))
        elif joined != "that" or not current.joined:
            current.joined = joined

    def _relation(self, token: Token) -> None:
        """A second relation of a chunk begins another, as a hop does."""
        names = token.means["relation"]
        if len(names) > 1:
            raise Refusal(f"{token.text!r} may be any of the relations {', '.join(names)}")
        if self.chunks[-1].relation:
            self.chunks.append(Chunk(joined="that"))
        self.chunks[-1].relation = token.name("relation")

    def _end(self, token: Token, at: int) -> None:
        """Another end of the chunk; "the river Aske" is one, by its name and its type."""
        current = self.chunks[-1]
        if current.relation and current.ends:
            self.chunks.append(Chunk(joined="that"))
        before = self._tokens[at - 1]
        beside = token.kind == "name" and before.kind == "type" and before in current.ends[-1:]
        if beside and self._is_of(token.name("name"), before.name("type")):
            token = replace(token, means={**token.means, "type": before.means["type"]})
            current.ends.pop()
        self.chunks[-1].ends.append(token)

    def _is_of(self, name: str, type_: str) -> bool:
        ids = self._graph.ids_named(name)
        return not self._graph.entities.filter(
            pl.col("id").is_in(ids), pl.col("kind") == type_
        ).is_empty()

    def _is_relative(self, at: int) -> bool:
        """Whether "that" begins a second hop; in German it is an article, too, but for commas."""
        if not self._graph.by_sentences or not at:
            return False
        after_comma = self._tokens[at - 1].kind == "comma" and self.chunks[-1].joined == "that"
        english = self._draft.language == "en" and bool(self.chunks[-1].ends)
        return after_comma or english

    def _word(self, token: Token, at: int) -> None:
        current = self.chunks[-1]
        if self._graph.by_sentences:
            self._check_name(at)
            if current.ends and current.words and not current.inverted and self._ends_behind(at):
                self.chunks.append(Chunk(joined="that"))
            current = self.chunks[-1]
            current.inverted = current.inverted or bool(current.ends and not current.words)
            current.words.append(token.text)
            return
        there = ", ".join(sorted(self._graph.relations))
        raise Refusal(
            f"the graph has no relation, attribute or name {token.text!r}",
            hint=f"Its relations are: {there}.",
        )

    def _check_name(self, at: int) -> None:
        """Raises Refusal on capitalised words that name nothing here; a German noun may be one."""
        run: list[str] = []
        for token in self._tokens[at:]:
            if not (token.kind == "word" and token.text[:1].isupper()):
                break
            run.append(token.text)
        if len(run) > (1 if self._draft.language == "de" else 0):
            raise Refusal(
                f"the graph names no entity {' '.join(run)!r}",
                hint="Ask by the name that the documents use.",
            )

    def _ends_behind(self, at: int) -> bool:
        """Whether what the word says has another end: "bridges crossing the Aske"."""
        for token in self._tokens[at + 1 :]:
            if token.kind in ("and", "but", "comma", "list", "nor", "that"):
                return False
            if token.kind in ("type", "name"):
                return True
        return False

    def _is_best(self, token: Token) -> bool:
        """Whether the token asks for the most or least of all, or of those that are compared."""
        return not token.degree or token.degree.superlative or bool(self._draft.plan.among)

    def _superlative(self, token: Token, behind: Sequence[Token]) -> int:
        """Read "is the longest" or "has the largest length"; how many more tokens it took."""
        for place, one in enumerate(behind, start=1):
            if one.kind == "attribute":
                self._draft.best(token, one)
                return place
            if one.kind not in IGNORED:
                check_measured(one)
                break
        self._draft.best(token, None)
        return 0

    def _condition(self, at: int) -> int:
        """Read a condition from `at` on; how many more tokens it took."""
        part = self._part(at)
        first, span = part[0], len(part)
        following = self._tokens[at + span] if at + span < len(self._tokens) else None
        values = [one for one in part if one.kind in ("year", "number")]
        if first.kind in ("number", *_OPERATORS) and following and values:
            if following.kind == "type":
                self._at_least(_operator(part), int(values[0].number))
                return span - 1
            if following.kind in ("attribute", "key"):  # "vor 1866 gebaut"
                first, span = following, span + 1
        match first.kind:
            case "value":
                self._value(first, following)
                return 0
            case "attribute":
                name, own = self._owned(first.name("attribute"))
                self._on(Condition("attribute", name, "present"), part, own=own)
            case "key":
                key = first.name("key")
                if following and following.kind in ("word", "name") and len(part) == 1:
                    self._put(Condition("metadata", key, "=", (following.text,)), own=True)
                    return span
                self._on(Condition("metadata", key, "present"), part, own=True)
                return span - 1
            case "degree" if values:
                assert first.degree
                name, type_ = self._draft.measured(first, self._subjects())
                operator: Operator = ">" if first.degree.more else "<"
                made = Condition("attribute", name, operator, (_text(values[0]),))
                self._put(made, own=type_ == self._draft.plan.type)
            case _:
                raise Refusal(
                    f"{' '.join(one.text for one in part)!r} does not say of what it is",
                    hint="Name the attribute or the metadata key, as in “built after 1866”.",
                )
        return span - 1 + (self._unit(at + span, name) if values else 0)

    def _part(self, at: int) -> Sequence[Token]:
        """The tokens of a condition: up to its value, or its second one behind "between"."""
        end, wanted = at + 1, 1
        if self._tokens[at].kind in ("year", "number"):
            return self._tokens[at:end]
        while end < len(self._tokens) and self._tokens[end].kind in (*_WITHIN, "and"):
            token = self._tokens[end]
            if token.kind == "between":
                wanted = 2
            if token.kind == "and" and wanted != 1:
                break
            if token.kind == "and" and not self._is_between(at, end):
                break
            end += 1
            if token.kind in ("year", "number", "value"):
                wanted -= 1
                if wanted == 0:
                    break
        return self._tokens[at:end]

    def _is_between(self, at: int, end: int) -> bool:
        return any(token.kind == "between" for token in self._tokens[at:end])

    def _subjects(self) -> list[str]:
        """Of which types a condition may be: the nearest first."""
        ends = [end.name("type") for end in self.chunks[-1].ends[-1:] if end.kind == "type"]
        return [*ends, self._draft.plan.type]

    def _owned(self, name: str) -> tuple[str, bool]:
        """The attribute, and whether it is one of the type that is asked for."""
        types = self._graph.has[name].types
        for type_ in self._subjects():
            if type_ in types:
                return name, type_ == self._draft.plan.type
        raise Refusal(
            f"no {self._draft.plan.type} has the attribute {name!r}",
            hint=f"It is one of: {', '.join(types)}.",
        )

    def _put(self, condition: Condition, *, own: bool) -> None:
        chunk = self.chunks[-1]
        (chunk.conditions if own else chunk.of_end).append(condition)

    def _value(self, token: Token, following: Token | None) -> None:
        """ "Danish ships": the value belongs to the type behind it, else to the nearest before."""
        names = token.means["value"]
        own = not (following and following.kind == "type")
        types = self._subjects() if own else [following.name("type")] if following else []
        fits = [(name, type_) for type_ in types for name in names
                if type_ in self._graph.has[name].types]  # fmt: skip
        if not fits:
            raise Refusal(f"{token.text!r} is no value of an attribute of {' or '.join(types)}")
        found = [name for name, type_ in fits if type_ == fits[0][1]]
        if len(found) > 1:
            raise Refusal(f"{token.text!r} is a value of several: {', '.join(found)}")
        sign: Operator = "!=" if self.chunks[-1].negated and own else "="
        if own:
            self.chunks[-1].negated = False
        own = own and fits[0][1] == self._draft.plan.type
        self._put(Condition("attribute", found[0], sign, (token.text,)), own=own)

    def _on(self, blank: Condition, part: Sequence[Token], *, own: bool) -> None:
        """Fill a condition with what stands beside its name."""
        chunk = self.chunks[-1]
        values = [_text(one) for one in part if one.kind in ("year", "number")]
        named = [one.text for one in part if one.kind == "value"]
        if named:
            sign: Operator = "!=" if chunk.negated else "="
            chunk.negated = False
            self._put(replace(blank, operator=sign, values=(named[0],)), own=own)
        elif len(values) == 2:
            self._put(replace(blank, operator=">=", values=(values[0],)), own=own)
            self._put(replace(blank, operator="<=", values=(values[1],)), own=own)
        elif values:
            self._put(replace(blank, operator=_operator(part), values=(values[0],)), own=own)
        elif blank.of == "metadata":
            raise Refusal(f"the question does not say which {blank.key}")
        elif chunk.negated:
            chunk.negated = False
            self._put(replace(blank, operator="missing"), own=own)
        else:
            if own and not self._draft.plan.attribute:
                self._draft.set(attribute=blank.key)
            self._put(blank, own=own)

    def _unit(self, at: int, name: str) -> int:
        """1 where the token at `at` is the unit of the attribute. Raises Refusal on another."""
        if at >= len(self._tokens) or self._tokens[at].kind != "word":
            return 0
        units = self._graph.has[name].units
        said = self._tokens[at].text
        if said.lower() in {unit.lower() for unit in units}:
            return 1
        raise Refusal(
            f"{name} is not in {said!r}", hint=f"Its unit is: {', '.join(units) or 'none'}."
        )

    def _at_least(self, operator: Operator, number: int) -> None:
        chunk = self.chunks[-1]
        match operator:
            case ">":
                chunk.at_least = number + 1
            case ">=":
                chunk.at_least = number
            case "<":
                chunk.at_least, chunk.at_most = 0, number - 1
            case "<=":
                chunk.at_least, chunk.at_most = 0, number
            case _:
                chunk.at_least, chunk.at_most = number, number


def _operator(part: Sequence[Token]) -> Operator:
    for one in _OPERATORS:
        if any(token.kind == one for token in part):
            return one
    return "="


def _text(token: Token) -> str:
    return token.text.replace(",", "") if token.kind == "number" else token.text
