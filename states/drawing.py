"""The machine as an SVG picture, from the table: states as boxes in a row, moves as arcs over and under them."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

from states.diagram import arrows
from states.table import INITIAL, STATES

BOX_WIDTH, BOX_HEIGHT, GAP = 150, 44, 130
MARGIN, FIRST_LEVEL, LEVEL = 30, 30, 40

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d2733}.label{font-size:11px;fill:#52606d}"
    ".state{fill:#eef4f7;stroke:#2f6f8f;stroke-width:1.5}.initial{fill:#d5e8ef}.move{fill:none;stroke:#7b8794}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.label{fill:#9aa5b1}.state{fill:#1f2d36;stroke:#6fb3d2}"
    ".initial{fill:#26404d}}"
)
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#7b8794"/></marker></defs>'
)

Move = tuple[str, str]


def as_svg() -> str:
    """Every move between states, with the triggers that make it; guards and internal rows are in the table."""
    labels = {move: list(dict.fromkeys(text.split(" [")[0] for text in found)) for move, found in arrows().items()}
    over = _by_length(move for move in labels if _place(move[0]) < _place(move[1]))
    under = _by_length(move for move in labels if _place(move[0]) > _place(move[1]))
    top = MARGIN + FIRST_LEVEL + LEVEL * max(len(over), 1)
    bottom = top + BOX_HEIGHT
    width = 2 * MARGIN + len(STATES) * BOX_WIDTH + (len(STATES) - 1) * GAP
    height = bottom + FIRST_LEVEL + LEVEL * max(len(under), 1) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="States">',
        f"<style>{_STYLE}</style>{_TIP}",
        *(_arc(move, labels[move], top, -(FIRST_LEVEL + LEVEL * n)) for n, move in enumerate(over)),
        *(_arc(move, labels[move], bottom, FIRST_LEVEL + LEVEL * n) for n, move in enumerate(under)),
        *(_box(state, top) for state in STATES),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(state: str) -> int:
    return STATES.index(state)


def _by_length(moves: Iterable[Move]) -> list[Move]:
    """Short arcs first, so that they lie nearer to the boxes."""
    return sorted(moves, key=lambda move: (abs(_place(move[1]) - _place(move[0])), _place(move[0])))


def _left(state: str) -> int:
    return MARGIN + _place(state) * (BOX_WIDTH + GAP)


def _box(state: str, top: int) -> str:
    kind = "state initial" if state == INITIAL else "state"
    return (
        f'<rect class="{kind}" x="{_left(state)}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="10"/>'
        f'<text x="{_left(state) + BOX_WIDTH // 2}" y="{top + 27}" text-anchor="middle">{escape(state)}</text>'
    )


def _arc(move: Move, triggers: list[str], edge: int, height: int) -> str:
    """One move from box edge to box edge, `height` above (negative) or below them."""
    source, dest = move
    onward = 1 if _place(dest) > _place(source) else -1
    start = _left(source) + BOX_WIDTH // 2 + onward * 45
    end = _left(dest) + BOX_WIDTH // 2 - onward * (60 - abs(height) // 8)
    level, bend = edge + height, onward * 24
    path = (
        f"M{start} {edge}C{start} {level},{start} {level},{start + bend} {level}"
        f"L{end - bend} {level}C{end} {level},{end} {level},{end} {edge}"
    )
    return (
        f'<path class="move" marker-end="url(#tip)" d="{path}"/>'
        f'<text class="label" x="{(start + end) // 2}" y="{level - 5}" text-anchor="middle">'
        f"{escape(' · '.join(triggers))}</text>"
    )
