"""One look for all results: the gates' colours, tables, and pictures that follow the theme.

A figure is drawn with matplotlib and shown as inline SVG. Its lines and letters take the page's
text colour, and the gates' colours can be overridden by the page's stylesheet, so the same picture
reads on white and on near-black.
"""

import html
import io
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from lstm_course._checks import Array

COLORS = {
    "i": "#1676f3",  # input gate
    "f": "#b93410",  # forget gate
    "g": "#2e7166",  # candidate
    "o": "#b01db4",  # output gate
    "c": "#9a7410",  # cell state
    "h": "#6b7f8e",  # hidden state
}
"""The colour of each gate and state: told apart in the common forms of colour blindness."""

DARK_COLORS = {
    "i": "#64b5ff",
    "f": "#f2764a",
    "g": "#7ef0d0",
    "o": "#e04fe0",
    "c": "#f1d41c",
    "h": "#999da2",
}
"""The same, brightened for a near-black page. The site's stylesheet mirrors both."""

SERIES = {
    "lstm": "#6650d8",  # an LSTM, where networks are compared
    "rnn": "#508000",  # a vanilla recurrent network
    "accent": "#c1156b",  # what a figure points at, if it is no gate, state or network
}
"""Other hues for what is no gate and no state. Baselines are drawn in `INK`, dashed or thin."""

DARK_SERIES = {"lstm": "#8f7dff", "rnn": "#a8d63f", "accent": "#ff9ccf"}
"""The same, brightened for a near-black page."""

INK = "#010203"
"""Stands for the page's text colour; `show` replaces it."""

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "mathtext.fontset": "dejavusans",
    "patch.edgecolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "lstm-course",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


class Picture:
    """A figure as inline SVG; a notebook shows it when it is a cell's last expression.

    One that would be too small on a phone brings a narrow form, which the site shows there.
    """

    def __init__(self, svg: str, alt: str, narrow: str = "") -> None:
        self.svg = svg
        self.alt = alt
        self.narrow = narrow

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def _repr_html_(self) -> str:
        if not self.narrow:
            return self.svg
        wide = f'<div class="lc-wide">{self.svg}</div>'
        return wide + f'<div class="lc-narrow" hidden>{self.narrow}</div>'


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 2.8, **subplots: Any
) -> tuple[Figure, Any]:
    """Return a new figure and its axes in the course's style.

    Parameters
    ----------
    rows, columns
        The grid of axes.
    width, height
        Size in inches; 7 inches fill the text column.
    subplots
        Passed on to `matplotlib.figure.Figure.subplots`.

    Examples
    --------
    >>> fig, ax = figure(width=4)
    >>> _ = ax.plot([0, 1], [0, 1], color=COLORS["f"])
    >>> show(fig, "A rising line.")
    Picture: A rising line.
    """
    with matplotlib.rc_context(_STYLE):
        fig = Figure(figsize=(width, height), layout="constrained")
        return fig, fig.subplots(rows, columns, **subplots)


def show(fig: Figure, alt: str) -> Picture:
    """Turn a figure into a `Picture`.

    Parameters
    ----------
    fig
        A figure made by `figure`. An artist whose gid is "part:c" becomes an element with the
        attribute data-part="c", by which a script on the page finds it.
    alt
        What the figure shows, for readers who cannot see it. One or two sentences.

    Raises
    ------
    ValueError
        `alt` is empty.

    Examples
    --------
    >>> fig, ax = figure()
    >>> picture = show(fig, "Empty axes.")
    >>> picture._repr_html_()[:58]
    '<svg class="lc-figure" role="img" aria-label="Empty axes."'
    """
    if not alt.strip():
        raise ValueError("alt is empty, expected a sentence that says what the figure shows")
    for text in fig.findobj(Text):  # labels added after `figure` are black, not the page's colour
        if isinstance(text, Text) and to_hex(text.get_color()) == "#000000":
            text.set_color(INK)
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        fig.savefig(buffer, format="svg", transparent=True)
    svg = buffer.getvalue()
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])  # type: ignore[index]
    view_box = re.search(r'viewBox="[^"]+"', svg)[0]  # type: ignore[index]
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", " ", body)
    body = re.sub(
        r"([1-9]\d*\.\d{2})\d+", r"\1", body
    )  # a hundredth of a point is more than enough
    body = body.replace(' id="part:', ' data-part="')
    # What only matplotlib needs goes: comments, ids that nothing refers to, groups of one.
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r"<!--.*?-->", "", body)
    body = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in referred else "", body)
    body = re.sub(r"<g>\s*(<(?:path|use)\b[^>]*/>)\s*</g>", r"\1", body)
    # Several pictures share a page: their ids must differ.
    prefix = f"p{zlib.crc32((alt + body).encode()):08x}-"
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = body.replace('href="#', f'href="#{prefix}').replace("url(#", f"url(#{prefix}")
    body = body.replace(INK, "currentColor")
    for name, color in (COLORS | SERIES).items():
        body = body.replace(color, f"var(--lc-{name}, {color})")
    head = (
        f'<svg class="lc-figure" role="img" aria-label="{html.escape(alt)}" {view_box} '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'style="width: 100%; max-width: {width * 4 / 3:.0f}px; height: auto">'
    )
    return Picture(head + body.strip(), alt)


_NAME_CELL = (
    "padding: 0.25em 0.9em 0.25em 0; text-align: left; position: sticky; left: 0; "
    "background: var(--lc-page, var(--jp-layout-color0, Canvas))"
)
_NUMBER_CELL = (
    "padding: 0.25em 0 0.25em 0.9em; text-align: right; font-variant-numeric: tabular-nums"
)


class Table:
    """Results as a table: HTML on a page, plain text elsewhere, and both say the same."""

    def __init__(self, header: list[str], rows: list[list[str]]) -> None:
        self.header = header
        self.rows = rows

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([text[0], "-" * len(text[0]), *text[1:]])

    def _repr_html_(self) -> str:
        """Return a table that scrolls within itself; its first column stays in sight."""

        def row(cells: list[str], scope: str) -> str:
            first, *others = (re.sub(r"^-(?=[\d.])", "−", html.escape(cell)) for cell in cells)
            tag = "th" if scope == "col" else "td"
            made = [f'<{tag} style="{_NUMBER_CELL}">{cell}</{tag}>' for cell in others]
            return f'<tr><th scope="{scope}" style="{_NAME_CELL}">{first}</th>{"".join(made)}</tr>'

        return (
            '<div class="lc-table" tabindex="0" style="overflow-x: auto; max-width: 100%"><table>'
            f"<thead>{row(self.header, 'col')}</thead>"
            f"<tbody>{''.join(row(cells, 'row') for cells in self.rows)}</tbody></table></div>"
        )


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], formats: str | Sequence[str] = ""
) -> Table:
    """Return a `Table`; a notebook shows it when it is a cell's last expression.

    Parameters
    ----------
    header
        The columns' names. The first column names the rows.
    rows
        Texts and numbers, as many a row as the header has.
    formats
        How numbers are written, such as ".2f": one for all columns behind the first, or one per
        column behind the first. Texts stay as they are; None is a dash.

    Raises
    ------
    ValueError
        A row, or the list of formats, has another length than the header.

    Examples
    --------
    >>> table(["bias", "gate", "left"], [["-1", 0.26894, 0.0], ["3", 0.95257, None]], ".4f")
    bias    gate    left
    --------------------
    -1    0.2689  0.0000
    3     0.9526       –
    """
    columns = len(header)
    each = ["", *([formats] * (columns - 1) if isinstance(formats, str) else formats)]
    if len(each) != columns:
        raise ValueError(f"formats has {len(each) - 1} entries, expected {columns - 1}")
    written = []
    for row in rows:
        if len(row) != columns:
            raise ValueError(f"a row has {len(row)} entries, expected {columns}, as the header has")
        written.append([_cell(value, form) for value, form in zip(row, each, strict=True)])
    return Table(list(header), written)


def _cell(value: object, form: str) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else format(value, form)


def gate_traces(
    traces: Mapping[str, Array], labels: Sequence[str], names: Sequence[str] = "ifgoch"
) -> Figure:
    """Draw gates and states over time as a grid of bars: a row a quantity, a column a unit.

    Parameters
    ----------
    traces
        What `lstm_course.trace` returns, for the first sequence of the batch.
    labels
        T labels, such as words, one a step.
    names
        Which quantities to draw.

    Raises
    ------
    ValueError
        The number of labels is not the number of steps, or a name is not one of i, f, g, o, c, h.

    Examples
    --------
    >>> from lstm_course import example, lstm_forward, trace
    >>> *_, cache = lstm_forward(example.xs, example.params)
    >>> show(gate_traces(trace(cache), example.words, "fc"), "Forget gate and cell state.")
    Picture: Forget gate and cell state.
    """
    unknown = [name for name in names if name not in COLORS]
    if unknown or not names:
        raise ValueError(f"names is {list(names)}, expected some of {', '.join(COLORS)}")
    T, _, H = traces[names[0]].shape
    if len(labels) != T:
        raise ValueError(f"labels has {len(labels)} entries, expected {T}, one a step")
    fig, axes = figure(
        len(names), H, width=7, height=0.75 * len(names) + 0.6, sharex=True, squeeze=False
    )
    for row, name in enumerate(names):
        top = max(1.0, float(np.abs(traces[name]).max()))  # only c can exceed 1
        bottom = 0.0 if name in "ifo" else -top
        for unit in range(H):
            ax = axes[row, unit]
            values = traces[name][:, 0, unit]
            ax.bar(range(T), values, width=0.6, color=COLORS[name], linewidth=0)
            ax.axhline(0, color=INK, linewidth=0.8)
            ax.spines["bottom"].set_visible(False)
            ax.tick_params(axis="x", length=0)
            ax.set(ylim=(1.5 * bottom, 1.5 * top), yticks=[bottom, top])
            ax.spines["left"].set_bounds(bottom, top)
            for t, value in enumerate(values):
                ax.annotate(
                    f"{value:.2f}",
                    (t, value),
                    (0, 2 if value >= 0 else -2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if value >= 0 else "top",
                    size=8,
                )
        axes[row, 0].set_ylabel(
            name, rotation=0, ha="right", va="center", color=COLORS[name], weight="bold", size=12
        )
    for unit in range(H):
        axes[0, unit].set_title(f"unit {unit}")
        axes[-1, unit].set_xticks(range(T), labels)
    fig.align_ylabels()
    return fig


def colored_text(text: str, rows: Mapping[str, Array], *, width: int = 72) -> Figure:
    """Write a text with a number behind each character, as a color: grey below 0, pink above.

    Parameters
    ----------
    text
        Lines are broken where the text breaks them, and after `width` characters.
    rows
        Names, and for each one number a character; each name gets a copy of the text. The
        strongest color is the largest absolute number of that name.
    width
        The longest line.

    Raises
    ------
    ValueError
        There are no rows, or one has not a number for each character.

    Examples
    --------
    >>> show(colored_text("the cat", {"unit 3": np.linspace(-1, 1, 7)}), "Grey to pink.")
    Picture: Grey to pink.
    """
    for name, values in rows.items():
        if np.shape(values) != (len(text),):
            raise ValueError(f"{name} has shape {np.shape(values)}, expected ({len(text)},)")
    if not rows:
        raise ValueError("rows is empty, expected at least one")
    places, line, column = [], 0, 0
    for character in text:
        if column == width:
            line, column = line + 1, 0
        places.append((line, column))
        line, column = (line + 1, 0) if character == "\n" else (line, column + 1)
    lines = 1 + max(line for line, _ in places)
    fig, axes = figure(len(rows), height=len(rows) * (0.2 * lines + 0.3), squeeze=False)
    for ax, (name, values) in zip(axes[:, 0], rows.items(), strict=True):
        strongest = float(np.abs(values).max()) or 1.0
        ax.set(xlim=(0, width), ylim=(lines, 0))
        ax.set_title(name, loc="left")
        ax.axis("off")
        for (line, column), character, value in zip(places, text, values, strict=True):
            color, strength = SERIES["accent"] if value > 0 else INK, abs(value) / strongest
            ax.add_patch(
                Rectangle(
                    (column, line),
                    1,
                    1,
                    color=color,
                    alpha=(0.6 if value > 0 else 0.3) * strength,
                    linewidth=0,
                    clip_on=False,
                )
            )
            ax.annotate(
                "\u21b5" if character == "\n" else character,
                (column + 0.5, line + 0.72),
                ha="center",
                family="DejaVu Sans Mono",
                size=min(10, 7 * 72 / width / 0.65),  # a letter is 0.6 of its size wide
            )
    return fig
