import re

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.interop.stacking import cells_in, stacked, two_biases
from lstm_course.rnn import RNNParams
from lstm_course.variants import CELLS, GRUParams, StandardParams

D, H = 3, 2
SETTINGS = {"projected": {"proj_size": 1}, "clipped": {"clip": 0.5}, "recurrent dropout": {"rate": 0.125}, "zoneout": {"rate_h": 0.25}}  # fmt: skip


def drawn(kind, read=D, **more):
    rng = np.random.default_rng(0)
    params = kind.init(read, H, rng=rng, **more)
    for array in params.arrays():
        array[...] = rng.normal(size=array.shape)
    return params


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("directions", [1, 2])
def test_any_variant_is_built_of_its_cells(name, directions):
    more = SETTINGS.get(name, {})
    width = more.get("proj_size", H) * directions
    cells = [drawn(CELLS[name], read, **more) for read in (D, width) for _ in range(directions)]
    layer = stacked(cells, directions)
    assert (layer.cell, layer.num_layers, layer.directions) == (name, 2, directions)
    assert {key: layer.settings[key] for key in more} == more
    for one, other in zip(cells_in(layer), cells, strict=True):
        assert type(one) is type(other)
        for array, same in zip(one.arrays(), other.arrays(), strict=True):
            np.testing.assert_array_equal(array, same)
            assert array is not same


def test_the_lstm_and_the_plain_cell_have_layers_of_their_own():
    assert type(stacked([drawn(lc.LSTMParams)])) is lc.LSTM
    layer = stacked([drawn(RNNParams)])
    assert type(layer) is lc.RNN
    assert len(cells_in(layer)) == 1


def test_dropout_and_its_generator():
    rng = np.random.default_rng(5)
    layer = stacked([drawn(lc.LSTMParams), drawn(lc.LSTMParams, H)], dropout=0.25, rng=rng)
    assert (layer.dropout.rate, layer.dropout.rng) == (0.25, rng)
    assert stacked([drawn(lc.LSTMParams)], dropout=0.25).dropout.rate == 0


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([drawn(lc.LSTMParams), drawn(StandardParams, H)], "the cells are LSTMParams and StandardParams, expected one kind"),
        ([drawn(lc.LSTMParams), drawn(lc.LSTMParams)], "cell 1 has arrays of shapes [(8, 3), (8, 2), (8,)], expected [(8, 2), (8, 2), (8,)]"),
        ([drawn(RNNParams), drawn(RNNParams, H)], "2 vanilla RNN cells came, expected 1"),
    ],
)  # fmt: skip
def test_cells_that_do_not_fit_get_one_sentence(cells, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        stacked(cells)


def test_two_biases_add_up_to_what_a_cell_has():
    lstm, gru = drawn(lc.LSTMParams), drawn(GRUParams)
    np.testing.assert_array_equal(sum(two_biases(lstm)), lstm.bias)
    assert two_biases(gru) == (gru.bias_ih, gru.bias_hh)
