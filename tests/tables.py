"""Two planted collections with known tables, in English and German, and questions about them.

Every fact is a sentence of a document and a row of a table here. What a question should give is
worked out from the rows, never by the engine.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphrag.core.schema import Attribute, EntityType, Schema, Triple
from graphrag.core.tables import stable_id
from graphrag.text import normalise, sentences
from tests.integration.graphs import document, unit

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Thing:
    """An entity with its attributes: name, value, unit."""

    name: str
    type: str
    attributes: dict[str, tuple[Cell, str]] = field(default_factory=dict[str, tuple[Cell, str]])


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what it should give: rows, a number, or that it cannot be asked.

    `rows`: in the order of the table where `ordered`; `value`: what the answer's number is.
    """

    question: str
    rows: tuple[tuple[Cell, ...], ...] = ()
    value: Cell | None = None
    refused: bool = False
    trap: str = ""  # absent type, mixed units, empty, both, without, ties
    filters: tuple[str, ...] = ()


@dataclass(slots=True)
class World:
    """A collection: its things, who is related to whom, and the sentences that say so."""

    name: str
    language: str
    schema: Schema
    things: list[Thing] = field(default_factory=list[Thing])
    links: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    sentences: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Document, heading, sentence."""

    def of(self, type_: str) -> list[Thing]:
        return [thing for thing in self.things if thing.type == type_]

    def names(self, type_: str, keep: Callable[[Thing], bool] = lambda _: True) -> list[str]:
        return sorted(thing.name for thing in self.of(type_) if keep(thing))

    def targets(self, source: str, relation: str) -> set[str]:
        return {c for a, b, c in self.links if a == source and b == relation}

    def sources(self, target: str, relation: str) -> set[str]:
        return {a for a, b, c in self.links if c == target and b == relation}

    def documents(self) -> dict[str, str]:
        """By title, the text."""
        found: dict[str, list[str]] = {}
        for title, _, sentence in self.sentences:
            found.setdefault(title, []).append(sentence)
        return {title: "\n\n".join(lines) for title, lines in found.items()}


def rows(names: Iterable[str]) -> tuple[tuple[Cell, ...], ...]:
    return tuple((name,) for name in sorted(names))


def counted(pairs: Iterable[tuple[str, Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """Most first, then by name."""
    return tuple(sorted(pairs, key=lambda pair: (-float(pair[1]), pair[0])))


def top(pairs: Iterable[tuple[str, Cell]], *, least: bool = False) -> tuple[tuple[Cell, ...], ...]:
    listed = list(pairs)
    best = (min if least else max)(float(value) for _, value in listed)
    return tuple(sorted(pair for pair in listed if float(pair[1]) == best))


SHIPS = [
    "Altair",
    "Bramble",
    "Corona",
    "Dunlin",
    "Egret",
    "Fulmar",
    "Gannet",
    "Heron",
    "Ibex",
    "Jackdaw",
    "Kestrel",
    "Lapwing",
    "Merlin",
]
CABLES = [
    f"Line {word}"
    for word in ["Amber", "Beryl", "Coral", "Dusk", "Ember", "Frost", "Grove", "Haven", "Iris"]
]
HARBOURS = ["Porthmore", "Sandwick", "Torvik", "Valeria", "Westhaven", "Yarrow"]
FLAGS = ("Danish", "Irish", "Maltese")

FLEET = Schema(
    "strict",
    {
        "ship": EntityType(
            "ship",
            attributes={
                "length": Attribute("length", "number", "m"),
                "flag": Attribute("flag"),
                "launched": Attribute("launched", "date"),
                "crew": Attribute("crew", "number"),
                "burden": Attribute("burden", "number"),
            },
            aliases=("vessel", "steamer"),
        ),
        "cable": EntityType("cable", attributes={"depth": Attribute("depth", "number", "m")}),
        "harbour": EntityType("harbour", attributes={"opened": Attribute("opened", "date")}),
        "lighthouse": EntityType("lighthouse"),
    },
    (
        Triple("ship", "laid", "cable"),
        Triple("ship", "repaired", "cable"),
        Triple("cable", "lands at", "harbour"),
    ),
)


def fleet() -> World:
    """Ships that laid and repaired cables, which land at harbours."""
    draw = random.Random(11)
    world = World("fleet", "en", FLEET)
    for place, name in enumerate(SHIPS):
        have: dict[str, tuple[Cell, str]] = {"flag": (FLAGS[place % 3], "")}
        if place != 4:
            have["length"] = (80 + 5 * draw.randrange(12), "m")
        if place % 4 != 3:
            have["launched"] = (f"{1860 + draw.randrange(30)}", "")
        have["crew"] = (20 + draw.randrange(60), "")
        if place < 4:
            have["burden"] = (500 + 10 * place, "t" if place % 2 else "casks")
        world.things.append(Thing(name, "ship", have))
        title = f"The {name}"
        world.sentences.append((title, name, f"The {name} is a {have['flag'][0]} ship."))
        for key, words in {
            "length": "The length of the {0} is {1} {2}.",
            "launched": "The {0} was launched in {1}.",
            "crew": "The crew of the {0} counts {1}.",
            "burden": "The burden of the {0} is {1} {2}.",
        }.items():
            if key in have:
                value, unit = have[key]
                world.sentences.append((title, name, words.format(name, value, unit)))
    for place, name in enumerate(CABLES):
        world.things.append(Thing(name, "cable", {"depth": (1000 + 250 * (place % 5), "m")}))
        depth = 1000 + 250 * (place % 5)
        world.sentences.append((name, name, f"The depth of the cable {name} is {depth} m."))
        for harbour in draw.sample(HARBOURS, 1 + place % 2):
            world.links.append((name, "lands at", harbour))
            world.sentences.append((name, name, f"The cable {name} lands at {harbour}."))
        for ship in draw.sample(SHIPS[:9], 1 + place % 3):
            world.links.append((ship, "laid", name))
            world.sentences.append((name, name, f"The ship {ship} laid the cable {name}."))
        for ship in draw.sample(SHIPS[3:11], place % 3):
            world.links.append((ship, "repaired", name))
            world.sentences.append((name, name, f"The ship {ship} repaired the cable {name}."))
    world.things += [Thing(name, "harbour") for name in HARBOURS]
    world.sentences += [("Harbours", "Harbours", f"{name} is a harbour.") for name in HARBOURS]
    return world


PAINTERS = [
    "Adler",
    "Brandt",
    "Clausen",
    "Dreher",
    "Ebert",
    "Falk",
    "Gerlach",
    "Hartung",
    "Imhof",
    "Jahn",
]
PAINTINGS = [
    f"Bild {word}"
    for word in [
        "Abend",
        "Birken",
        "Dorf",
        "Eis",
        "Felder",
        "Garten",
        "Hafen",
        "Insel",
        "Jagd",
        "Klippe",
        "Lampe",
        "Mohn",
    ]
]
MUSEUMS = [f"Haus {word}" for word in ["Lenz", "Mertens", "Nagel", "Otto", "Pohl"]]
TOWNS = ["Altstadt", "Bergen", "Celle", "Dornum", "Emden"]
STYLES = ("barock", "modern", "romantisch")

GALLERY = Schema(
    "strict",
    {
        "Maler": EntityType("Maler", attributes={"geboren": Attribute("geboren", "date")}),
        "Gemälde": EntityType(
            "Gemälde",
            attributes={
                "Breite": Attribute("Breite", "number", "cm"),
                "Stil": Attribute("Stil"),
                "Preis": Attribute("Preis", "number"),
            },
            aliases=("Werk",),
        ),
        "Museum": EntityType("Museum", aliases=("Museen",)),
        "Stadt": EntityType("Stadt"),
        "Skulptur": EntityType("Skulptur"),
    },
    (
        Triple("Maler", "malte", "Gemälde"),
        Triple("Maler", "restaurierte", "Gemälde"),
        Triple("Museum", "zeigt", "Gemälde"),
        Triple("Museum", "liegt in", "Stadt"),
    ),
)


def gallery() -> World:
    """Painters, paintings, and museums in towns."""
    draw = random.Random(5)
    world = World("gallery", "de", GALLERY)
    for place, name in enumerate(PAINTERS):
        have: dict[str, tuple[Cell, str]] = {}
        if place % 5 != 4:
            have["geboren"] = (str(1800 + draw.randrange(60)), "")
            line = f"Der Maler {name} wurde geboren im Jahr {have['geboren'][0]}."
            world.sentences.append((f"Maler {name}", name, line))
        else:
            world.sentences.append((f"Maler {name}", name, f"{name} ist ein Maler."))
        world.things.append(Thing(name, "Maler", have))
    for place, name in enumerate(PAINTINGS):
        have = {"Stil": (STYLES[place % 3], "")}
        world.sentences.append((name, name, f"Das Gemälde {name} ist {have['Stil'][0]}."))
        if place != 7:
            have["Breite"] = (40 + 10 * draw.randrange(9), "cm")
            line = f"Die Breite von {name} beträgt {have['Breite'][0]} cm."
            world.sentences.append((name, name, line))
        if place < 5:
            have["Preis"] = (1000 + place, "Mark" if place % 2 else "Gulden")
            line = f"Der Preis von {name} beträgt {have['Preis'][0]} {have['Preis'][1]}."
            world.sentences.append((name, name, line))
        world.things.append(Thing(name, "Gemälde", have))
        painter = PAINTERS[place % 7]
        world.links.append((painter, "malte", name))
        world.sentences.append((name, name, f"Der Maler {painter} malte das Gemälde {name}."))
        for other in draw.sample(PAINTERS[4:], place % 2):
            world.links.append((other, "restaurierte", name))
            line = f"Der Maler {other} restaurierte das Gemälde {name}."
            world.sentences.append((name, name, line))
        for museum in draw.sample(MUSEUMS[:4], 1 + place % 2):
            world.links.append((museum, "zeigt", name))
            world.sentences.append((museum, museum, f"Das Museum {museum} zeigt {name}."))
    for place, name in enumerate(MUSEUMS):
        world.things.append(Thing(name, "Museum"))
        town = TOWNS[place % 3]
        world.links.append((name, "liegt in", town))
        world.sentences.append((name, name, f"Das Museum {name} liegt in {town}."))
    world.things += [Thing(name, "Stadt") for name in TOWNS]
    world.sentences += [("Städte", "Städte", f"{name} ist eine Stadt.") for name in TOWNS]
    return world


def questions(world: World) -> list[Asked]:
    """What is asked of a collection, a fifth of it traps."""
    made = _fleet_questions(world) if world.name == "fleet" else _gallery_questions(world)
    return list({(one.question, one.filters): one for one in made}.values())


def number_of(thing: Thing, name: str) -> float:
    return float(thing.attributes[name][0])


def having(world: World, type_: str, name: str) -> list[Thing]:
    return [thing for thing in world.of(type_) if name in thing.attributes]


def _fleet_questions(world: World) -> Iterator[Asked]:
    ships, cables = world.names("ship"), world.names("cable")
    laid = {ship: world.targets(ship, "laid") for ship in ships}
    mended = {ship: world.targets(ship, "repaired") for ship in ships}
    lands = {cable: world.targets(cable, "lands at") for cable in cables}
    for word in ("ships", "vessels", "steamers"):
        yield Asked(f"How many {word} are there?", rows(ships), len(ships))
        yield Asked(f"List all {word}.", rows(ships))
    for type_ in ("cable", "harbour"):
        yield Asked(f"How many {type_}s are there?", rows(world.names(type_)), len(world.of(type_)))
        yield Asked(f"What is the number of {type_}s?", rows(world.names(type_)))
    for relation, of in (("laid", laid), ("repaired", mended)):
        did = [ship for ship in ships if of[ship]]
        yield Asked(f"How many ships {relation} cables?", rows(did), len(did))
        yield Asked(f"List all ships that {relation} a cable.", rows(did))
        best = top((ship, len(of[ship])) for ship in did)
        trap = "ties" if len(best) > 1 else ""
        yield Asked(f"Which ship {relation} the most cables?", best, trap=trap)
        counts = counted((ship, len(of[ship])) for ship in did)
        yield Asked(f"How many ships {relation} cables, and which {relation} most?", counts)
        none = [ship for ship in ships if not of[ship]]
        yield Asked(f"Which ships {relation} no cables?", rows(none), trap="without")
        yield Asked(f"How many ships have not {relation} a cable?", rows(none), trap="without")
        several = [ship for ship in ships if len(of[ship]) >= 2]
        yield Asked(f"Which ships {relation} at least two cables?", rows(several))
        more = [ship for ship in ships if len(of[ship]) > 2]
        yield Asked(f"How many ships {relation} more than 2 cables?", rows(more), len(more))
        per = tuple(sorted((ship, len(of[ship])) for ship in did))
        yield Asked(f"How many cables were {relation} per ship?", per)
        passive = [cable for cable in cables if world.sources(cable, relation)]
        yield Asked(f"How many cables were {relation} by a ship?", rows(passive), len(passive))
        for ship in SHIPS[:8]:
            yield Asked(f"How many cables were {relation} by the {ship}?", rows(of[ship]),
                        trap="" if of[ship] else "empty")  # fmt: skip
        for cable in CABLES[:4]:
            who = world.sources(cable, relation)
            yield Asked(f"Which ships {relation} {cable}?", rows(who), trap="" if who else "empty")
            yield Asked(f"List the ships that {relation} {cable}.", rows(who),
                        trap="" if who else "empty")  # fmt: skip
    for one, other in itertools.pairwise(CABLES):
        both = [ship for ship in ships if {one, other} <= laid[ship]]
        yield Asked(f"Which ships laid both {one} and {other}?", rows(both), trap="both")
        only = [ship for ship in ships if one in laid[ship] and other not in laid[ship]]
        yield Asked(f"Which ships laid {one} but not {other}?", rows(only), trap="without")
    both = [ship for ship in ships if laid[ship] and mended[ship]]
    yield Asked("How many ships both laid and repaired cables?", rows(both), len(both), trap="both")
    yield Asked("Which ships laid and repaired cables?", rows(both), trap="both")
    for harbour in HARBOURS:
        there = [cable for cable in cables if harbour in lands[cable]]
        yield Asked(f"How many cables land at {harbour}?", rows(there), len(there))
        from_there = [ship for ship in ships if laid[ship].intersection(there)]
        yield Asked(f"Which ships laid cables that land at {harbour}?", rows(from_there))
    per = tuple(sorted((h, len([c for c in cables if h in lands[c]])) for h in HARBOURS))
    per = tuple(row for row in per if row[1])
    yield Asked("How many cables land at each harbour?", per)
    yield Asked("How many cables per harbour?", per)
    yield from _attributes(world)
    yield from _by_year(world, laid)
    for one, other in itertools.pairwise(SHIPS):
        yield Asked(f"Which laid more cables, the {one} or the {other}?",
                    counted((ship, len(laid[ship])) for ship in (one, other)),
                    trap="ties" if len(laid[one]) == len(laid[other]) else "")  # fmt: skip
    sizes = counted([("ship", len(ships)), ("cable", len(cables))])
    yield Asked("Are there more ships than cables?", sizes)
    for question in (
        "How many submarines are there?",
        "How many submarines laid cables?",
        "List all captains.",
        "Which balloon laid the most cables?",
        "How many ships sank a cable?",
        "Which ships carried passengers?",
        "How many cables per owner?",
        "What is the average length of ships?",
        "Which ship has the largest engine?",
        "How many ships have a funnel?",
        "How many ships after 1870?",
        "How many harbours were opened before 1890?",
        "What is the oldest harbour?",
        "Which lighthouse repaired the most cables?",
    ):
        yield Asked(question, refused=True, trap="absent")
    for question in (
        "What is the total burden of ships?",
        "Which ship has the largest burden?",
        "What is the sum of the burden of all ships?",
        "Which ships have a burden over 510?",
    ):
        yield Asked(question, refused=True, trap="mixed units")
    yield Asked("How many lighthouses are there?", (), 0, trap="empty")
    yield Asked("List all lighthouses.", (), trap="empty")


def year_of(title: str) -> int:
    """The year in the metadata of a document."""
    return 1900 + len(title) % 3


def _by_year(world: World, laid: Mapping[str, set[str]]) -> Iterator[Asked]:
    """What the metadata of documents filters and groups."""
    texts = world.documents()
    years: Counter[str] = Counter()
    for year in (1900, 1901, 1902):
        given = (f"year={year}",)
        there = [text for title, text in texts.items() if year_of(title) == year]
        named = [ship for ship in world.names("ship") if any(ship in text for text in there)]
        years[str(year)] = len(named)
        yield Asked("How many ships are there?", rows(named), len(named), filters=given)
        yield Asked(f"How many ships are in the documents of year {year}?", rows(named), len(named))
        lines = {(ship, cable): f"The ship {ship} laid the cable {cable}."
                 for ship, cables in laid.items() for cable in cables}  # fmt: skip
        said = {key[0] for key, line in lines.items() if any(line in text for text in there)}
        yield Asked("Which ships laid a cable?", rows(said), filters=given)
    yield Asked("How many ships per year?", tuple(sorted((+years).items())))


def _attributes(world: World) -> Iterator[Asked]:
    long = having(world, "ship", "length")
    lengths = [(ship.name, int(number_of(ship, "length"))) for ship in long]
    yield Asked("What is the total length of ships?", counted(lengths), sum(n for _, n in lengths))
    yield Asked("What is the longest ship?", top(lengths), max(n for _, n in lengths),
                trap="ties" if len(top(lengths)) > 1 else "")  # fmt: skip
    yield Asked("Which ship is the shortest?", top(lengths, least=True))
    yield Asked("Which ship has the largest length?", top(lengths))
    crews = [(ship.name, int(number_of(ship, "crew"))) for ship in world.of("ship")]
    yield Asked("Which ship has the smallest crew?", top(crews, least=True))
    yield Asked("What is the total crew of ships?", counted(crews), sum(n for _, n in crews))
    for limit in (90, 110, 120):
        more = [name for name, n in lengths if n > limit]
        yield Asked(f"Which ships are longer than {limit} m?", _with(more, lengths))
        yield Asked(f"How many ships have a length over {limit} m?", _with(more, lengths))
        less = [name for name, n in lengths if n <= limit]
        yield Asked(f"List ships with a length of at most {limit} m.", _with(less, lengths))
    launched = having(world, "ship", "launched")
    years = [(ship.name, str(ship.attributes["launched"][0])) for ship in launched]
    for year in (1865, 1870, 1880):
        before = [name for name, n in years if int(n) < year]
        yield Asked(f"How many ships were launched before {year}?", _with(before, years))
        after = [name for name, n in years if int(n) > year]
        yield Asked(f"Which ships were launched after {year}?", _with(after, years))
    oldest = min(n for _, n in years)
    yield Asked("Which is the oldest ship?", tuple(sorted(p for p in years if p[1] == oldest)))
    without = world.names("ship", lambda ship: "length" not in ship.attributes)
    yield Asked("Which ships have no length?", rows(without), trap="without")
    undated = world.names("ship", lambda ship: "launched" not in ship.attributes)
    yield Asked("How many ships have no launched?", rows(undated), len(undated), trap="without")
    for flag in FLAGS:
        of = world.names("ship", lambda ship, flag=flag: ship.attributes["flag"][0] == flag)
        yield Asked(f"How many {flag} ships are there?", rows(of), len(of))
        did = [name for name in of if world.targets(name, "laid")]
        yield Asked(f"How many {flag} ships laid cables?", rows(did), len(did))
    per = [(flag, len(world.names("ship", lambda s, f=flag: s.attributes["flag"][0] == f)))
           for flag in FLAGS]  # fmt: skip
    yield Asked("How many ships per flag?", tuple(sorted(per)))
    sums: dict[str, int] = dict.fromkeys(FLAGS, 0)
    for ship in long:
        sums[str(ship.attributes["flag"][0])] += int(number_of(ship, "length"))
    yield Asked("What is the total length of ships per flag?", tuple(sorted(sums.items())))
    depths = [(c.name, int(number_of(c, "depth"))) for c in world.of("cable")]
    yield Asked("What is the deepest cable?", top(depths), trap="ties")
    names = dict(lengths)
    for one, other in (("Altair", "Bramble"), ("Corona", "Dunlin"), ("Fulmar", "Gannet")):
        yield Asked(f"Which is longer, the {one} or the {other}?",
                    counted([(one, names[one]), (other, names[other])]))  # fmt: skip


def _with(names: Sequence[str], pairs: Sequence[tuple[str, Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """The rows of `names`: the name alone decides, a shown value may stand beside it."""
    return rows(name for name, _ in pairs if name in names)


def _gallery_questions(world: World) -> Iterator[Asked]:
    painters, works = world.names("Maler"), world.names("Gemälde")
    museums = world.names("Museum")
    painted = {one: world.targets(one, "malte") for one in painters}
    restored = {one: world.targets(one, "restaurierte") for one in painters}
    shown = {one: world.targets(one, "zeigt") for one in museums}
    town = {one: world.targets(one, "liegt in") for one in museums}
    for words, names in (("Maler", painters), ("Gemälde", works), ("Museen", museums)):
        yield Asked(f"Wie viele {words} gibt es?", rows(names), len(names))
        yield Asked(f"Nenne alle {words}.", rows(names))
    yield Asked("Wie viele Werke gibt es?", rows(works), len(works))
    yield Asked("Wie viele Städte gibt es?", rows(world.names("Stadt")), len(TOWNS))
    for verb, of in (("malten", painted), ("restaurierten", restored)):
        did = [one for one in painters if of[one]]
        yield Asked(f"Wie viele Maler {verb} Gemälde?", rows(did), len(did))
        none = [one for one in painters if not of[one]]
        yield Asked(f"Welche Maler {verb} keine Gemälde?", rows(none), trap="without")
        best = top((one, len(of[one])) for one in did)
        singular = verb.removesuffix("n")
        yield Asked(f"Welcher Maler {singular} die meisten Gemälde?", best,
                    trap="ties" if len(best) > 1 else "")  # fmt: skip
        several = [one for one in painters if len(of[one]) >= 2]
        yield Asked(f"Welche Maler {verb} mindestens zwei Gemälde?", rows(several))
        for work in PAINTINGS[:6]:
            who = [one for one in painters if work in of[one]]
            yield Asked(f"Welche Maler {verb} {work}?", rows(who), trap="" if who else "empty")
        for one in PAINTERS[:5]:
            yield Asked(f"Wie viele Gemälde {singular} {one}?", rows(of[one]),
                        trap="" if of[one] else "empty")  # fmt: skip
    for one, other in itertools.pairwise(PAINTINGS):
        both = [m for m in museums if {one, other} <= shown[m]]
        yield Asked(f"Welche Museen zeigen sowohl {one} als auch {other}?", rows(both), trap="both")
        only = [m for m in museums if one in shown[m] and other not in shown[m]]
        yield Asked(f"Welche Museen zeigen {one}, aber nicht {other}?", rows(only), trap="without")
    for museum in MUSEUMS:
        yield Asked(f"Wie viele Gemälde zeigt {museum}?", rows(shown[museum]),
                    trap="" if shown[museum] else "empty")  # fmt: skip
    per = tuple(sorted((m, len(shown[m])) for m in museums if shown[m]))
    yield Asked("Wie viele Gemälde pro Museum?", per)
    best = top((m, len(shown[m])) for m in museums)
    yield Asked("Welches Museum zeigt die meisten Gemälde?", best)
    nothing = [m for m in museums if not shown[m]]
    yield Asked("Welche Museen zeigen keine Gemälde?", rows(nothing), trap="without")
    for one in TOWNS:
        there = [m for m in museums if one in town[m]]
        yield Asked(f"Wie viele Museen liegen in {one}?", rows(there), len(there),
                    trap="" if there else "empty")  # fmt: skip
        hung = {work for m in there for work in shown[m]}
        yield Asked(f"Welche Gemälde zeigen Museen, die in {one} liegen?", rows(hung))
    wide = having(world, "Gemälde", "Breite")
    widths = [(w.name, int(number_of(w, "Breite"))) for w in wide]
    yield Asked("Welches Gemälde ist das breiteste?", top(widths))
    yield Asked("Welches ist das breiteste Gemälde?", top(widths))
    yield Asked(
        "Was ist die gesamte Breite der Gemälde?", counted(widths), sum(n for _, n in widths)
    )
    for limit in (60, 80):
        more = [name for name, n in widths if n > limit]
        yield Asked(f"Welche Gemälde sind breiter als {limit} cm?", rows(more))
        yield Asked(f"Wie viele Gemälde haben eine Breite über {limit} cm?", rows(more))
    bare = world.names("Gemälde", lambda w: "Breite" not in w.attributes)
    yield Asked("Welche Gemälde haben keine Breite?", rows(bare), trap="without")
    born = [(p.name, str(p.attributes["geboren"][0])) for p in having(world, "Maler", "geboren")]
    for year in (1820, 1840):
        yield Asked(f"Wie viele Maler wurden vor {year} geboren?",
                    rows(name for name, n in born if int(n) < year))  # fmt: skip
        yield Asked(f"Welche Maler wurden nach {year} geboren?",
                    rows(name for name, n in born if int(n) > year))  # fmt: skip
    oldest = min(n for _, n in born)
    yield Asked("Wer ist der älteste Maler?", tuple(sorted(p for p in born if p[1] == oldest)))
    per = [(style, len([w for w in world.of("Gemälde") if w.attributes["Stil"][0] == style]))
           for style in STYLES]  # fmt: skip
    yield Asked("Wie viele Gemälde pro Stil?", tuple(sorted(per)))
    yield Asked("Gibt es mehr Maler als Gemälde?",
                counted([("Maler", len(painters)), ("Gemälde", len(works))]))  # fmt: skip
    for one, other in itertools.pairwise(PAINTERS):
        yield Asked(f"Wer malte mehr Gemälde, {one} oder {other}?",
                    counted((p, len(painted[p])) for p in (one, other)),
                    trap="ties" if len(painted[one]) == len(painted[other]) else "")  # fmt: skip
    for question in (
        "Wie viele Kirchen gibt es?",
        "Wie viele Bildhauer malten Gemälde?",
        "Nenne alle Händler.",
        "Welche Maler verkauften Gemälde?",
        "Wie viele Gemälde pro Sammler?",
        "Wie viele Museen haben einen Garten?",
        "Welches Gemälde hat den größten Rahmen?",
    ):
        yield Asked(question, refused=True, trap="absent")
    yield Asked("Wie hoch ist der gesamte Preis der Gemälde?", refused=True, trap="mixed units")
    yield Asked("Was ist die Summe der Preis der Gemälde?", refused=True, trap="mixed units")
    yield Asked("Wie viele Skulpturen gibt es?", (), 0, trap="empty")
    yield Asked("Nenne alle Skulpturen.", (), trap="empty")


def snapshot_rows(world: World) -> dict[str, list[dict[str, object]]]:
    """The tables of a store that holds the collection, a text unit for each document."""
    texts = world.documents()
    found: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("documents", "text_units", "entities", "relationships", "mentions")
    }
    for title, text in texts.items():
        found["documents"].append(
            document(title, text=text, language=world.language, metadata={"year": year_of(title)})
        )
        found["text_units"].append(unit(title, title, text))
    for thing in world.things:
        here = [title for title, text in texts.items() if thing.name in text]
        stated = [
            {
                "name": name,
                "value": value,
                "unit": measure or None,
                "text_unit_ids": [stable_id("unit", here[0])],
            }
            for name, (value, measure) in sorted(thing.attributes.items())
        ]
        found["entities"].append(
            {
                "id": entity_id(thing.name),
                "name": thing.name,
                "type": thing.type,
                "aliases": [],
                "description": "",
                "n_mentions": len(here),
                "degree": 1,
                "attributes": json.dumps(stated, ensure_ascii=False),
            }
        )
        for title in here:
            spans = sentences(texts[title])
            named = [n for n, (a, b) in enumerate(spans) if thing.name in texts[title][a:b]]
            found["mentions"].append(
                {
                    "text_unit_id": stable_id("unit", title),
                    "entity_id": entity_id(thing.name),
                    "description": "",
                    "owner": 0.0,
                    "sentences": named,
                }
            )
    for source, relation, target in world.links:
        said = [
            title
            for title, _, sentence in world.sentences
            if source in sentence and target in sentence
        ]
        found["relationships"].append(
            {
                "id": stable_id("relationship", source, target, relation),
                "source_id": entity_id(source),
                "target_id": entity_id(target),
                "type": relation,
                "description": "",
                "weight": 1.0,
                "n_mentions": 1,
                "text_unit_ids": sorted({stable_id("unit", title) for title in said}),
            }
        )
    return found


def entity_id(name: str) -> str:
    return stable_id("entity", normalise(name))
