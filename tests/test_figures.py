import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex

from lstm_course import diagram, example, figures, lstm_forward, trace, unrolled

WHITE, NEAR_BLACK = "#ffffff", "#121212"  # the pages of the light and the dark theme

# Simulation of colour vision deficiencies at full severity on linear RGB:
# Machado, Oliveira and Fernandes (2009), doi:10.1109/TVCG.2009.113, table 1.
DEFICIENCIES = {
    "protanomaly": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranomaly": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "none": np.eye(3),
}  # fmt: skip


def linear(color):
    value = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """Contrast ratio as WCAG 2 defines it."""
    bright, dark = sorted(
        (linear(color) @ [0.2126, 0.7152, 0.0722] for color in (one, other)), reverse=True
    )
    return (bright + 0.05) / (dark + 0.05)


def oklab(rgb):
    """Perceptual colour space Oklab (Ottosson, 2020) of a linear RGB colour."""
    lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(lab) @ np.cbrt(np.array(lms) @ np.clip(rgb, 0, 1))  # fmt: skip


@pytest.mark.parametrize(
    ("palette", "page"),
    [
        (figures.COLORS | figures.SERIES, WHITE),
        (figures.DARK_COLORS | figures.DARK_SERIES, NEAR_BLACK),
    ],
)
def test_colours_read_on_their_page(palette, page):
    assert min(contrast(color, page) for color in palette.values()) >= 3.9


def test_light_colours_read_on_a_dark_page_too():
    # A notebook host's dark mode does not know the site's stylesheet.
    assert (
        min(contrast(color, NEAR_BLACK) for color in (figures.COLORS | figures.SERIES).values())
        >= 3
    )


@pytest.mark.parametrize(
    "palette", [figures.COLORS, figures.DARK_COLORS, figures.SERIES, figures.DARK_SERIES]
)
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_are_told_apart(palette, deficiency):
    seen = [oklab(np.array(DEFICIENCIES[deficiency]) @ linear(color)) for color in palette.values()]
    distances = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k]]
    assert min(distances) > 0.05  # about 0.02 is the least that is noticed side by side


@pytest.mark.parametrize(
    ("gates", "series"),
    [(figures.COLORS, figures.SERIES), (figures.DARK_COLORS, figures.DARK_SERIES)],
)
def test_no_series_is_taken_for_a_gate(gates, series):
    for color in map(linear, series.values()):
        assert min(np.linalg.norm(oklab(color) - oklab(linear(g))) for g in gates.values()) > 0.09


def picture(alt="A line."):
    fig, ax = figures.figure()
    ax.plot([0, 1], [0, 1], color=figures.COLORS["f"])
    ax.set_title("title")
    return figures.show(fig, alt)


def test_picture_takes_the_pages_colours_and_carries_its_alt_text():
    svg = picture('A "line" & more.').svg
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == 'A "line" & more.'
    assert "currentColor" in svg
    assert f"var(--lc-f, {figures.COLORS['f']})" in svg
    assert figures.INK not in svg
    assert "<metadata" not in svg


def test_labels_take_the_pages_colour_whenever_they_are_added():
    fig, ax = figures.figure()
    label = ax.annotate("late", (0.5, 0.5))
    coloured = ax.annotate("gate", (0.5, 0.5), color=figures.COLORS["f"])
    figures.show(fig, "Two labels.")
    assert label.get_color() == figures.INK
    assert coloured.get_color() == figures.COLORS["f"]


def test_pictures_on_one_page_share_no_ids():
    ids = [
        set(re.findall(r'\bid="([^"]+)"', picture(alt).svg)) for alt in ("One, two.", "Two, one.")
    ]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', picture("One, two.").svg))
    assert used <= ids[0]


def test_same_figure_same_picture():
    assert picture().svg == picture().svg


def test_alt_text_is_required():
    with pytest.raises(ValueError, match="alt is empty"):
        picture(" ")


def test_colored_text_shows_every_character_and_number():
    text = "ab\ncde"
    values = {"one": np.array([0.0, 1, -2, 0, 0, 2]), "two": np.zeros(6)}
    fig = figures.colored_text(text, values, width=2)
    first, second = fig.axes
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["one", "two"]
    assert "".join(one.get_text() for one in first.texts) == "ab\u21b5cde"
    places = [patch.get_xy() for patch in first.patches]
    assert places == [(0, 0), (1, 0), (0, 1), (0, 2), (1, 2), (0, 3)]  # broken after two
    assert [round(patch.get_alpha(), 3) for patch in first.patches] == [0, 0.3, 0.3, 0, 0, 0.6]
    pink, grey = (to_hex(first.patches[k].get_facecolor()) for k in (5, 2))
    assert (pink, grey) == (figures.SERIES["accent"], figures.INK)
    assert not any(patch.get_alpha() for patch in second.patches)
    with pytest.raises(ValueError, match=r"one has shape \(5,\), expected \(6,\)"):
        figures.colored_text(text, {"one": np.zeros(5)})
    with pytest.raises(ValueError, match="rows is empty, expected at least one"):
        figures.colored_text(text, {})


def test_gate_traces_draws_every_value():
    traces = trace(lstm_forward(example.xs, example.params, example.h0, example.c0)[2])
    fig = figures.gate_traces(traces, example.words)
    texts = [text.get_text() for ax in fig.axes for text in ax.texts]
    assert texts == [
        f"{v:.2f}" for name in "ifgoch" for unit in (0, 1) for v in traces[name][:, 0, unit]
    ]
    with pytest.raises(ValueError, match=r"names is .'z'., expected some of i, f, g, o, c, h"):
        figures.gate_traces(traces, example.words, "z")
    with pytest.raises(ValueError, match="labels has 2 entries, expected 3"):
        figures.gate_traces(traces, ["a", "b"])


def test_diagram_of_the_lstm_has_every_operation_of_its_equations():
    blocks = diagram.parse(diagram.LSTM)
    kinds = [block.kind for block in blocks]
    assert kinds.count("affine") == 4
    operations = sorted(b.label for b in blocks if b.kind == "operation")
    assert operations == sorted(["σ"] * 3 + ["tanh"] * 2 + ["⊙"] * 3 + ["+"])
    assert {b.label for b in blocks if b.kind == "input"} == {"x", "h_prev", "c_prev"}
    assert [b.label for b in blocks if b.kind == "output"] == ["c", "h"]


def test_a_large_cell_state_is_not_cut_off():
    traces = {"c": np.array([[[2.0]], [[-5.0]]])}
    (ax,) = figures.gate_traces(traces, ["a", "b"], "c").axes
    low, high = ax.get_ylim()
    assert low < -5 < 5 < high


@pytest.mark.parametrize(
    ("label", "state", "written"),
    [
        ("W_f @ x + U_f @ h_prev + b_f", False, r"$W_{f}\,x_{t} + U_{f}\,h_{t-1} + b_{f}$"),
        ("W_x_h @ x", False, r"$W_{x,h}\,x_{t}$"),
        ("c_prev", True, "$c_{t-1}$"),
        ("c_tilde", True, "$c_{tilde,t}$"),
        ("tanh", False, "tanh"),
    ],
)
def test_labels_are_written_as_mathematics(label, state, written):
    assert diagram._math(label, state) == written


def test_a_gate_of_the_gru_has_the_colour_of_what_does_its_work_in_the_lstm():
    blocks = {block.label: block for block in diagram.parse(diagram.GRU)}
    for gate, role in (("z", "f"), ("r", "o"), ("n", "g")):
        (label,) = (label for label in blocks if label.startswith(f"W_{gate} "))
        assert blocks[label].color == figures.COLORS[role]
    candidate = blocks["W_n @ x + r * (U_n @ h_prev) + b_n"]
    assert [source.label for source in candidate.sources] == ["x", "σ", "h_prev"]
    svg = diagram.block_diagram(diagram.GRU)._repr_html_()
    assert svg.count("<path") > 20


def test_arrows_of_a_diagram_follow_the_equations():
    blocks = {block.label: block for block in diagram.parse("c = f * c_prev + i * g")}
    assert [source.label for source in blocks["+"].sources] == ["⊙", "⊙"]
    assert blocks["c"].sources == [blocks["+"]]


def test_blocks_of_a_diagram_do_not_overlap():
    for equations in (diagram.LSTM, diagram.RNN, diagram.GRU, "c = f * c_prev + i * g"):
        blocks = diagram.parse(equations)
        diagram._place(blocks)
        for k, one in enumerate(blocks):
            for other in blocks[:k]:
                if one.column == other.column:
                    assert abs(one.y - other.y) >= 0.55, (one.label, other.label)


def test_every_map_is_fed_from_one_rail_for_each_input_and_no_rail_meets_a_block():
    blocks = diagram.parse(diagram.LSTM)
    diagram._place(blocks)
    form = diagram._WIDE
    at = {id(block): form.place(block) for block in blocks}
    half = {id(b): form.sizes.get(b.kind, form.sizes["input"]) for b in blocks}
    maps = [block for block in blocks if block.kind == "affine"]
    rails = {}
    for block in maps:
        for source in block.sources:
            way = diagram._way(source, block, blocks, at, half)
            rails.setdefault(source.label, set()).add(way[1][0])
            assert way[-1][0] == at[id(block)][0] - half[id(block)][0]
            assert abs(way[-1][1] - block.y) < half[id(block)][1]
    assert {name: len(many) for name, many in rails.items()} == {"x": 1, "h_prev": 1}
    (x_rail,), (h_rail,) = rails.values()
    left = min(at[id(block)][0] - half[id(block)][0] for block in maps)
    assert half[id(blocks[0])][0] < x_rail < h_rail < left


def test_a_diagram_has_a_narrow_form_that_fits_a_phone():
    for equations in (diagram.LSTM, diagram.RNN, diagram.GRU):
        picture = diagram.block_diagram(equations)
        narrow = float(re.search(r"max-width: (\d+)px", picture.narrow)[1])
        assert narrow <= 400  # so that letters of 10 points have 8 on a page of 330 pixels
        html = picture._repr_html_()
        assert html.count('aria-label="Block diagram of') == 2
        assert '<div class="lc-narrow" hidden>' in html  # where no stylesheet of ours is read


@pytest.mark.parametrize(
    ("equations", "sentence"),
    [
        ("h = relu(x)", r"cannot draw 'relu\(x\)': expected"),
        ("h = x / 2", r"cannot draw 'x / 2'"),
        ("h", "'h' is not an equation such as"),
        ("h = = x", "'h = = x' is not an equation"),
        ("h, c = x", "is not an equation"),
        ("a = b = x", "is not an equation"),
        ("42", "'42' is not an equation"),
        ("h = tanh(x, y=x)", "cannot draw"),
        ("", "equations is empty"),
    ],
)
def test_bad_equations_get_one_sentence(equations, sentence):
    with pytest.raises(ValueError, match=sentence):
        diagram.block_diagram(equations)


def test_the_unrolled_cell_names_its_parts_and_fits_a_phone():
    picture = unrolled.unrolled(["the", "cat"], "Two copies of the cell.")
    for svg in (picture.svg, picture.narrow):
        parts = re.findall(r'data-part="(\d) ([^"]+)"', svg)
        names = {name for t, name in parts if t == "1"}
        assert {name for t, name in parts if t == "0"} == names
        assert {"f", "i", "g", "o", "c", "h", "tanh(c)", "i * g", "f * c_prev", "x"} <= names
        # Every arrow starts and ends at something that is there, or leaves the copy.
        ends = {end for name in names if " &gt; " in name for end in name.split(" &gt; ")}
        assert ends - names <= {"maps", "c_prev", "h_prev", "c_next", "h_next"}
    assert float(re.search(r"max-width: (\d+)px", picture.narrow)[1]) <= 400
    with pytest.raises(ValueError, match="words is empty"):
        unrolled.unrolled([], "Nothing.")
