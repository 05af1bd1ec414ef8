"""The throughput as a bar chart: SVG, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH = 840
_LABELS_WIDTH = 340
"""The width of the names at the left."""
_NUMBERS_WIDTH = 80
"""The width of the number behind the longest bar."""
_HEAD_HEIGHT = 70
_BAR_HEIGHT = 15
_BAR_GAP = 2
_GROUP_GAP = 14

_STYLE = """
.page { fill: #ffffff }
text { font: 14px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.note, .number { font-size: 12px }
.note { fill: #656d76 }
.strong { font-weight: 600 }
.ours.first { fill: #116149 }
.ours.second { fill: #5fbd9b }
.theirs.first { fill: #6e7781 }
.theirs.second { fill: #b6bec7 }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .ours.first { fill: #4fd1a5 }
  .ours.second { fill: #27795c }
  .theirs.first { fill: #9da7b3 }
  .theirs.second { fill: #535c66 }
}
"""


@dataclass(frozen=True)
class Group:
    """The bars of one contestant."""

    name: str
    numbers: Sequence[float | None]
    """Two numbers, in the order of the legend. The second may be None: then it has no bar."""
    is_ours: bool


def bar_chart(title: str, note: str, legend: Sequence[str], groups: Sequence[Group]) -> str:
    """Return an SVG picture of `groups`; the one with the longest first bar is on top.

    Its colours follow the reader's system, light or dark. The page around it may have other
    colours, so the picture has a background of its own.

    Args:
        note: a line below the title.
        legend: two names, of the first and of the second bar in each group.
    """
    longest = max(number or 0 for group in groups for number in group.numbers)
    scale = (_WIDTH - _LABELS_WIDTH - _NUMBERS_WIDTH) / longest
    group_height = 2 * _BAR_HEIGHT + _BAR_GAP
    height = _HEAD_HEIGHT + (group_height + _GROUP_GAP) * len(groups)
    drawn = []
    for row, group in enumerate(sorted(groups, key=lambda group: -(group.numbers[0] or 0))):
        top = _HEAD_HEIGHT + (group_height + _GROUP_GAP) * row
        drawn += _group(group, top, top + group_height / 2, scale)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            f' width="{_WIDTH}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            '<rect class="page" width="100%" height="100%" rx="6"/>',
            f'<text class="title" x="16" y="28">{escape(title)}</text>',
            f'<text class="note" x="16" y="48">{escape(note)}</text>',
            *_legend(legend),
            *drawn,
            "</svg>",
            "",
        ]
    )


def _group(group: Group, top: float, middle: float, scale: float) -> list[str]:
    kind = "ours" if group.is_ours else "theirs"
    strong = ' class="strong"' if group.is_ours else ""
    drawn = [
        f'<text{strong} x="{_LABELS_WIDTH - 12}" y="{middle + 5:g}" text-anchor="end">'
        f"{escape(group.name)}</text>"
    ]
    for place, number in zip(("first", "second"), group.numbers, strict=True):
        if number is not None:
            width = max(1, scale * number)
            drawn += [
                _bar(f"{kind} {place}", _LABELS_WIDTH, top, width),
                f'<text class="number" x="{_LABELS_WIDTH + width + 7:.1f}"'
                f' y="{top + _BAR_HEIGHT - 3.5:g}">{number:,.0f}</text>',
            ]
        top += _BAR_HEIGHT + _BAR_GAP
    return drawn


def _legend(names: Sequence[str]) -> list[str]:
    """Draw the two names at the top right, each behind its two colours: ours and theirs."""
    drawn = []
    for place, name, left in zip(
        ("first", "second"), names, (_WIDTH - 310, _WIDTH - 160), strict=True
    ):
        drawn += [
            _bar(f"ours {place}", left, 17, 12, 12),
            _bar(f"theirs {place}", left + 14, 17, 12, 12),
            f'<text class="number" x="{left + 33}" y="27">{escape(name)}</text>',
        ]
    return drawn


def _bar(kind: str, left: float, top: float, width: float, height: float = _BAR_HEIGHT) -> str:
    return (
        f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{width:.1f}" height="{height:g}"'
        ' rx="2"/>'
    )
