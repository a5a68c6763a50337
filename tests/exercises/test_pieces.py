"""The exercises of the parts of the cell: sentences that are said only where they are true."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused
from lstm_course.exercises import QUESTIONS
from lstm_course.exercises.ch05_input_gate import SETTINGS, _but
from lstm_course.exercises.engine.trials import in_digits

s = lc.sigmoid


def gate(x, h, W, U, b, squash):
    return squash(x @ W.T + h @ U.T + b)


def candidate(squash):
    return lambda x, h, Wi, Ui, bi, Wg, Ug, bg: (
        gate(x, h, Wi, Ui, bi, s),
        gate(x, h, Wg, Ug, bg, squash),
    )


def gates(x, h, W, U, b):
    """Return i, f, g, o."""
    i, f, g, o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    return s(i), s(f), np.tanh(g), s(o)


def o_reads_the_new_h(x, h, c, W, U, b):
    h_new, c_new, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
    return gates(x, h_new, W, U, b)[3] * np.tanh(c_new), c_new


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sigmoid", lambda x: 1 / (1 + np.exp(-np.clip(x, -20, 20)))),
        ("sigmoid", lambda x: s(np.clip(x, -19, 19))),
        ("input-gate", candidate(lambda a: 4 * s(a) - 2)),
        ("input-gate", candidate(np.arctan)),
        ("input-gate", candidate(np.sin)),
        ("lstm-step", o_reads_the_new_h),
        ("cell-behind", lambda h, o: o / h),
        ("cell-behind", lambda h, o: h / o + (h / o) ** 3 / 3),
        ("bound", lambda c0, T: np.tanh(np.abs(np.tanh(c0)) + T)),
        ("bound", lambda c0, T: np.tanh(np.abs(np.sin(c0)) + T)),
    ],
)
def test_what_is_wrong_somewhere_is_not_close(name, answer):
    assert "Close" not in refused(name, answer)


def test_a_witness_that_is_far_off_is_shown():
    def answer(h, o):
        return h / o + (h / o) ** 3 / 3 + (h / o) ** 5 / 5  # the series of arctanh

    message = refused("cell-behind", answer)
    got, want = message.split(" is ")[-1].split("\n")[0].rstrip(".").split(", expected ")
    assert abs(float(got) / float(want) - 1) > 2e-3


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("hidden-state", lambda o, c: o * np.tanh(c)),
        ("cell-behind", lambda h, o: np.arctanh(h / o)),
    ],
)
@pytest.mark.parametrize("change", [lambda a: a * (1 + 1e-5), lambda a: a.round(4)])
def test_what_is_right_but_for_its_last_digits_is_close(name, right, change):
    assert "Close, but" in refused(name, lambda *args: change(right(*args)))


def test_numbers_are_told_with_as_many_digits_as_differ():
    assert in_digits(0.5, 0.25) == ("0.5", "0.25")
    assert in_digits(-1.9998, -2) == ("-1.9998", "-2")
    assert in_digits(0.1 + 0.2, 0.3, most=10) == ("0.3", "0.3")
    assert "0.7999, expected 0.8; and one of -2 into -1.9998, expected -2" in refused(
        "gate-settings", _but(keep=(0.9999, 0, 0))
    )
    assert "0.8 into 0.900001, expected 0.9" in refused(
        "gate-settings", _but(approach=(0.5, 0.5000011, 1))
    )


@pytest.mark.parametrize("i", [0, 0.5, 1])
def test_keep_with_a_closed_forget_gate(i):
    message = refused("gate-settings", _but(keep=(0, i, 0)))
    assert message.startswith("keep: the forget gate is closed, so the old state is erased.")


def test_what_is_written_is_told_as_a_product():
    assert "comes to -0.25" in refused("gate-settings", _but(replace=(0, 0.25, -1)))
    assert "comes to 0.0625" in refused("gate-settings", _but(add=(1, 1, 0.0625)))


def test_settings_with_exchanged_columns_or_rows():
    message = refused("gate-settings", SETTINGS[:, [0, 2, 1]])
    assert "replace: i = -0.5 is no share" in message
    assert "With the columns i and g exchanged all five rows would be right." in message
    assert "exchanged" not in refused("gate-settings", _but(keep=(0, 0, 0), replace=(0, -0.5, 1)))
    exchanged = SETTINGS[[1, 0, 2, 3, 4]]
    assert refused("gate-settings", exchanged) == "keep and erase have changed places."


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sigmoid-derivative", lambda x: (1 - np.tanh(x / 2) ** 2) / 4),
        ("sigmoid-derivative", lambda x: (s(x + 1e-6) - s(x - 1e-6)) / 2e-6),
        ("sigmoid-derivative", lambda x: s(x) * (1 - s(x))),
        ("tanh-derivative", lambda x: (1 - np.tanh(x)) * (1 + np.tanh(x))),
        ("tanh-derivative", lambda x: 1 - np.tanh(x) ** 2),
    ],
)
def test_lost_digits_are_told_of_whatever_form_loses_them(name, answer):
    message = refused(name, answer)
    assert "digits are lost where" in message
    assert "square" not in message
    assert "1 - sigmoid" not in message
    assert "Right for float64" not in message


def test_a_right_sigmoid_is_told_how_exact_the_check_is():
    small = QUESTIONS["sigmoid"].check(lambda x: s(np.clip(x, -25, 25)))
    assert small.passed
    assert "an absolute one of 1e-9" in small.message


def step_in_use(exchange):
    def answer(x, h, c, W, U, b):
        i, f, g, o = gates(x, h, W, U, b)
        i, f, o = exchange(i, f, o)
        c = f * c + i * g
        return o * np.tanh(c), c

    return answer


@pytest.mark.parametrize(
    ("exchange", "sentence"),
    [
        (lambda i, f, o: (f, i, o), "f, i, g, o, or i and f have changed places where you use"),
        (lambda i, f, o: (o, f, i), "o, f, g, i, or i and o have changed places where you use"),
        (lambda i, f, o: (f, o, i), "or i, f and o have changed places where you use"),
    ],
)
def test_gates_exchanged_in_use(exchange, sentence):
    assert sentence in refused("lstm-step", step_in_use(exchange))


def test_slices_that_only_the_order_explains():
    def answer(x, h, c, W, U, b):
        f, i, o, g = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        c = s(f) * c + s(i) * np.tanh(g)
        return s(o) * np.tanh(c), c

    message = refused("lstm-step", answer)
    assert message == (
        "You take the slices in the order f, i, o, g. The question stacks them as i, f, g, o."
    )


def test_chain_in_another_order():
    def answer(w, x, c):
        slope = c * s(w * x) * s(-w * x)
        return slope * w, slope * x, s(w * x)

    assert "dw and dx have changed places: in the order, or in" in refused("chain", answer)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sigmoid", lc.sigmoid),
        ("sigmoid-derivative", lc.pointwise.sigmoid_derivative),
        ("lstm-step", lc.lstm_step),
        ("sequence", lc.lstm_forward),
        ("output-gate", lc.gates.output_gate),
    ],
)
def test_the_package_s_own_function_is_no_answer(name, answer):
    assert refused(name, answer).startswith("This is the package's own function.")


def run(sentence, vocabulary, W, U, b, swap=False):
    h = c = np.zeros((1, U.shape[1]), W.dtype)
    for word in sentence.split():
        x = np.eye(len(vocabulary), dtype=W.dtype)[[vocabulary.index(word)]]
        h, c, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
        if swap:
            h, c = c, h
    return c[0]


def encode_by_a_dictionary(sentences, *others):
    rows = {sentence: run(sentence, *others) for sentence in sentences}
    return np.array(list(rows.values()))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (encode_by_a_dictionary, "Right but for a sentence that comes twice"),
        (
            lambda sentences, *others: np.array([run(x, *others) for x in sorted(sentences)]),
            "The rows stand in the order of the alphabet",
        ),
        (
            lambda sentences, *others: np.array([run(x, *others, swap=True) for x in sentences]),
            "The two results of a step have changed places|From one step to the next the two",
        ),
        (
            lambda sentences, *others: np.array(
                [run(" ".join(x.split()[:-1]), *others) for x in sentences]
            ),
            "The last word is not read",
        ),
    ],
)
def test_encode(answer, sentence):
    message = refused("encode", answer)
    assert any(message.startswith(one) for one in sentence.split("|")), message


def test_results_of_a_step_exchanged_in_a_sequence():
    def answer(xs, h, c, W, U, b):
        hs = []
        for x in xs:
            c, h, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
            hs.append(h)
        return np.array(hs), h, c

    assert refused("sequence", answer).startswith("The two results of a step have changed places")


@pytest.mark.parametrize("limit", [0.9, 0.99, 0.999])
def test_a_cut_off_quotient_is_told(limit):
    def answer(h, o):
        return np.arctanh(np.clip(h / o, -limit, limit))

    assert refused("cell-behind", answer).startswith("You cut the quotient off")


def test_half_of_the_argument_and_one_more_in_the_bias():
    assert "tanh is that of half the argument" in refused(
        "hidden-state", lambda o, c: o * (2 * s(c) - 1)
    )
    assert QUESTIONS["hidden-state"].check(lambda o, c: o * (2 * s(2 * c) - 1)).passed

    def biased(x, h, c, W, U, b):
        b = b + np.repeat([0, 1, 0, 0], len(b) // 4).astype(b.dtype)
        return lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))[:2]

    assert "You add 1 to the forget gate's sum" in refused("lstm-step", biased)
