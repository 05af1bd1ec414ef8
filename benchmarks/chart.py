"""The throughput as a bar chart: SVG, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

_WIDTH = 820
_LABELS = 330
"""Width of the names at the left."""
_NUMBERS = 80
"""Width kept for the number behind the longest bar."""
_ROW = 34
_BAR = 20

_STYLE = """
.page { fill: #ffffff }
text { font: 14px system-ui, sans-serif; fill: #24292f }
.note { font-size: 12px; fill: #656d76 }
.ours { fill: #1a7f64 }
.theirs { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .ours { fill: #3fb68b }
  .theirs { fill: #6e7681 }
}
"""


def bar_chart(title: str, note: str, bars: Sequence[tuple[str, float, bool]]) -> str:
    """Draw `bars`, each a name, its number and whether it is ours, the longest first.

    The picture follows the reader's system, which the page may not: so it has its own background.
    """
    longest = max(number for _, number, _ in bars)
    height = 62 + _ROW * len(bars)
    drawn = []
    ordered = sorted(bars, key=lambda bar: bar[1], reverse=True)
    for row, (name, number, is_ours) in enumerate(ordered):
        top = 58 + _ROW * row
        middle = top + _BAR / 2 + 5
        width = max(1, (_WIDTH - _LABELS - _NUMBERS) * number / longest)
        kind = "ours" if is_ours else "theirs"
        drawn += [
            f'<text x="{_LABELS - 10}" y="{middle:g}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LABELS}" y="{top}" width="{width:.1f}" height="{_BAR}"'
            ' rx="2"/>',
            f'<text x="{_LABELS + width + 8:.1f}" y="{middle:g}">{number:,.0f}</text>',
        ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            f' width="{_WIDTH}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            '<rect class="page" width="100%" height="100%" rx="6"/>',
            f'<text x="10" y="22">{escape(title)}</text>',
            f'<text class="note" x="10" y="40">{escape(note)}</text>',
            *drawn,
            "</svg>",
            "",
        ]
    )
