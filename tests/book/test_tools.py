"""What tools/notebooks.py does to a notebook: folding, ids, stored outputs."""

import nbformat
import notebooks
import pytest

SVG = '<svg viewBox="0 0 9 9"><path id="p0a1b2c3d-1" d="M {} 2.5 L 3 4"/></svg>'


def cell(source, **metadata):
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def picture(x, text="Picture: a line."):
    data = {"text/html": SVG.format(x), "text/plain": text}
    return [nbformat.v4.new_output("execute_result", data, execution_count=3)]


def test_a_title_folds_a_cell_everywhere_and_without_one_it_is_open():
    folded = cell("# @title Draw the figure\nx = 1", tags=["nbval-ignore-output"])
    notebooks.fold(folded)
    assert folded.metadata == {
        "cellView": "form",  # Colab
        "jupyter": {"source_hidden": True},  # JupyterLab
        "mystnb": {"code_prompt_show": "Draw the figure", "code_prompt_hide": "Draw the figure"},
        "tags": ["nbval-ignore-output", "hide-input"],  # the site
    }
    folded.source = "x = 1"
    notebooks.fold(folded)
    assert folded.metadata == {"tags": ["nbval-ignore-output"]}


@pytest.mark.parametrize(
    ("new", "same"),
    [
        (picture("1.50"), True),
        (picture("1.51"), True),  # the rounding of another machine
        (picture("1.60"), False),
        (picture("1.50", "Picture: a curve."), False),
        (picture("1.50 7"), False),
        (picture("1.50") * 2, False),
        ([], False),
    ],
)
def test_stored_outputs_stay_if_the_new_ones_say_the_same(new, same):
    assert notebooks.accepted(picture("1.50"), new) == same


def test_texts_must_be_alike_to_the_letter():
    one, other = ([nbformat.v4.new_output("stream", text=text)] for text in ("0.50\n", "0.51\n"))
    assert notebooks.accepted(one, one)
    assert not notebooks.accepted(one, other)


def test_executing_keeps_ids_and_outputs(tmp_path):
    notebook = nbformat.v4.new_notebook(
        cells=[cell("# @title Say\nprint(1)"), cell("2"), cell("3")]
    )
    for one, name in zip(notebook.cells, ("first", "second", "second"), strict=True):
        one.id = name
    notebooks.execute(notebook, tmp_path)
    ids = [one.id for one in notebook.cells]
    assert ids[:2] == ["first", "second"]
    assert ids[2] not in ids[:2]  # an id that comes twice is made anew
    before = nbformat.writes(notebook)
    notebooks.execute(notebook, tmp_path)
    assert nbformat.writes(notebook) == before
