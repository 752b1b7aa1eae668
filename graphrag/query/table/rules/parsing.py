"""Put the parts of a question together to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from graphrag.query.table.graph import Graph, Refusal
from graphrag.query.table.plan import Group, Link, Order, Plan
from graphrag.query.table.rules.chunks import IGNORED, read_chunks
from graphrag.query.table.rules.draft import Chunk, Draft, check_measured
from graphrag.query.table.rules.forms import ASKING, COUNTING, LISTING
from graphrag.query.table.rules.subjects import Subjects
from graphrag.query.table.rules.tokens import Kind, Token, read

_COMPARED = ("<", "<=", ">", ">=", "year", "number", "between")


def plan_of(text: str, graph: Graph) -> Plan:
    """The plan that `text` asks for. Raises Refusal, naming what cannot be asked."""
    tokens, language = read(text, graph)
    return _Parser(tokens, Draft(graph, language)).plan()


def asks_to_count(text: str, graph: Graph) -> str:
    """The type that `text` asks to count or list, in a plain form; else nothing."""
    tokens, _ = read(text, graph)
    kinds = [token.kind for token in tokens if token.kind not in IGNORED]
    compares = {"more", "fewer"}.intersection(kinds) and {"than", "or"}.intersection(kinds)
    if not kinds or not (kinds[0] in (*ASKING, "has") or compares):
        return ""
    counts = kinds[0] == "count" or any(kind in COUNTING for kind in kinds)
    counts = counts or any(token.degree and token.degree.superlative for token in tokens)
    listed = kinds[0] == "list" and tokens[0].text.lower() in LISTING
    if not (counts or listed or compares or _lists(tokens, graph)):
        return ""
    heads = [token for token in tokens if "type" in token.means or token.kind == "word"]
    return heads[0].name("type") if heads and "type" in heads[0].means else ""


def _lists(tokens: Sequence[Token], graph: Graph) -> bool:
    """Whether it is "which bridges", several: "which bridge" asks for a fact."""
    if len(tokens) < 2 or tokens[0].kind != "list" or "type" not in tokens[1].means:
        return False
    name = tokens[1].name("type")
    declared = graph.schema.types.get(name)
    singular = (name, *graph.types[name], *(declared.aliases if declared else ()))
    return tokens[1].text.lower() not in {one.lower() for one in singular}


class _Parser:
    """One question's tokens, put together to a plan."""

    def __init__(self, tokens: Sequence[Token], draft: Draft) -> None:
        self._graph = draft.graph
        self._tokens = _in_context(tokens)
        self._draft = draft
        self._subjects = Subjects(draft)
        self._both = any(token.kind == "both" for token in tokens)

    def plan(self) -> Plan:
        unread = next((token for token in self._tokens if token.kind == "unread"), None)
        if unread:
            raise Refusal(f"{unread.text!r} cannot be asked of a graph")
        tokens = self._compared(self._grouped(self._tokens))
        head = self._head(tokens)
        before, rest = (tokens[:head], tokens[head + 1 :]) if head is not None else (tokens, [])
        if not self._draft.plan.type:
            raise Refusal(
                "the question names no type of this graph",
                hint=f"There are: {self._graph.list_types() or 'none'}. Types and their aliases "
                "are declared in schema.yaml.",
            )
        asks = any(token.kind in ASKING or token.degree for token in tokens)
        if not (asks or self._draft.plan.among or self._draft.plan.also or not before):
            raise Refusal("the question asks for no number, list or comparison")
        self._add(read_chunks(self._asked(before, rest), self._draft))
        self._check_group()
        return self._draft.plan

    def _check_group(self) -> None:
        """Raises Refusal where "per year" may be the documents' or an attribute's that is named."""
        plan = self._draft.plan
        dates = [one.key for one in plan.conditions if one.operator == "present"
                 and self._draft.graph.has[one.key].kind == "date"]  # fmt: skip
        if plan.group and plan.group.of == "metadata" and dates:
            raise Refusal(
                f"{plan.group.key!r} is a key of the documents, and {dates[0]!r} an attribute",
                hint=f"Ask per {dates[0]}, or leave out {dates[0]!r}.",
            )

    def _grouped(self, tokens: Sequence[Token]) -> list[Token]:
        """Without "per year" and "by flag", which make the group."""
        kept = [*tokens]
        for at, token in enumerate(kept):
            if token.kind not in ("per", "by"):
                continue
            behind = at + 1
            while behind < len(kept) and kept[behind].kind in IGNORED:
                behind += 1
            if behind == len(kept):
                continue
            of = kept[behind]
            wanted: tuple[Kind, ...] = ("attribute", "key")
            if token.kind == "per":
                wanted = ("type", *wanted)
            kind: Kind | None = next((kind for kind in wanted if kind in of.means), None)
            if kind is None and token.kind == "per":
                raise Refusal(f"the graph has no type, attribute or key {of.text!r} to count by")
            if kind is None or (token.kind == "by" and "type" in of.means):
                continue  # "crossed by bridges" is a relation, whatever keys documents have
            if kind == "type" and not any(one.kind in ("count", "total") for one in kept):
                raise Refusal(f"{token.text!r} can only be counted by: ask how many")
            name = of.name(kind)
            ranked = any(one.kind == "top" for one in kept)
            match kind:
                case "attribute" if ranked:
                    self._draft.set(attribute=name, order="most")
                case "type":
                    self._draft.set(group=Group("link", link=Link(type=name)))
                case "attribute":
                    self._draft.set(group=Group("attribute", name))
                case _:
                    self._draft.set(group=Group("metadata", name))
            return kept[:at] + kept[behind + 1 :]
        return kept

    def _compared(self, tokens: list[Token]) -> list[Token]:
        """Without names that are compared ("A or B", "A … than B"), or types that are."""
        joints = [n for n, token in enumerate(tokens) if token.kind in ("or", "than")]
        more = next((token for token in tokens if token.kind in ("more", "fewer")), None)
        order: Order = "fewest" if more and more.kind == "fewer" else "most"
        names = [n for n, token in enumerate(tokens) if token.kind == "name"]
        types = [n for n, token in enumerate(tokens) if token.kind == "type"]
        degree = next((n for n, one in enumerate(tokens) if one.degree), None)
        if joints and len(names) > 1 and (more or degree is not None or _ranks(tokens)):
            kinds = self._subjects.kinds(tokens[names[0]].name("name"))
            self._draft.set(
                type=kinds[0],
                among=tuple(tokens[n].name("name") for n in names),
                order=order if more else "most",
            )
            gone = {*names, *joints, *(n for n, one in enumerate(tokens) if one is more)}
            gone |= {n for n in types[:1] if tokens[n].name("type") == kinds[0]}
            kept = [token for n, token in enumerate(tokens) if n not in gone]
            if more:
                self._draft.set(order=order)
                kept.append(Token("most" if order == "most" else "fewest", "", {}))
            return kept
        if joints and more and len(types) == 2 and not names:
            self._draft.set(
                type=tokens[types[0]].name("type"),
                also=(tokens[types[1]].name("type"),),
                measure="count",
                group=Group("type"),
                order=order,
            )
            gone = {*types, *joints, *(n for n, one in enumerate(tokens) if one is more)}
            return [token for n, token in enumerate(tokens) if n not in gone]
        return tokens

    def _head(self, tokens: list[Token]) -> int | None:
        """Where the type stands whose entities are counted; a word before it is no type."""
        if self._draft.plan.type:
            return None
        for at, token in enumerate(tokens):
            if token.kind == "type":
                self._draft.set(type=token.name("type"))
                return at
            if token.kind == "word":
                there = self._graph.list_types()
                what = f"the graph has no type {token.text!r}"
                if any(one.kind == "type" for one in tokens):  # what is asked for stands behind it
                    what = f"{token.text!r} is not understood: it is no type, attribute or name"
                raise Refusal(
                    what,
                    hint=(f"There are: {there}. " if there else "It has no types. ")
                    + "Types and their aliases are declared in schema.yaml.",
                )
        names = [token for token in tokens if token.kind == "name"]
        attributes = [token for token in tokens if token.kind == "attribute"]
        if names and attributes:
            self._draft.set(
                type=self._subjects.kinds(names[0].name("name"))[0],
                among=tuple(token.name("name") for token in names),
                attribute=attributes[0].name("attribute"),
            )
            tokens[:] = [one for one in tokens if one.kind not in ("name", "attribute", "and")]
        return None

    def _asked(self, before: list[Token], rest: list[Token]) -> list[Token]:
        """What is asked of the type, by the words before it; the rest with what belongs to it."""
        moved: list[Token] = []
        tokens = [*before]
        asked = [token.kind for token in tokens if token.kind in ASKING]
        if "count" in asked or any(token.kind == "count" for token in rest):
            self._draft.set(measure="count")
        while tokens:
            token = tokens.pop(0)
            following = next((one for one in (*tokens, *rest) if one.kind not in IGNORED), None)
            superlative = token.degree and token.degree.superlative
            if following and (superlative or token.kind in ("total", "max", "min")):
                check_measured(following)
            if token.kind == "total" and following and following.kind == "attribute":
                self._draft.set(measure="sum", attribute=following.name("attribute"))
                tokens, rest = _without(tokens, following), _without(rest, following)
            elif token.kind in ("max", "min") or superlative:
                named = following if following and following.kind == "attribute" else None
                self._draft.best(token, named)
                tokens, rest = _without(tokens, named), _without(rest, named)
            elif token.kind == "number":
                self._draft.set(limit=int(token.number))
            elif token.kind not in (*ASKING, *IGNORED, "comma", "has", "top"):
                moved.append(token)
        return [*moved, *rest]

    def _add(self, chunks: list[Chunk]) -> None:
        """Put what the chunks say into the plan."""
        _share(chunks, both=self._both)
        group = self._draft.plan.group
        if group and group.link:
            self._give_group(chunks, group.link)
            if self._draft.plan.group == group:
                self._subjects.check_related(self._draft.plan.type, [group.link.type])
        links: list[tuple[Link, Chunk, str]] = []
        for chunk in chunks:
            self._draft.set(conditions=(*self._draft.plan.conditions, *chunk.conditions))
            if chunk.is_link or chunk.order:
                self._link(chunk, links)
        for link, chunk, _ in links:
            if chunk.order:
                self._count_most(link, chunk.order)
            elif chunk.negated:
                self._draft.set(without=(*self._draft.plan.without, link))
            else:
                self._draft.set(links=(*self._draft.plan.links, link))

    def _link(self, chunk: Chunk, links: list[tuple[Link, Chunk, str]]) -> None:
        """The link of one chunk: of the type that is asked for, or a second hop of the last."""
        if chunk.order and not chunk.ends:
            # "…, and which laid most?" counts what the part before it names.
            if not links:
                raise Refusal("the question does not say most of what")
            link = next(
                (one for one, of, _ in reversed(links) if of.relation == chunk.relation),
                links[-1][0],
            )
            self._count_most(link, chunk.order)
            return
        for end in chunk.ends or [None]:
            type_, name, kinds = self._subjects.end(end)
            last = links[-1] if links else None
            subject = self._subjects.subject(chunk, kinds, last)
            link = Link(
                relation=chunk.relation,
                direction=self._subjects.direction(subject, chunk, kinds),
                type=type_,
                name=name,
                words=tuple(chunk.words),
                conditions=tuple(chunk.of_end),
                at_least=chunk.at_least,
                at_most=chunk.at_most,
            )
            if last and subject != self._draft.plan.type and subject in (last[0].type, last[2]):
                before, of, _ = links.pop()
                if chunk.negated or of.negated or before.then:
                    raise Refusal("more than two hops, or a hop that is denied, cannot be asked")
                links.append((replace(before, then=link), of, type_ or (kinds[0] if kinds else "")))
            else:
                links.append((link, chunk, type_ or (kinds[0] if kinds else "")))

    def _give_group(self, chunks: list[Chunk], link: Link) -> None:
        """A relation without another end is that of the group: "cables laid per ship"."""
        for chunk in chunks:
            if (chunk.relation or chunk.words) and not chunk.ends and not chunk.order:
                self._draft.set(
                    group=Group(
                        "link",
                        link=replace(
                            link,
                            relation=chunk.relation,
                            words=tuple(chunk.words),
                            direction=self._subjects.direction(
                                self._draft.plan.type, chunk, [link.type]
                            ),
                        ),
                    )
                )
                chunks.remove(chunk)
                return

    def _count_most(self, link: Link, order: Order) -> None:
        counted = replace(link, at_least=1, at_most=None)
        limit = self._draft.plan.limit
        if limit is None and self._draft.plan.measure != "count" and not self._draft.plan.among:
            limit = 1
        self._draft.set(counted=counted, order=order, limit=limit)


def _share(chunks: list[Chunk], *, both: bool) -> None:
    """Give a chunk the relation, or the other end, that it has in common with its neighbour."""
    for before, after in pairwise(chunks):
        if before.ends and after.ends and after.joined in ("and", "but"):
            if not after.relation and not after.words and not after.conditions:
                after.relation, after.words = before.relation, before.words
                after.passive = after.passive or before.passive
            elif not before.relation and not before.words and not before.has:
                before.relation, before.words = after.relation, after.words
        elif after.joined not in ("and", "but") or not (before.is_link and after.relation):
            continue
        elif not before.ends and after.ends and (both or after.joined == "but"):
            before.ends = after.ends
        elif before.ends and not after.ends and not after.order:
            after.ends = before.ends


def _in_context(tokens: Sequence[Token]) -> list[Token]:
    """Tokens that may be several things, as what stands beside them makes of them."""
    found: list[Token] = []
    for at, token in enumerate(tokens):
        behind = next((one for one in tokens[at + 1 :] if one.kind not in IGNORED), None)
        compared = behind is not None and behind.kind in _COMPARED
        if token.kind == "per" and behind and behind.kind in ("year", "number"):
            token = replace(token, kind=">")
        elif len(token.means) > 1 and "attribute" in token.means and token.kind != "name":
            if compared and "relation" in token.means:
                token = replace(token, kind="attribute")
            elif "relation" in token.means:
                token = replace(token, kind="relation")
        found.append(token)
    return found


def _without(tokens: Sequence[Token], gone: Token | None) -> list[Token]:
    return [token for token in tokens if token is not gone]


def _ranks(tokens: Sequence[Token]) -> bool:
    return any(token.kind in ("most", "fewest", "max", "min") for token in tokens)
