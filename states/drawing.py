"""The machine as an SVG picture, from the table: states as boxes in a row, moves as arcs over and under them.

A picture within a page carries no style of its own, for a page of ours allows none: its classes are styled by the page.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from states.diagram import arrows
from states.table import INITIAL, STATES

BOX_WIDTH, BOX_HEIGHT, GAP = 150, 44, 130
MARGIN, FIRST_LEVEL, LEVEL = 20, 26, 32
# How many letters of a label find room over the way from one state to the next.
ROOM = 36

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d2733}.label{font-size:11px;fill:#52606d}"
    ".state{fill:#eef4f7;stroke:#2f6f8f;stroke-width:1.5}.initial{fill:#d5e8ef}.move{fill:none;stroke:#7b8794}"
    ".current{fill:#2f6f8f}.of-current{fill:#fff}.move.travelled{stroke:#2f6f8f;stroke-width:2.5}"
    ".tip-travelled{fill:#2f6f8f}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.label{fill:#9aa5b1}.state{fill:#1f2d36;stroke:#6fb3d2}"
    ".initial{fill:#26404d}.current{fill:#6fb3d2}.of-current{fill:#10202a}.move.travelled{stroke:#6fb3d2}}"
)
_TIP = (
    '<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" '
    'markerUnits="userSpaceOnUse"><path class="{name}" d="M0 0L8 4L0 8z" fill="#7b8794"/></marker>'
)
_TIPS = f"<defs>{_TIP.format(name='tip')}{_TIP.format(name='tip-travelled')}</defs>"

Move = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Journey:
    """Where a conversation is, and the moves it made to get there with how often it made each."""

    state: str
    moves: Mapping[Move, int] = field(default_factory=dict)

    @property
    def been(self) -> frozenset[str]:
        """The states it has been in."""
        return frozenset((self.state, *(state for move in self.moves for state in move)))

    def told(self) -> str:
        """The same in words, for whoever does not see the picture."""
        made = [f"{source} to {dest}{_times(count)}" for (source, dest), count in self.moves.items()]
        return f"Now in {self.state}. " + (f"Moved from {', '.join(made)}." if made else "It has not moved yet.")


_NOWHERE = Journey(state="")


def as_svg(journey: Journey | None = None, *, within_page: bool = False) -> str:
    """Every move between states, with the triggers that make it; guards and internal rows are in the table. `journey`
    is marked in it; `within_page`: without a style of its own."""
    labels = {move: list(dict.fromkeys(text.split(" [")[0] for text in found)) for move, found in arrows().items()}
    over = _levels(move for move in labels if _place(move[0]) < _place(move[1]))
    under = _levels(move for move in labels if _place(move[0]) > _place(move[1]))
    top = MARGIN + FIRST_LEVEL + LEVEL * _height(over)
    bottom = top + BOX_HEIGHT
    width = 2 * MARGIN + len(STATES) * BOX_WIDTH + (len(STATES) - 1) * GAP
    height = bottom + FIRST_LEVEL + LEVEL * _height(under) + MARGIN
    way = journey or _NOWHERE
    told = f"<desc>{escape(journey.told())}</desc>" if journey else ""
    arcs = [(move, top, -(FIRST_LEVEL + LEVEL * level)) for move, level in over.items()]
    arcs += [(move, bottom, FIRST_LEVEL + LEVEL * level) for move, level in under.items()]
    # What was travelled is drawn last, over what was not.
    arcs.sort(key=lambda arc: arc[0] in way.moves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" class="machine">',
        f"<title>States</title>{told}",
        ("" if within_page else f"<style>{_STYLE}</style>") + _TIPS,
        *(_arc(move, labels[move], edge, level, way.moves.get(move, 0)) for move, edge, level in arcs),
        *(_box(state, top, way) for state in STATES),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(state: str) -> int:
    return STATES.index(state)


def _levels(moves: Iterable[Move]) -> dict[Move, int]:
    """Each move with the level of its arc, 0 next to the boxes: short ones lie nearer, and those side by side share a
    level."""
    levels: dict[Move, int] = {}
    for move in sorted(moves, key=lambda move: (abs(_place(move[1]) - _place(move[0])), _place(move[0]))):
        taken = {level for other, level in levels.items() if _overlap(move, other)}
        levels[move] = next(level for level in range(len(taken) + 1) if level not in taken)
    return levels


def _overlap(move: Move, other: Move) -> bool:
    (first, last), (start, end) = sorted(map(_place, move)), sorted(map(_place, other))
    return first < end and start < last


def _height(levels: Mapping[Move, int]) -> int:
    return max(levels.values(), default=0)


def _left(state: str) -> int:
    return MARGIN + _place(state) * (BOX_WIDTH + GAP)


def _box(state: str, top: int, way: Journey) -> str:
    marks = [("initial", state == INITIAL), ("been", state in way.been), ("current", state == way.state)]
    kind = " ".join(["state", *(name for name, is_so in marks if is_so)])
    name, middle = "name of-current" if state == way.state else "name", _left(state) + BOX_WIDTH // 2
    return (
        f'<rect class="{kind}" x="{_left(state)}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="10"/>'
        f'<text class="{name}" x="{middle}" y="{top + 27}" text-anchor="middle">{escape(state)}</text>'
    )


def _arc(move: Move, triggers: list[str], edge: int, height: int, travelled: int) -> str:
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
    mark = " travelled" if travelled else ""
    times = f" ×{travelled}" if travelled > 1 else ""
    label = _fitting(triggers, ROOM * abs(_place(dest) - _place(source)) - len(times)) + times
    return (
        f"<g><title>{escape(' · '.join(triggers))}</title>"
        f'<path class="move{mark}" marker-end="url(#tip{mark.replace(" ", "-")})" d="{path}"/>'
        f'<text class="label{mark}" x="{(start + end) // 2}" y="{level - 5}" text-anchor="middle">'
        f"{escape(label)}</text></g>"
    )


def _fitting(triggers: list[str], room: int) -> str:
    """As many of the triggers as `room` letters hold, and how many there are besides."""
    for shown in range(len(triggers), 1, -1):
        rest = [f"+{len(triggers) - shown}"] if shown < len(triggers) else []
        label = " · ".join([*triggers[:shown], *rest])
        if len(label) <= room:
            return label
    return triggers[0] + (f" · +{len(triggers) - 1}" if len(triggers) > 1 else "")


def _times(count: int) -> str:
    return "" if count == 1 else f" ({count} times)"
