"""Block diagrams of cells, drawn from their equations.

The equations are text, one assignment a line, as a reader would write them in NumPy. They are
parsed into operations; every operation becomes a block, every use of a value an arrow.
"""

import ast
import math
import re
from dataclasses import dataclass, field

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

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

    def add(label: str, kind: str, color: str, *sources: Block) -> Block:
        block = Block(label, kind, color, list(sources))
        block.column = 1 + max((source.column for source in sources), default=-1)
        blocks.append(block)
        return block

    def value(name: str) -> Block:
        used.add(name)
        if name not in values:
            values[name] = add(name, "input", _color(name.removesuffix("_prev")))
        return values[name]

    def visit(node: ast.expr, color: str) -> Block:
        if isinstance(node, ast.Name):
            return value(node.id)
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
            return add(ast.unparse(node), "affine", color, *(value(name) for name in names))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            sides = visit(node.left, color), visit(node.right, color)
            return add(_OPERATORS[type(node.op)], "operation", color, *sides)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FUNCTIONS
            and len(node.args) == 1
            and not node.keywords
        ):
            return add(_FUNCTIONS[node.func.id], "operation", color, visit(node.args[0], color))
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
        values[name] = visit(statement.value, _color(name))

    if not blocks:
        raise ValueError("equations is empty, expected lines such as c = f * c_prev + i * g")
    assigned = [name for name in values if values[name].kind != "input"]
    outputs = [name for name in assigned if name not in used or f"{name}_prev" in used]
    last = 1 + max(block.column for block in blocks)
    for name in outputs:
        add(name, "output", _color(name), values[name]).column = last
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
    low, high = min(block.y for block in blocks), max(block.y for block in blocks)
    columns = max(block.column for block in blocks)
    width = columns + 2.2
    fig, ax = figure(width=min(7.6, 0.95 * width), height=0.72 * (high - low) + 0.9)

    def x_of(block: Block) -> float:  # an affine block takes the width of two columns
        return block.column * 1.0 + (0.8 if block.kind == "affine" else 1.3 * (block.column > 1))

    def half_of(block: Block) -> float:
        return {"affine": 0.88, "operation": 0.3}.get(block.kind, 0.33)

    for block in blocks:
        # An input of a map in a later column goes round the maps before it, in a track of its own.
        late = block.kind == "affine" and block.column > 1
        around = [source for source in block.sources if late and source.kind == "input"]
        for source in block.sources:
            track = 0.14 * around.index(source) if source in around else 0.0
            ax.add_patch(
                FancyArrowPatch(
                    (x_of(source) + half_of(source) - track, source.y - 0.25 * (source in around)),
                    (x_of(block) - half_of(block), block.y - track),
                    connectionstyle="angle,angleA=-90,angleB=180,rad=6"
                    if source in around
                    else "arc3",
                    arrowstyle="-|>",
                    mutation_scale=9,
                    linewidth=1.5,
                    color=source.color,
                    shrinkA=0,
                    shrinkB=0,
                )
            )
    for block in blocks:
        if block.kind in ("affine", "operation"):
            half = half_of(block)
            ax.add_patch(
                FancyBboxPatch(
                    (x_of(block) - half, block.y - 0.27),
                    2 * half,
                    0.54,
                    boxstyle=f"round,pad=0,rounding_size={0.1 if block.kind == 'affine' else 0.24}",
                    facecolor=block.color,
                    edgecolor="none",
                    alpha=0.2,
                )
            )
        state = block.kind in ("input", "output")
        ax.text(
            x_of(block),
            block.y,
            _math(block.label, state),
            ha="center",
            va="center",
            size={"affine": min(9, 230 / len(block.label)), "operation": 10}.get(block.kind, 15),
            color=block.color if state else INK,
        )
    ax.set(xlim=(-0.4, width - 0.4), ylim=(low - 0.45, high + 0.45))
    ax.axis("off")
    return show(fig, alt or "Block diagram of " + "; ".join(equations.strip().splitlines()))


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
