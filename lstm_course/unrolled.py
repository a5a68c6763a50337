"""The cell over a short sequence, unrolled: one copy per step, and what flows between them."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from lstm_course.figures import COLORS, INK, Picture, figure, show

_WIDTH, _HEIGHT = 2.3, 2.75  # inches, of one copy
_BLOCKS = {  # where a block stands in its copy, what is written in it, and its colour
    "f": (0.36, 0.95, "f", "f"),
    "i": (0.78, 0.95, "i", "i"),
    "g": (1.42, 0.95, "g", "g"),
    "o": (1.82, 0.95, "o", "o"),
    "f * c_prev": (0.36, 2.4, "⊙", "c"),
    "i * g": (1.1, 1.65, "⊙", "c"),
    "c": (1.1, 2.4, "+", "c"),
    "tanh(c)": (1.82, 1.97, "tanh", "h"),
    "h": (1.82, 1.46, "⊙", "h"),
}
_HALF = 0.17
_BUS = 0.5  # the height at which x and h reach the four maps


def _ways() -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return the corners of every arrow within a copy, by where it starts and ends."""
    at = {name: block[:2] for name, block in _BLOCKS.items()}

    def side(name: str, dx: int, dy: int) -> tuple[float, float]:
        x, y = at[name]
        return x + dx * _HALF, y + dy * _HALF

    lane = at["c"][1]
    (h_x, h_y), out = at["h"], 2.13
    ways = {
        ("c_prev", "f * c_prev"): [(0, lane), side("f * c_prev", -1, 0)],
        ("f", "f * c_prev"): [side("f", 0, 1), side("f * c_prev", 0, -1)],
        ("i", "i * g"): [side("i", 0, 1), (at["i"][0], at["i * g"][1]), side("i * g", -1, 0)],
        ("g", "i * g"): [side("g", 0, 1), (at["g"][0], at["i * g"][1]), side("i * g", 1, 0)],
        ("f * c_prev", "c"): [side("f * c_prev", 1, 0), side("c", -1, 0)],
        ("i * g", "c"): [side("i * g", 0, 1), side("c", 0, -1)],
        ("c", "c_next"): [side("c", 1, 0), (_WIDTH, lane)],
        ("c", "tanh(c)"): [(h_x, lane), side("tanh(c)", 0, 1)],
        ("tanh(c)", "h"): [side("tanh(c)", 0, -1), side("h", 0, 1)],
        ("o", "h"): [side("o", 0, 1), side("h", 0, -1)],
        ("h", "h_next"): [side("h", 1, 0), (out, h_y), (out, _BUS), (_WIDTH, _BUS)],
        ("x", "maps"): [(0.17, 0.22), (0.17, _BUS)],
        ("h_prev", "maps"): [(0, _BUS), (at["o"][0], _BUS)],
    }
    for gate in "figo":
        ways["maps", gate] = [(at[gate][0], _BUS), side(gate, 0, -1)]
    return ways


def _draw_copy(ax: Axes, t: int, word: str, left: float, low: float) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (left + 0.04, low + 0.32),
            _WIDTH - 0.08,
            _HEIGHT - 0.37,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=INK,
            edgecolor="none",
            alpha=0.05,
            gid=f"part:{t} copy",
        )
    )
    for (source, target), corners in _ways().items():
        name = source.removesuffix("_prev")
        color = COLORS.get(_BLOCKS.get(source, (0, 0, "", name))[3], INK)
        arrow = FancyArrowPatch(
            path=Path([(left + x, low + y) for x, y in corners]),
            arrowstyle="-" if target == "maps" else "-|>",
            mutation_scale=8,
            linewidth=1.4,
            shrinkA=0,
            shrinkB=0,
            color=color if source != "maps" else COLORS["h"],
        )
        arrow.set_gid(f"part:{t} {source} > {target}")
        ax.add_patch(arrow)
    for name, (x, y, label, color) in _BLOCKS.items():
        ax.add_patch(
            FancyBboxPatch(
                (left + x - _HALF, low + y - _HALF),
                2 * _HALF,
                2 * _HALF,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=COLORS[color],
                edgecolor="none",
                alpha=0.25,
                gid=f"part:{t} {name}",
            )
        )
        text = ax.text(left + x, low + y, label, ha="center", va="center", size=9)
        text.set_gid(f"part:{t} {name}")
    ax.text(left + 0.17, low + 0.1, word, ha="center", va="center", size=10).set_gid(f"part:{t} x")


def unrolled(words: Sequence[str], alt: str) -> Picture:
    """Draw the LSTM over the steps of a sequence: copies of the cell, side by side.

    On a phone the copies stand one below the other. Every block and arrow carries its step and its
    name, so that a script can walk along them.

    Parameters
    ----------
    words
        What is read at each step, at least one.
    alt
        What the figure shows, for readers who cannot see it.

    Raises
    ------
    ValueError
        There are no words, or `alt` is empty.

    Examples
    --------
    >>> unrolled(["the", "cat"], "Two copies of the cell.")
    Picture: Two copies of the cell.
    """
    if not words:
        raise ValueError("words is empty, expected what is read at each step")
    pictures = []
    for across, down in ((1, 0), (0, 1)):
        width, height = (1 + (len(words) - 1) * n for n in (across, down))
        fig, ax = figure(width=width * _WIDTH + 0.6, height=height * _HEIGHT + 0.1)
        for t, word in enumerate(words):
            left, low = t * across * _WIDTH, -t * down * _HEIGHT
            _draw_copy(ax, t, word, left, low)
            if t == 0 or down:
                for label, y in ((f"$c_{t}$", 2.4), (f"$h_{t}$", _BUS)):
                    color = COLORS[label[1]]
                    ax.text(
                        left - 0.05, low + y, label, color=color, ha="right", va="center", size=12
                    )
            if t == len(words) - 1 or down:
                for label, y in ((f"$c_{t + 1}$", 2.4), (f"$h_{t + 1}$", _BUS)):
                    color = COLORS[label[1]]
                    ax.text(left + _WIDTH + 0.05, low + y, label, color=color, va="center", size=12)
        ax.set(
            xlim=(-0.3, width * _WIDTH + 0.3), ylim=(-(height - 1) * _HEIGHT - 0.05, _HEIGHT + 0.05)
        )
        ax.axis("off")
        pictures.append(show(fig, alt))
    wide, tall = pictures
    return Picture(wide.svg, alt, tall.svg)
