"""Render a report as one HTML page without scripts or links to other files.

Whatever comes from documents, questions or models is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from graphrag.core.html import PAGE_STYLE, page
from graphrag.evaluation.intervals import Interval

# Told apart by people who do not see all colours (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A6A00", "#555555")

WIDTH = 980
PLOT_HEIGHT = 260
LEFT, TOP, BELOW = 46, 14, 40
LEGEND_ROW = 20
LETTER = 8  # width of one in the legend, at most
MAX_NAME = 44
BAR_SHARE = 0.8  # of a group's width; the rest parts it from the next

_STYLE = f"""{PAGE_STYLE}
thead th{{border-bottom:2px solid #888}}td.number,th.number{{text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap;overflow-wrap:normal}}
"""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars between 0 and 1, in groups. `series`: by name one interval a group, None for no bar.

    `middle` draws a line at that height: where neither side is better.
    """

    title: str
    groups: tuple[str, ...]
    series: tuple[tuple[str, tuple[Interval | None, ...]], ...]
    middle: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """`folded` ones are opened by a click. Columns after the first `texts` hold numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    title: str
    lines: tuple[str, ...]


Part: TypeAlias = Bars | Table | Notes


def render(title: str, subtitle: str, parts: Sequence[Part]) -> str:
    """The whole page."""
    body = "\n".join(_part(part) for part in parts)
    head = f'<h1>{escape(title)}</h1>\n<p class="note">{escape(subtitle)}</p>\n'
    return page(title, head + body, style=_STYLE)


def shown(interval: Interval) -> str:
    """`0.663 [0.585, 0.742]`, or the mean alone."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _part(part: Part) -> str:
    match part:
        case Bars():
            return f"<h2>{escape(part.title)}</h2>\n{bars_svg(part)}"
        case Table():
            return _table(part)
        case Notes():
            lines = "".join(f"<li>{escape(line)}</li>" for line in part.lines)
            return f"<h2>{escape(part.title)}</h2>\n<ul>{lines}</ul>" if part.lines else ""


def _table(part: Table) -> str:
    if not part.rows:
        return ""
    kinds = ["" if place < part.texts else ' class="number"' for place in range(len(part.head))]
    head = "".join(
        f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, part.head, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True))
        + "</tr>"
        for row in part.rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"
    if part.folded:
        return f"<details><summary>{escape(part.title)}</summary>\n{table}\n</details>"
    return f"<h2>{escape(part.title)}</h2>\n{table}"


def bars_svg(chart: Bars) -> str:
    """Grouped bars with their intervals as whiskers, an axis from 0 to 1 and a legend."""
    longest = max((len(name) for name, _ in chart.series), default=0)
    columns = max(1, (WIDTH - LEFT) // (40 + LETTER * min(longest, MAX_NAME)))
    legend_rows = -(-len(chart.series) // columns)
    height = TOP + PLOT_HEIGHT + BELOW + legend_rows * LEGEND_ROW
    marks = [*_axis(chart), *_groups(chart), *_legend(chart, columns)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="system-ui,sans-serif" font-size="12">'
        + "".join(marks)
        + "</svg>"
    )


def _y(value: float) -> float:
    return TOP + PLOT_HEIGHT * (1 - min(1.0, max(0.0, value)))


def _axis(chart: Bars) -> list[str]:
    marks: list[str] = []
    for tenths in range(0, 11, 2):
        y = _y(tenths / 10)
        marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenths / 10:.1f}</text>'
        )
    if chart.middle is not None:
        y = _y(chart.middle)
        marks.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#333" '
            'stroke-dasharray="5 4"/>'
        )
    return marks


def _groups(chart: Bars) -> list[str]:
    marks: list[str] = []
    width = (WIDTH - LEFT) / max(1, len(chart.groups))
    bar = width * BAR_SHARE / max(1, len(chart.series))
    for place, group in enumerate(chart.groups):
        start = LEFT + place * width + width * (1 - BAR_SHARE) / 2
        for number, (name, values) in enumerate(chart.series):
            value = values[place]
            if value is not None:
                x = start + number * bar
                colour = COLOURS[number % len(COLOURS)]
                marks += _bar(value, x=x, width=bar, colour=colour, label=f"{name}, {group}")
        middle = LEFT + (place + 0.5) * width
        base = TOP + PLOT_HEIGHT + 18
        marks.append(
            f'<text x="{middle:.1f}" y="{base}" text-anchor="middle">{escape(group)}</text>'
        )
    return marks


def _bar(value: Interval, *, x: float, width: float, colour: str, label: str) -> list[str]:
    y, base = _y(value.mean), _y(0)
    marks = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" height="{base - y:.1f}" '
        f'fill="{colour}"><title>{escape(f"{label}: {shown(value)}")}</title></rect>'
    ]
    if value.low is not None and value.high is not None:
        middle = x + width * 0.45
        cap = min(4.0, width / 4)
        low, high = _y(value.low), _y(value.high)
        marks.append(
            f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}M{middle - cap:.1f} {low:.1f}'
            f'h{2 * cap:.1f}M{middle - cap:.1f} {high:.1f}h{2 * cap:.1f}" stroke="#111" '
            'fill="none"/>'
        )
    return marks


def _legend(chart: Bars, columns: int) -> list[str]:
    top = TOP + PLOT_HEIGHT + BELOW
    marks: list[str] = []
    for number, (name, _) in enumerate(chart.series):
        x = LEFT + number % columns * ((WIDTH - LEFT) // columns)
        y = top + number // columns * LEGEND_ROW
        text = name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
        marks.append(
            f'<rect x="{x}" y="{y - 10}" width="12" height="12" '
            f'fill="{COLOURS[number % len(COLOURS)]}"/>'
            f'<text x="{x + 18}" y="{y}">{escape(text)}</text>'
        )
    return marks
