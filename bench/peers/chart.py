"""Panels of named numbers in, one SVG of horizontal bars out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

OURS = "graphrag-neo4j"
WIDTH, LABEL, BAR = 440, 170, 180  # of a panel, of its names, of the longest bar
LINE, HEAD, GAP = 20, 30, 18
COLUMNS = 2
FONT = "font-family='system-ui, sans-serif' font-size='12'"


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    bars: Sequence[tuple[str, float]]

    @property
    def height(self) -> int:
        return HEAD + LINE * len(self.bars) + GAP


def drawn(panels: Sequence[Panel]) -> str:
    """Panels side by side, each with its own scale that begins at zero."""
    shapes: list[str] = []
    top = GAP
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        for place, panel in enumerate(row):
            shapes += _panel(panel, place * WIDTH + GAP, top)
        top += max(panel.height for panel in row)
    size = f"width='{COLUMNS * WIDTH + GAP}' height='{top}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}>"
    white = "<rect width='100%' height='100%' fill='white'/>"
    return "\n".join([head, white, *shapes, "</svg>", ""])


def _panel(panel: Panel, left: int, top: int) -> Iterator[str]:
    yield f"<text x='{left}' y='{top + 14}' font-weight='bold'>{escape(panel.title)}</text>"
    longest = max((value for _, value in panel.bars), default=0) or 1
    for number, (name, value) in enumerate(panel.bars):
        y = top + HEAD + number * LINE
        width = max(1, round(BAR * value / longest))
        colour = "#1f6feb" if name.startswith(OURS) else "#9aa4b2"
        yield f"<text x='{left}' y='{y + 11}'>{escape(name)}</text>"
        yield f"<rect x='{left + LABEL}' y='{y}' width='{width}' height='14' fill='{colour}'/>"
        yield f"<text x='{left + LABEL + width + 6}' y='{y + 11}'>{_number(value)}</text>"


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    return f"{value:,.0f}" if value >= 20 else f"{value:.3g}"
