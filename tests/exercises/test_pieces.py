"""The exercises of the parts of the cell: sentences that are said only where they are true."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused
from lstm_course.exercises import QUESTIONS
from lstm_course.exercises.ch05_input_gate import SETTINGS, _but
from lstm_course.exercises.engine.trials import in_digits

s = lc.sigmoid


def candidate(squash):
    def answer(x, h, W_i, b_i, W_g, b_g):
        both = np.hstack([x, h])
        return s(both @ W_i.T + b_i), squash(both @ W_g.T + b_g)

    return answer


def sums(x, h, M):
    """Return the sums of i, f, g, o."""
    ones = np.ones((len(x), 1), x.dtype)
    return np.split(np.hstack([x, h, ones]) @ M, 4, axis=1)


def gates(x, h, M):
    """Return i, f, g, o."""
    i, f, g, o = sums(x, h, M)
    return s(i), s(f), np.tanh(g), s(o)


def step(x, h, c, M):
    i, f, g, o = gates(x, h, M)
    c = f * c + i * g
    return o * np.tanh(c), c


def o_reads_the_new_h(x, h, c, M):
    h_new, c_new = step(x, h, c, M)
    return gates(x, h_new, M)[3] * np.tanh(c_new), c_new


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
    assert "replace: i = -0.5 isn't a share" in message
    assert "With columns i and g swapped, all five rows would be right." in message
    assert "swapped" not in refused("gate-settings", _but(keep=(0, 0, 0), replace=(0, -0.5, 1)))
    exchanged = SETTINGS[[1, 0, 2, 3, 4]]
    assert refused("gate-settings", exchanged) == "keep and erase are swapped."


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
    assert "they lose digits where" in message
    assert "square" not in message
    assert "1 - sigmoid" not in message
    assert "Right for float64" not in message


def test_a_right_sigmoid_is_told_how_exact_the_check_is():
    small = QUESTIONS["sigmoid"].check(lambda x: 1 / (1 + np.exp(-np.clip(x, -25, 25))))
    assert small.passed
    assert "an absolute one of 1e-9" in small.message


def step_in_use(exchange):
    def answer(x, h, c, M):
        i, f, g, o = gates(x, h, M)
        i, f, o = exchange(i, f, o)
        c = f * c + i * g
        return o * np.tanh(c), c

    return answer


@pytest.mark.parametrize(
    ("exchange", "sentence"),
    [
        (lambda i, f, o: (f, i, o), "f, i, g, o, or you mix up i and f where you use"),
        (lambda i, f, o: (o, f, i), "o, f, g, i, or you mix up i and o where you use"),
        (lambda i, f, o: (f, o, i), "or you mix up i, f and o where you use"),
    ],
)
def test_gates_exchanged_in_use(exchange, sentence):
    assert sentence in refused("lstm-step", step_in_use(exchange))


def test_slices_that_only_the_order_explains():
    def answer(x, h, c, M):
        f, i, o, g = sums(x, h, M)
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

    assert "dw and dx are swapped: either you return them in the wrong order, or" in refused(
        "chain", answer
    )


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


def read(sentence, vocabulary, W, U, b, swap=False):
    h = c = np.zeros((1, U.shape[1]), W.dtype)
    for word in sentence.split():
        x = np.eye(len(vocabulary), dtype=W.dtype)[[vocabulary.index(word)]]
        h, c, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
        if swap:
            h, c = c, h
    return c[0]


def encode_by_a_dictionary(sentences, *others):
    rows = {sentence: read(sentence, *others) for sentence in sentences}
    return np.array(list(rows.values()))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (encode_by_a_dictionary, "Right except for a sentence that comes twice"),
        (
            lambda sentences, *others: np.array([read(x, *others) for x in sorted(sentences)]),
            "Your rows are in alphabetical order",
        ),
        (
            lambda sentences, *others: np.array([read(x, *others, swap=True) for x in sentences]),
            "You swap the two results of a step|You swap the two states between",
        ),
        (
            lambda sentences, *others: np.array(
                [read(" ".join(x.split()[:-1]), *others) for x in sentences]
            ),
            "You don't read the last word",
        ),
    ],
)
def test_encode(answer, sentence):
    message = refused("encode", answer)
    assert any(message.startswith(one) for one in sentence.split("|")), message


def test_results_of_a_step_exchanged_in_a_sequence():
    def answer(xs, h, c, W, U, b):
        hs = []
        for x in xs.transpose(1, 0, 2):
            c, h, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
            hs.append(h)
        return np.stack(hs, axis=1), h, c

    assert refused("sequence", answer).startswith("You swap the two results of a step")


@pytest.mark.parametrize("limit", [0.9, 0.99, 0.999])
def test_a_cut_off_quotient_is_told(limit):
    def answer(h, o):
        return np.arctanh(np.clip(h / o, -limit, limit))

    assert refused("cell-behind", answer).startswith("You clip the quotient before")


def test_half_of_the_argument_and_one_more_in_the_bias():
    assert "This is tanh of half the argument" in refused(
        "hidden-state", lambda o, c: o * (2 * s(c) - 1)
    )
    assert QUESTIONS["hidden-state"].check(lambda o, c: o * (2 * s(2 * c) - 1)).passed

    def biased(x, h, c, M):
        b = M[-1] + np.repeat([0, 1, 0, 0], h.shape[1]).astype(M.dtype)
        return step(x, h, c, np.vstack([M[:-1], b]))

    assert "You add 1 to the forget gate's sum" in refused("lstm-step", biased)


def in_float32(answer):
    """Return an answer that throws half of the digits away, and does not show it."""

    def rounding(*args):
        single = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
        results = answer(*single)
        if isinstance(results, tuple | list):
            return [one.astype(args[0].dtype) for one in results]
        return results.astype(args[0].dtype)

    return rounding


@pytest.mark.parametrize(
    "name",
    [
        *("forget-gate", "input-gate", "cell-update", "output-gate", "cell-behind"),
        *("lstm-step", "foreign-order", "sequence", "backward-step"),
    ],
)
def test_work_in_float32_is_seen(name):
    refused(name, in_float32(QUESTIONS[name].exam.solution))


def test_tanh_in_float32_is_seen():
    def answer(x, sigmoid):
        return (2 * sigmoid(2 * x.astype(np.float32)) - 1).astype(x.dtype)

    assert "Close, but off by more than float64 rounding" in refused("tanh", answer)


def test_a_cell_state_added_up_in_float32_has_no_arguments_exchanged():
    message = refused("cell-update", in_float32(lambda c, f, i, g: f * c + i * g))
    assert message.startswith("You work in float32")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sigmoid", lambda x: lc.sigmoid(x)),
        ("sigmoid-derivative", lambda x: lc.pointwise.tanh_derivative(x / 2) / 4),
        ("tanh-derivative", lambda x: 4 * lc.pointwise.sigmoid_derivative(2 * x)),
        ("forget-gate", lambda x, h, c, W, U, b: lc.gates.output_gate(x, h, W, U, b) * c),
        ("output-gate", lambda x, h, c, *given: peeping(x, h, c, *given)),
        (
            "lstm-step",
            lambda x, h, c, M: lc.lstm_step(
                x, h, c, lc.LSTMParams(M[: x.shape[1]].T, M[x.shape[1] : -1].T, M[-1])
            )[:2],
        ),
        (
            "sequence",
            lambda xs, h, c, *given: batch_first(
                *lc.lstm_forward(xs.transpose(1, 0, 2), lc.LSTMParams(*given), h, c)
            ),
        ),
        (
            "backward-step",
            lambda dh, dc, x, h, c, *given: apart(
                *lc.lstm_step_backward(dh, dc, lc.lstm_step(x, h, c, lc.LSTMParams(*given))[2])
            ),
        ),
    ],
)
def test_what_the_package_does_already_is_no_answer(name, answer):
    assert "which is not allowed here" in refused(name, answer)


def peeping(x, h, c, W, U, p, b):
    return s(lc.gates.preactivation(x, h, W, U, b) + p * c)


def batch_first(hs, final, cache):
    return hs.transpose(1, 0, 2), *final


def apart(dx, dh_prev, dc_prev, grads):
    return dx, dh_prev, dc_prev, *grads.arrays()


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("tanh", lambda x, s: 2 * (s(2 * x) - 1), "never rises above 0"),
        ("chain", lambda w, x, c: chained(w * x * c, w, x, c), "You put c inside the sigmoid"),
        ("output-gate", lambda *given: first_row(*given)[None], "yours share one"),
        ("output-gate", lambda *given: first_row(*given) + 0 * given[1], "yours share one"),
        ("hidden-state", lambda o, c: (o[0] * np.tanh(c[0]))[None], "an o and a c of its own"),
        ("hidden-state", lambda o, c: o[0] * np.tanh(c), "an o and a c of its own"),
        ("cell-behind", lambda h, o: np.arctanh(np.clip(h / o, -0.9999999, 0.9999999)), "clip the"),
        ("cell-behind", lambda h, o: np.arctanh(h / (o + 1e-12)), "add something to the gate"),
        ("lstm-step", lambda *given: (step(*given)[0],) * 2, "in place of the cell state"),
        ("sequence", lambda xs, *given: run(xs, *given), "xs is batch first"),
        ("two-flows", lambda dh, dc, o, h: dc + dh * o * (1 - h**2), "You square h"),
    ],
)
def test_slips_are_named(name, answer, sentence):
    assert sentence in refused(name, answer)


def chained(a, w, x, c):
    slope = c * s(a) * s(-a)
    return slope * x, slope * w, s(w * x)


def first_row(x, h, c, W, U, p, b):
    return s(W @ x[0] + U @ h[0] + p * c[0] + b)


def run(xs, h, c, W, U, b):
    """Run over the first axis, as the chapter does."""
    hs = []
    for x in xs:
        h, c, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
        hs.append(h)
    return np.array(hs), h, c


def checked_run(inputs, back=lambda hs: np.stack(hs, axis=1)):
    """Return an answer to `sequence` that runs the package's step over inputs(xs)."""

    def answer(xs, h, c, W, U, b):
        hs = []
        for x in inputs(xs):
            h, c, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
            hs.append(h)
        return back(hs), h, c

    return answer


def reshaped_back(hs):
    T, (N, H) = len(hs), hs[0].shape
    return np.stack(hs).reshape(N, T, H)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (checked_run(lambda xs: xs, np.stack), "xs is batch first: your loop runs over its first"),
        (checked_run(lambda xs: xs), "xs is batch first: your loop runs over its first axis"),
        (checked_run(lambda xs: [xs[:, t] for t in range(len(xs))]), "as many steps as there are"),
        (checked_run(lambda xs: [xs[:, max(t - 1, 0)] for t in range(xs.shape[1])]), "read twice"),
        (checked_run(lambda xs: np.roll(xs.swapaxes(0, 1), -1, axis=0)), "one step ahead"),
        (
            checked_run(lambda xs: xs.reshape(xs.shape[1], len(xs), -1)),
            "You reshape (N, T, D) into (T, N, D), which",
        ),
        (
            checked_run(lambda xs: xs.swapaxes(0, 1), reshaped_back),
            "You reshape (T, N, H) into (N, T, H), which",
        ),
        (
            checked_run(lambda xs: xs.reshape(xs.shape[1], len(xs), -1), reshaped_back),
            "You reshape xs into (T, N, D), and hs back into (N, T, H), which",
        ),
    ],
)
def test_slips_in_the_layout_of_a_sequence_are_named(answer, sentence):
    assert sentence in refused("sequence", answer)


@pytest.mark.parametrize("run", [lc.lstm_forward, lc.fast.lstm_forward, lc.fast.lstm_infer])
def test_a_sequence_is_not_run_by_the_package(run):
    def answer(xs, h0, c0, W, U, b):
        time_first = np.ascontiguousarray(xs.swapaxes(0, 1))
        hs, (h_T, c_T), *_ = run(time_first, lc.LSTMParams(W, U, b), h0, c0)
        return hs.swapaxes(0, 1), h_T, c_T

    assert f"{run.__name__}, which is not allowed here" in refused("sequence", answer)


@pytest.mark.parametrize(
    "match", [lambda word, entry: word in entry, lambda word, entry: entry.startswith(word)]
)
def test_a_word_is_not_a_part_of_another(match):
    def answer(sentences, vocabulary, W, U, b):
        zeros, cells = np.zeros((1, U.shape[1]), W.dtype), []
        for sentence in sentences:
            rows = [[match(word, entry) for entry in vocabulary] for word in sentence.split()]
            xs = np.array(rows, W.dtype)[:, None]
            cells.append(lc.lstm_forward(xs, lc.LSTMParams(W, U, b), zeros, zeros)[1][1][0])
        return np.array(cells)

    assert "inside a longer one too, as cat is in cats" in refused("encode", answer)


def test_a_wider_float_does_not_hide_the_overflow():
    def answer(x):
        return (1 / (1 + np.exp(-x.astype(np.longdouble)))).astype(x.dtype)

    assert "an exponential overflows on the way" in refused("sigmoid", answer)


def test_a_bias_of_the_puzzle_that_leaves_the_product_in():
    c, x, f = (np.array(v) for v in ([0.8, 0.3, 0.5], [0.9, 0.4, 0.7], [0.7, 0.2, 0.6]))
    W, logit = np.full((3, 6), 0.1), np.log(f / (1 - f))
    product = W @ np.concatenate([c, x])
    assert lc.check("forget-gate-puzzle", (W, logit - product)).passed
    assert "comes on top of it" in refused("forget-gate-puzzle", (W, logit))
    assert "it's counted twice" in refused("forget-gate-puzzle", (W, logit + product))
