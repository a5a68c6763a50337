"""Block diagrams of cells, drawn from their equations.

The equations are text, one assignment a line, as a reader would write them in NumPy. They are
parsed into operations; every operation becomes a block, every use of a value an arrow. A block's
shape and label carry the name of its value, so that a script can fill the diagram with numbers.
"""

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from lstm_course.figures import COLORS, INK, Picture, figure, show

LSTM = """
f = sigmoid(W_f @ x + U_f @ h_prev + b_f)
i = sigmoid(W_i @ x + U_i @ h_prev + b_i)
g = tanh(W_g @ x + U_g @ h_prev + b_g)
o = sigmoid(W_o @ x + U_o @ h_prev + b_o)
c = f * c_prev + i * g
h = o * tanh(c)
"""

RNN = """
h = tanh(W @ x + U @ h_prev + b)
"""

GRU = """
z = sigmoid(W_z @ x + U_z @ h_prev + b_z)
r = sigmoid(W_r @ x + U_r @ h_prev + b_r)
n = tanh(W_n @ x + r * (U_n @ h_prev) + b_n)
h = n + z * (h_prev - n)
"""

_ROLES = {"z": "f", "n": "g", "r": "o"}
"""The GRU's letters, and those of the LSTM that do the same: keep, offer, show."""

_FUNCTIONS = {"sigmoid": "σ", "tanh": "tanh"}
_OPERATORS: dict[type, str] = {ast.Mult: "⊙", ast.Add: "+", ast.Sub: "−"}


@dataclass
class Block:
    """One block of a diagram: what is written in it, what feeds it, and where it stands."""

    label: str
    kind: str  # "input", "affine", "operation" or "output"
    color: str
    value: str  # what comes out of it: a name of the equations, or a part of one as it stands there
    sources: list["Block"] = field(default_factory=list)
    column: int = 0
    y: float = 0.0


def parse(equations: str) -> list[Block]:
    """Turn equations into blocks, in the order in which they are computed.

    A sum that contains a matrix product is one affine block. A name that is used before it is
    assigned is an input; a name that no later equation uses up, and each name X whose X_prev is
    an input, is an output.

    Parameters
    ----------
    equations
        One assignment a line, with + - * @, sigmoid and tanh.

    Raises
    ------
    ValueError
        A line is not such an equation; the sentence quotes it.

    Examples
    --------
    >>> [(block.label, block.kind) for block in parse("h = tanh(W @ x + b)")]
    [('x', 'input'), ('W @ x + b', 'affine'), ('tanh', 'operation'), ('h', 'output')]
    """
    blocks: list[Block] = []
    values: dict[str, Block] = {}
    used: set[str] = set()

    def add(label: str, kind: str, color: str, value: str, *sources: Block) -> Block:
        block = Block(label, kind, color, value, list(sources))
        block.column = 1 + max((source.column for source in sources), default=-1)
        blocks.append(block)
        return block

    def value(name: str) -> Block:
        used.add(name)
        if name not in values:
            values[name] = add(name, "input", _color(name.removesuffix("_prev")), name)
        return values[name]

    def visit(node: ast.expr, color: str, name: str = "") -> Block:
        if isinstance(node, ast.Name):
            return value(node.id)
        name = name or ast.unparse(node)
        if any(isinstance(part, ast.MatMult) for part in _sum_operators(node)):
            names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
            mapped = {
                part.right.id
                for part in ast.walk(node)
                if isinstance(part, ast.BinOp)
                and isinstance(part.op, ast.MatMult)
                and isinstance(part.right, ast.Name)
            }
            # What is no weight: the right side of a product, an old state, an earlier result.
            names = [n for n in names if n in mapped | set(values) or n.endswith("_prev")]
            names = sorted(set(names), key=names.index)
            return add(ast.unparse(node), "affine", color, name, *map(value, names))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            sides = visit(node.left, color), visit(node.right, color)
            return add(_OPERATORS[type(node.op)], "operation", color, name, *sides)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FUNCTIONS
            and len(node.args) == 1
            and not node.keywords
        ):
            source = visit(node.args[0], color)
            return add(_FUNCTIONS[node.func.id], "operation", color, name, source)
        raise ValueError(f"cannot draw {ast.unparse(node)!r}: expected +, -, *, @, sigmoid or tanh")

    for line in filter(None, map(str.strip, equations.splitlines())):
        try:
            (statement,) = ast.parse(line).body
        except (SyntaxError, ValueError):
            statement = ast.Pass()
        if not (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(target := statement.targets[0], ast.Name)
        ):
            raise ValueError(f"{line!r} is not an equation such as c = f * c_prev + i * g")
        name = target.id
        values[name] = visit(statement.value, _color(name), name)

    if not blocks:
        raise ValueError("equations is empty, expected lines such as c = f * c_prev + i * g")
    assigned = [name for name in values if values[name].kind != "input"]
    outputs = [name for name in assigned if name not in used or f"{name}_prev" in used]
    last = 1 + max(block.column for block in blocks)
    for name in outputs:
        add(name, "output", _color(name), f"{name}_t", values[name]).column = last
    return blocks


def block_diagram(equations: str = LSTM, alt: str = "") -> Picture:
    """Draw the block diagram of a cell from its equations.

    Parameters
    ----------
    equations
        As `parse` takes them; the standard LSTM's unless given.
    alt
        A description for readers who cannot see it; made from the equations unless given.

    Raises
    ------
    ValueError
        A line of the equations cannot be read.

    Examples
    --------
    >>> block_diagram("h = tanh(W @ x + U @ h_prev + b)")
    Picture: Block diagram of h = tanh(W @ x + U @ h_prev + b)
    """
    blocks = parse(equations)
    _place(blocks)
    alt = alt or "Block diagram of " + "; ".join(equations.strip().splitlines())
    wide, tall = (show(_drawn(blocks, form), alt) for form in (_WIDE, _TALL))
    return Picture(wide.svg, alt, tall.svg)


class _Form(NamedTuple):
    """How a diagram lies on the page: along its flow, and across it. A unit is a column or lane."""

    tall: bool
    along: float  # inches per unit
    across: float
    sizes: dict[str, tuple[float, float]]  # a block's half length and half width, by its kind

    def place(self, block: Block) -> tuple[float, float]:
        """Return where a block stands; what follows the maps makes room for their length."""
        length, others = self.sizes["affine"][0], self.sizes["operation"][0]
        room = {0: 0.0, 1: 1.0}.get(block.column, 2.0) * (length - others)
        if block.kind == "affine" and block.column > 1:
            room -= length - others
        return block.column + room + 0.3 * (block.column > 0), block.y  # 0.3 for the rails

    def point(self, along: float, across: float) -> tuple[float, float]:
        """Return the page's coordinates: a tall diagram flows down, its first lane at the left."""
        return (
            (-across * self.across, -along * self.along)
            if self.tall
            else (
                along * self.along,
                across * self.across,
            )
        )


_WIDE = _Form(
    False, 0.95, 0.72, {"affine": (0.88, 0.27), "operation": (0.3, 0.27), "input": (0.3, 0.25)}
)
_TALL = _Form(
    True, 0.58, 0.8, {"affine": (0.6, 0.45), "operation": (0.34, 0.27), "input": (0.4, 0.25)}
)


def _drawn(blocks: list[Block], form: _Form) -> Figure:
    """Draw blocks that have their places."""
    at = {id(block): form.place(block) for block in blocks}
    half = {id(b): form.sizes.get(b.kind, form.sizes["input"]) for b in blocks}
    ends = [at[id(b)][0] + side * half[id(b)][0] for b in blocks for side in (-1, 1)]
    lanes = [block.y + side * 0.45 for block in blocks for side in (-1, 1)]
    corners = [form.point(a, y) for a in (min(ends), max(ends)) for y in (min(lanes), max(lanes))]
    (left, right), (low, high) = ((min(one), max(one)) for one in zip(*corners, strict=True))
    fig, ax = figure(width=right - left + 0.1, height=high - low + 0.1)
    for block in blocks:
        for source in block.sources:
            path = [form.point(*one) for one in _way(source, block, blocks, at, half)]
            arrow = FancyArrowPatch(
                path=Path(path),
                arrowstyle="-|>",
                mutation_scale=9,
                linewidth=1.5,
                joinstyle="round",
                color=source.color,
            )
            ax.add_patch(arrow)
    for block in blocks:
        x, y = form.point(*at[id(block)])
        if block.kind in ("affine", "operation"):
            length, width = half[id(block)]
            (x0, x1), (y0, y1) = (
                sorted(pair)
                for pair in zip(
                    form.point(at[id(block)][0] - length, block.y - width),
                    form.point(at[id(block)][0] + length, block.y + width),
                    strict=True,
                )
            )
            rounding = 0.08 if block.kind == "affine" else 0.17
            box = FancyBboxPatch(
                (x0, y0),
                x1 - x0,
                y1 - y0,
                boxstyle=f"round,pad=0,rounding_size={rounding}",
                facecolor=block.color,
                edgecolor="none",
                alpha=0.2,
                gid=f"part:{block.value}",
            )
            ax.add_patch(box)
        state = block.kind in ("input", "output")
        text = _math(block.label, state)
        size = {"affine": min(9, 230 / len(block.label)), "operation": 10}.get(block.kind, 15)
        if form.tall and block.kind == "affine":  # a term per line
            text = re.sub(r" ([+-]) ", r"$\n$\1 ", text)
            size = min(10, 132 / max(map(len, re.split(r" [+-] ", block.label))))
        color = block.color if state else INK
        label = ax.text(
            x, y, text, ha="center", va="center", size=size, color=color, linespacing=1.4
        )
        label.set_gid(f"part:{block.value}")
    ax.set(xlim=(left, right), ylim=(low, high))
    ax.axis("off")
    return fig


def _way(
    source: Block,
    block: Block,
    blocks: list[Block],
    at: Mapping[int, tuple[float, float]],
    half: Mapping[int, tuple[float, float]],
) -> list[tuple[float, float]]:
    """Return the corners of the arrow from a source to a block, along and across.

    What several maps read runs down a bus, one rail for each input, from which every map takes its
    own. An input of a map in a later column goes round the maps before it, in a track of its own.
    All else leaves a block along the flow, and turns once.
    """
    start, end = at[id(source)][0] + half[id(source)][0], at[id(block)][0] - half[id(block)][0]
    inputs = [one for one in block.sources if one.kind == "input"]
    maps = [one for one in blocks if one.kind == "affine" and one.column == 1]
    if block.kind == "affine" and source in inputs:
        k = inputs.index(source)
        if block.column > 1:
            lane, out = block.y - 0.14 * k, at[id(source)][0] - 0.27 * k
            return [(out, source.y - half[id(source)][1]), (out, lane), (end, lane)]
        if len(maps) > 1:
            rail, lane = start + 0.1 + 0.15 * k, block.y + 0.1 - 0.2 * k
            return [(start, source.y), (rail, source.y), (rail, lane), (end, lane)]
    if source.y == block.y or (block.kind == "affine" and source.kind == "input"):
        return [(start, source.y), (end, block.y)]
    middle, width = at[id(block)][0], half[id(block)][1]
    side = block.y + math.copysign(width, source.y - block.y)
    return [(start, source.y), (middle, source.y), (middle, side)]


def _color(name: str) -> str:
    return COLORS.get(_ROLES.get(name, name), INK)


def _math(label: str, state: bool) -> str:
    """Write a block's label as mathematics: h_prev as h with the index t-1, W_f @ x as W_f x."""
    if not state and "@" not in label:
        return label

    def name(match: re.Match[str]) -> str:
        letter, _, index = match[0].partition("_")
        if match[0].endswith("_prev"):
            letter, index = match[0].removesuffix("_prev"), "t-1"
        elif state or letter == "x":
            index = ",".join(filter(None, [index, "t"]))
        return f"{letter}_{{{index.replace('_', ',')}}}" if index else letter

    return (
        "$" + re.sub(r"[A-Za-z]\w*", name, label).replace(" @ ", r"\,").replace("*", r"\odot") + "$"
    )


def _sum_operators(node: ast.expr) -> list[ast.operator]:
    """Return the operators of the sum that `node` is, not those inside a call or a product."""
    if not isinstance(node, ast.BinOp):
        return []
    if isinstance(node.op, ast.Add | ast.Sub):
        return [node.op, *_sum_operators(node.left), *_sum_operators(node.right)]
    return [node.op]


def _place(blocks: list[Block]) -> None:
    """Give every block a height, so that few arrows cross.

    Affine blocks, or the gates where they are given, stand one above the other. An old state that
    an operation uses directly runs straight through, in a lane above them.
    """
    affine = [block for block in blocks if block.kind == "affine"]
    operations = [block for block in blocks if block.kind == "operation"]
    inputs = [block for block in blocks if block.kind == "input"]
    direct = [block for block in inputs if any(block in one.sources for one in operations)]
    through = [block for block in direct if block.label.endswith("_prev")]
    mapped = [block for block in inputs if block not in direct]
    stack = [block for block in direct if block not in through] + affine
    top = len(stack) if through else math.nan
    for k, block in enumerate(stack):
        block.y = len(stack) - 1 - k
    for k, block in enumerate(mapped):
        block.y = (len(stack) - 1) / 2 + (len(mapped) - 1) * 0.6 - 1.2 * k
    for k, block in enumerate(through):
        block.y = top + 0.6 * k
    for block in blocks:
        if block.kind not in ("operation", "output"):
            continue
        heights = [source.y for source in block.sources]
        if any(source.color == block.color and source.y == top for source in block.sources):
            block.y = top  # the state's own lane
        elif top in heights and len(heights) == 1:
            block.y = top / 2  # a branch that leaves the lane
        elif top in heights or top / 2 in heights:
            block.y = min(heights)
        else:
            block.y = sum(heights) / len(heights)
        while any(
            b is not block and b.column == block.column and abs(b.y - block.y) < 0.6
            for b in blocks[: blocks.index(block)]
        ):
            block.y -= 0.6
