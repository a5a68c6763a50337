import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT
from lstm_course import layers, losses, models, optim, rnn, tasks, training
from lstm_course.gradcheck import gradcheck
from lstm_course.training import Batch, Chunks, MiniBatches, Trainer


def rng(seed=0):
    return np.random.default_rng(seed)


def small_model(seed=0, dropout=0.0, **options):
    draws = rng(seed)
    recurrent = layers.LSTM(2, 3, 2, dropout=dropout, rng=draws, **options)
    return models.SequenceModel(recurrent, layers.Linear(3, 1, rng=draws, **options))


def adding_batches(step, **options):
    return tasks.adding(6, 4, rng=rng([7, step]), **options)


def small_trainer(model=None, optimizer=optim.Adam, loss=losses.mean_squared_error, **options):
    model = model or small_model()
    return Trainer(model, optimizer(model.arrays, learning_rate=0.01), loss, **options)


def values(trainer):
    return [array.copy() for array in trainer.model.arrays]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


class TestModel:
    @settings(max_examples=15)
    @given(
        words=st.booleans(),
        kind=st.sampled_from(["LSTM", "both ways", "RNN"]),
        padded=st.booleans(),
        T=st.integers(2, 4),
        N=st.integers(2, 3),
    )
    @pytest.mark.slow
    def test_every_gradient_against_central_differences(self, words, kind, padded, T, N):
        draws = rng(1)
        if kind == "RNN":
            recurrent, width = rnn.RNN(2, 3, rng=draws), 3
        else:
            both = kind == "both ways"
            recurrent, width = layers.LSTM(2, 3, 1, both, rng=draws), 6 if both else 3
        embedding = layers.Embedding(5, 2, rng=draws) if words else None
        model = models.SequenceModel(recurrent, layers.Linear(width, 4, rng=draws), embedding)
        for array in model.arrays:
            array[...] = draws.normal(size=array.shape)
        inputs = draws.integers(0, 5, (T, N)) if words else draws.normal(size=(T, N, 2))
        lengths = np.array([T, T - 1, 1][:N]) if padded else None
        targets = draws.integers(0, 4, (T, N))
        mask = draws.random((T, N)) < 0.7
        mask[0, 0] = True

        def loss():
            outputs, _, cache = model.forward(inputs, lengths=lengths)
            return *losses.softmax_cross_entropy(outputs, targets, mask), cache

        _, doutputs, cache = loss()
        model.zero_grads()
        model.backward(doutputs, cache)
        arrays = {f"array {k}": array for k, array in enumerate(model.arrays)}
        grads = {f"array {k}": grad for k, grad in enumerate(model.grads)}
        report = gradcheck(lambda: loss()[0], arrays, grads)
        assert report.passed, report

    @pytest.mark.parametrize("recurrent", [rnn.RNN, layers.LSTM])
    def test_a_state_that_is_handed_on_continues_the_sequence(self, recurrent):
        draws = rng()
        model = models.SequenceModel(recurrent(2, 3, rng=draws), layers.Linear(3, 1, rng=draws))
        xs = draws.normal(size=(7, 2, 2))
        whole, last, _ = model.forward(xs)
        first, state, _ = model.forward(xs[:4])
        second, end, _ = model.forward(xs[4:], state)
        np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-15)
        for one, other in zip(end, last, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-15)

    def test_sizes_that_do_not_fit_get_one_sentence(self):
        lstm = layers.LSTM(2, 3, bidirectional=True, rng=rng())
        with pytest.raises(ValueError, match="readout reads 3 numbers per step, expected 6"):
            models.SequenceModel(lstm, layers.Linear(3, 1, rng=rng()))
        with pytest.raises(ValueError, match="embedding gives 4 numbers per step, expected 2"):
            models.SequenceModel(
                lstm, layers.Linear(6, 1, rng=rng()), layers.Embedding(9, 4, rng=rng())
            )


class TestFinalStateModel:
    @settings(max_examples=20)
    @given(
        kind=st.sampled_from(["LSTM c", "LSTM h", "stacked c", "stacked h", "RNN h"]),
        both=st.booleans(),
        padded=st.booleans(),
        words=st.booleans(),
    )
    @pytest.mark.slow
    def test_every_gradient_against_central_differences(self, kind, both, padded, words):
        draws, (T, N) = rng(1), (4, 3)
        if kind == "RNN h":
            recurrent, width = rnn.RNN(2, 3, rng=draws), 3
        else:
            layer_count = 2 if kind.startswith("stacked") else 1
            recurrent = layers.LSTM(2, 3, layer_count, both, rng=draws)
            width = 6 if both else 3
        embedding = layers.Embedding(5, 2, rng=draws) if words else None
        readout = layers.Linear(width, 4, rng=draws)
        model = models.FinalStateModel(recurrent, readout, embedding, reads=kind[-1])
        for array in model.arrays:
            array[...] = draws.normal(size=array.shape)
        inputs = draws.integers(0, 5, (T, N)) if words else draws.normal(size=(T, N, 2))
        lengths = np.array([4, 1, 3]) if padded else None
        targets, mask = draws.integers(0, 4, (T, N)), np.zeros((T, N), bool)
        mask[-1] = True

        def loss():
            outputs, _, cache = model.forward(inputs, lengths=lengths)
            return *losses.softmax_cross_entropy(outputs, targets, mask), cache

        _, doutputs, cache = loss()
        model.zero_grads()
        model.backward(doutputs, cache)
        arrays = {f"array {k}": array for k, array in enumerate(model.arrays)}
        grads = {f"array {k}": grad for k, grad in enumerate(model.grads)}
        report = gradcheck(lambda: loss()[0], arrays, grads)
        assert report.passed, report

    def test_it_reads_the_state_that_it_names(self):
        draws = rng()
        lstm, readout = layers.LSTM(2, 3, rng=draws), layers.Linear(3, 4, rng=draws)
        xs = draws.normal(size=(5, 2, 2))
        every_step = models.SequenceModel(lstm, readout).forward(xs)[0]
        for reads in "hc":
            outputs, state, _ = models.FinalStateModel(lstm, readout, reads=reads).forward(xs)
            final = state["hc".index(reads)][0]
            np.testing.assert_array_equal(outputs[-1], readout.forward(final)[0])
            assert not outputs[:-1].any()
            assert np.allclose(outputs[-1], every_step[-1]) == (reads == "h")

    def test_a_sequence_is_named_the_same_alone_as_in_company(self):
        draws = rng()
        lstm = layers.LSTM(2, 3, bidirectional=True, rng=draws)
        model = models.FinalStateModel(lstm, layers.Linear(6, 4, rng=draws))
        xs, lengths = draws.normal(size=(5, 3, 2)), [5, 2, 4]
        together = model.forward(xs, lengths=lengths)[0][-1]
        for n, length in enumerate(lengths):
            alone = model.forward(xs[:length, n : n + 1])[0][-1, 0]
            np.testing.assert_allclose(together[n], alone, atol=1e-14)

    def test_a_state_that_is_not_there_gets_one_sentence(self):
        readout = layers.Linear(3, 1, rng=rng())
        with pytest.raises(ValueError, match="reads is 'c', expected 'h' of this"):
            models.FinalStateModel(rnn.RNN(2, 3, rng=rng()), readout)
        with pytest.raises(ValueError, match="reads is 'hc', expected 'h' or 'c' of this"):
            models.FinalStateModel(layers.LSTM(2, 3, rng=rng()), readout, reads="hc")


class TestRNNLayer:
    def test_a_sequence_gets_the_same_encoding_alone_as_in_company(self):
        layer = rnn.RNN(3, 4, rng=rng(), recurrent="orthogonal")
        np.testing.assert_allclose(
            layer.params.weight_hh @ layer.params.weight_hh.T, np.eye(4), atol=1e-12
        )
        xs, h0 = rng(1).normal(size=(6, 3, 3)), rng(2).normal(size=(1, 3, 4))
        lengths = [6, 2, 4]
        padded = xs.copy()
        padded[2:, 1] = np.nan
        hs, (h_T,), _ = layer.forward(padded, h0, lengths)
        for n, length in enumerate(lengths):
            alone, _ = rnn.rnn_forward(xs[:length, n : n + 1], layer.params, h0[0, n : n + 1])
            np.testing.assert_allclose(hs[:length, n], alone[:, 0], atol=1e-14)
            np.testing.assert_allclose(h_T[0, n], alone[-1, 0], atol=1e-14)
            assert not hs[length:, n].any()

    @pytest.mark.slow
    def test_every_gradient_against_central_differences(self):
        layer = rnn.RNN(2, 3, rng=rng())
        xs, h0 = rng(1).normal(size=(5, 3, 2)), rng(2).normal(size=(1, 3, 3))
        dhs, dh_T, lengths = rng(3).normal(size=(5, 3, 3)), rng(4).normal(size=(1, 3, 3)), [5, 1, 3]

        def loss():
            hs, (h_T,), _ = layer.forward(xs, h0, lengths)
            return float((hs * dhs).sum() + (h_T * dh_T).sum())

        dxs, dh0 = layer.backward(dhs, layer.forward(xs, h0, lengths)[2], dh_T)
        arrays = {"xs": xs, "h0": h0} | {f"array {k}": a for k, a in enumerate(layer.arrays)}
        grads = {"xs": dxs, "h0": dh0} | {f"array {k}": g for k, g in enumerate(layer.grads)}
        report = gradcheck(loss, arrays, grads)
        assert report.passed, report

    def test_float32_stays_float32(self):
        layer = rnn.RNN(2, 3, rng=rng(), dtype=np.float32)
        hs, (h_T,), cache = layer.forward(np.ones((4, 2, 2), np.float32))
        assert {a.dtype for a in (hs, h_T, *layer.backward(hs, cache))} == {np.dtype(np.float32)}

    def test_bad_input_gets_one_sentence(self):
        layer = rnn.RNN(2, 3, rng=rng())
        with pytest.raises(ValueError, match="recurrent must be uniform or orthogonal, got 'eye'"):
            rnn.RNN(2, 3, rng=rng(), recurrent="eye")
        with pytest.raises(ValueError, match=r"h0 has shape \(3,\), expected \(1, 2, 3\)"):
            layer.forward(np.ones((4, 2, 2)), np.ones(3))
        with pytest.raises(ValueError, match=r"dhs has shape \(4, 2, 2\), expected \(4, 2, 3\)"):
            layer.backward(np.ones((4, 2, 2)), layer.forward(np.ones((4, 2, 2)))[2])


class TestBatches:
    def test_an_epoch_shows_every_sequence_once_and_the_next_in_another_order(self):
        inputs = np.arange(12.0).reshape(2, 6, 1)
        lengths = np.array([1, 2, 2, 1, 1, 2])
        data = Batch(inputs, inputs[:, :, 0] * 10, inputs[:, :, 0] > 3, lengths)
        batches = MiniBatches(data, 2, seed=3)
        epochs = [[batches(3 * epoch + k) for k in range(3)] for epoch in range(2)]
        orders = [np.concatenate([b.inputs[0, :, 0] for b in epoch]) for epoch in epochs]
        for order in orders:
            assert sorted(order) == list(range(6))
        assert list(orders[0]) != list(orders[1])
        for batch in epochs[0]:  # what belongs together stays together
            np.testing.assert_array_equal(batch.targets, batch.inputs[:, :, 0] * 10)
            np.testing.assert_array_equal(batch.mask, batch.inputs[:, :, 0] > 3)
            np.testing.assert_array_equal(batch.lengths, lengths[batch.inputs[0, :, 0].astype(int)])
            assert not batch.goes_on

    def test_what_is_left_over_waits_for_another_epoch(self):
        data = Batch(np.zeros((1, 5, 1)), np.arange(5)[None])
        batches = MiniBatches(data, 2, seed=0)
        seen = {int(t) for step in range(20) for t in batches(step).targets.ravel()}
        assert seen == set(range(5))
        assert all(batches(step).targets.shape == (1, 2) for step in range(20))

    def test_order_depends_on_the_seed_alone(self):
        data = Batch(np.zeros((1, 9, 1)), np.arange(9)[None])
        one, other, third = (MiniBatches(data, 3, seed=seed) for seed in (1, 1, 2))
        assert_same([one(4).targets], [other(4).targets])
        assert any((one(k).targets != third(k).targets).any() for k in range(3))

    def test_chunks_cover_the_sequences_in_order(self):
        xs = rng().normal(size=(7, 2, 1))
        data = Batch(xs, xs[:, :, 0], xs[:, :, 0] > 0)
        batches = [Chunks(data, 3)(step) for step in range(4)]
        assert [batch.goes_on for batch in batches] == [False, True, True, False]
        for k, whole in enumerate((data.inputs, data.targets, data.mask)):
            np.testing.assert_array_equal(np.concatenate([b[k] for b in batches[:3]]), whole)

    def test_bad_input_gets_one_sentence(self):
        data = Batch(np.zeros((4, 3, 1)), np.zeros((4, 3)))
        with pytest.raises(ValueError, match="batch_size is 4, expected at most 3"):
            MiniBatches(data, 4, seed=0)
        with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
            Chunks(data, 0)
        with pytest.raises(ValueError, match="data has lengths"):
            Chunks(data._replace(lengths=np.array([4, 2, 1])), 2)
        with pytest.raises(
            ValueError, match=r"targets has shape \(4, 2\), expected \(4, 3\) first"
        ):
            MiniBatches(data._replace(targets=np.zeros((4, 2))), 2, seed=0)
        with pytest.raises(ValueError, match=r"mask has shape \(5, 3\), expected \(4, 3\) first"):
            Chunks(data._replace(mask=np.ones((5, 3), bool)), 2)
        with pytest.raises(
            ValueError, match=r"inputs has shape \(0, 3, 1\), expected \(T, N, ...\)"
        ):
            Chunks(Batch(np.zeros((0, 3, 1)), np.zeros((0, 3))), 2)
        with pytest.raises(ValueError, match="seed must be a whole number of at least 0, got -1"):
            MiniBatches(data, 2, seed=-1)
        with pytest.raises(ValueError, match=r"lengths has shape \(2,\), expected \(3,\)"):
            MiniBatches(data._replace(lengths=[4, 1]), 2, seed=0)

    def test_lengths_may_be_a_list(self):
        data = Batch(np.zeros((4, 3, 1)), np.zeros((4, 3)), lengths=[4, 2, 1])
        seen = MiniBatches(data, 3, seed=0)(0).lengths
        assert sorted(seen) == [1, 2, 4]


class TestUpdate:
    def test_it_is_forward_loss_backward_clip_step(self):
        trainer = small_trainer(clip=0.1, l2=0.3, optimizer=optim.SGD)
        model, batch = small_model(), adding_batches(0)
        outputs, _, cache = model.forward(batch.inputs)
        loss, doutputs = losses.mean_squared_error(outputs, batch.targets, batch.mask)
        model.backward(doutputs, cache)
        matrices = [k for k, array in enumerate(model.arrays) if array.ndim == 2]
        assert len(matrices) == 5
        for k in matrices:
            loss += 0.15 * (model.arrays[k] ** 2).sum()
            model.grads[k] += 0.3 * model.arrays[k]
        norm = np.sqrt(sum((grad**2).sum() for grad in model.grads))
        assert norm > 0.1
        assert np.isclose(trainer.update(batch), loss)
        assert np.allclose(trainer.history.loss, [loss])
        assert np.allclose(trainer.history.norm, [norm])
        for array, start, grad in zip(trainer.model.arrays, model.arrays, model.grads, strict=True):
            np.testing.assert_allclose(array, start - 0.01 * 0.1 / norm * grad)

    def test_without_limit_nothing_is_clipped_and_gradients_do_not_pile_up(self):
        trainer = small_trainer(optimizer=optim.SGD)
        norms = []
        for step in range(3):
            trainer.update(adding_batches(step))
            norms.append(optim.global_norm(trainer.model.grads))
        assert np.allclose(trainer.history.norm, norms)

    def test_chunks_carry_the_state_and_cut_the_gradient(self):
        model = small_model()
        xs = rng(5).normal(size=(6, 2, 2))
        data = Batch(xs, xs[:, :, :1])
        trainer = small_trainer(model, optimizer=lambda a, learning_rate: optim.SGD(a, 1e-12))
        whole, _, _ = model.forward(xs)
        losses_seen = [trainer.update(Chunks(data, 3)(step)) for step in range(2)]
        expected = [
            losses.mean_squared_error(whole[k : k + 3], data.targets[k : k + 3])[0] for k in (0, 3)
        ]
        assert np.allclose(losses_seen, expected, atol=1e-9)
        _, state, _ = model.forward(xs[:3])
        outputs, _, cache = model.forward(xs[3:], state)
        model.zero_grads()
        model.backward(losses.mean_squared_error(outputs, data.targets[3:])[1], cache)
        assert np.isclose(trainer.history.norm[1], optim.global_norm(model.grads), rtol=1e-6)

    def test_a_bad_batch_changes_nothing(self):
        trainer = small_trainer()
        trainer.update(adding_batches(0))
        before, history = values(trainer), list(trainer.history.loss)
        bad = adding_batches(1)
        bad.inputs[2, 1, 0] = np.nan
        with pytest.raises(ValueError, match=r"xs holds nan at index \(2, 1, 0\)"):
            trainer.update(bad)
        assert_same(values(trainer), before)
        assert trainer.history.loss == history

    def test_a_bad_batch_leaves_the_generator_where_it_was(self):
        trainer, other = (small_trainer(small_model(dropout=0.5)) for _ in range(2))
        bad = adding_batches(0)
        with pytest.raises(ValueError, match="targets has shape"):
            trainer.update(bad._replace(targets=bad.targets[1:]))
        for one in (trainer, other):
            one.update(adding_batches(1))
        assert_same(values(trainer), values(other))

    def test_a_model_that_reads_from_both_ends_cannot_go_on(self):
        draws = rng()
        model = models.SequenceModel(
            layers.LSTM(2, 3, bidirectional=True, rng=draws), layers.Linear(6, 1, rng=draws)
        )
        trainer = small_trainer(model)
        trainer.update(adding_batches(0))
        with pytest.raises(ValueError, match="but model reads from both ends"):
            trainer.update(adding_batches(1)._replace(goes_on=True))

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"clip": 0}, "clip must be a number above 0, got 0"),
            ({"clip": np.nan}, "clip must be a number above 0, got nan"),
            ({"l2": -1}, "l2 must be a number of at least 0, got -1"),
        ],
    )
    def test_settings_out_of_range_get_one_sentence(self, options, sentence):
        with pytest.raises(ValueError, match=sentence):
            small_trainer(**options)

    def test_nothing_to_go_on_from_is_an_error(self):
        with pytest.raises(ValueError, match="batch goes on from an earlier one, but none came"):
            small_trainer().update(adding_batches(0)._replace(goes_on=True))

    def test_an_optimizer_of_other_arrays_is_refused(self):
        model = small_model()
        copies = [array.copy() for array in model.arrays]
        with pytest.raises(ValueError, match="optimizer holds other arrays than model"):
            Trainer(model, optim.SGD(copies, 0.1))


class TestFit:
    def test_it_counts_earlier_updates_and_shows_a_bar(self, capsys):
        trainer = small_trainer()
        trainer.fit(adding_batches, 5, progress=False)
        assert capsys.readouterr().err == ""
        history = trainer.fit(adding_batches, 8)
        assert "8/8" in capsys.readouterr().err
        assert len(history.loss) == len(history.norm) == 8
        at_once = small_trainer()
        at_once.fit(adding_batches, 8, progress=False)
        assert_same(values(at_once), values(trainer))

    def test_it_stops_early_and_gives_back_the_best(self):
        trainer = small_trainer()
        seen, said = [], iter([3.0, 2.0, np.nan, 2.0, 5.0, 1.0])

        def validate(model):
            seen.append([array.copy() for array in model.arrays])
            return next(said)

        history = trainer.fit(
            adding_batches, 60, validate=validate, every=4, patience=3, progress=False
        )
        assert [done for done, _ in history.validation] == [4, 8, 12, 16, 20]
        assert history.best() == (8, 2.0)
        assert len(history.loss) == 20
        assert_same(values(trainer), seen[-1])
        trainer.restore_best()
        assert_same(values(trainer), seen[1])
        trainer.fit(adding_batches, 60, validate=validate, every=4, patience=3, progress=False)
        assert len(history.loss) == 20  # it had stopped, and stays so

    def test_the_last_update_is_validated_too(self):
        history = small_trainer().fit(
            adding_batches, 7, validate=lambda model: 0.0, every=5, progress=False
        )
        assert [done for done, _ in history.validation] == [5, 7]

    def test_without_a_validation_there_is_nothing_to_restore(self):
        trainer = small_trainer()
        trainer.fit(adding_batches, 3, progress=False)
        before = values(trainer)
        with pytest.raises(ValueError, match="there is no validation yet"):
            trainer.restore_best()
        assert_same(values(trainer), before)

    def test_nothing_known_has_no_best(self):
        assert training.History().best() is None
        assert training.History(validation=[(1, np.nan)]).best() is None

    @pytest.mark.parametrize(
        ("options", "error", "sentence"),
        [
            ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
            ({"steps": 5, "every": 1.5}, TypeError, "every must be a whole number, got 1.5"),
            ({"steps": 5, "patience": 0}, ValueError, "patience must be at least 1, got 0"),
            ({"steps": 5, "patience": 2}, ValueError, "patience is given and validate is not"),
        ],
    )
    def test_bad_input_gets_one_sentence(self, options, error, sentence):
        with pytest.raises(error, match=sentence):
            small_trainer().fit(adding_batches, progress=False, **options)

    def test_it_learns_what_a_regression_cannot(self):
        """The adding problem over 10 steps: a linear map of all inputs leaves the variance 1/6."""
        draws = rng()
        model = models.SequenceModel(layers.LSTM(2, 16, rng=draws), layers.Linear(16, 1, rng=draws))
        trainer = small_trainer(model, clip=1.0)
        trainer.fit(lambda step: tasks.adding(10, 32, rng=rng([1, step])), 600, progress=False)
        assert np.mean(trainer.history.loss[-20:]) < 0.02


class TestInterrupt:
    """Ctrl-C anywhere, and the same call again: the run that was never interrupted."""

    @pytest.fixture(autouse=True)
    def heard(self):
        """Let Ctrl-C raise, also where the tests run in the background, which ignores it."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def run(
        self, trainer, batches=adding_batches, validate=lambda model: float(model.arrays[0].sum())
    ):
        options = {"validate": validate, "every": 3, "progress": False}
        return trainer.fit(batches, 9, **options)

    def expected(self):
        trainer = small_trainer(small_model(dropout=0.5))
        return self.run(trainer), values(trainer)

    def assert_goes_on(self, trainer, **broken):
        with pytest.raises(KeyboardInterrupt):
            self.run(trainer, **broken)
        history, arrays = self.expected()
        found = self.run(trainer)
        assert found == history
        assert_same(values(trainer), arrays)
        assert trainer.optimizer.steps == 9

    def once(self, function, at):
        """Press Ctrl-C the `at`-th time that a function is called."""
        calls = []

        def pressing(*args, **more):
            calls.append(None)
            if len(calls) == at:
                signal.raise_signal(signal.SIGINT)
            return function(*args, **more)

        return pressing

    @pytest.mark.parametrize("at", [1, 4, 6])
    def test_between_updates(self, at):
        trainer = small_trainer(small_model(dropout=0.5))
        self.assert_goes_on(trainer, batches=self.once(adding_batches, at))

    @pytest.mark.parametrize("at", [1, 4, 6])
    def test_within_an_update(self, at):
        trainer = small_trainer(small_model(dropout=0.5))
        trainer.loss = self.once(trainer.loss, at)
        self.assert_goes_on(trainer)

    @pytest.mark.parametrize("at", [1, 4, 6])
    def test_within_the_step_of_the_optimizer(self, at):
        trainer = small_trainer(small_model(dropout=0.5))
        trainer.optimizer._changes = self.once(trainer.optimizer._changes, at)
        self.assert_goes_on(trainer)

    @pytest.mark.parametrize("at", [1, 3])
    def test_within_a_validation(self, at):
        trainer = small_trainer(small_model(dropout=0.5))
        validate = self.once(lambda model: float(model.arrays[0].sum()), at)
        self.assert_goes_on(trainer, validate=validate)

    def test_a_second_one_is_let_through_at_once(self):
        trainer = small_trainer()
        loss, reached = trainer.loss, []

        def twice(*args):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            reached.append(None)
            return loss(*args)

        trainer.loss = twice
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            self.run(trainer)
        assert not reached
        assert signal.getsignal(signal.SIGINT) is before

    def test_other_threads_train_as_well(self):
        with ThreadPoolExecutor(1) as pool:
            trainer = small_trainer(small_model(dropout=0.5))
            assert pool.submit(self.run, trainer).result() == self.expected()[0]


class TestSchedule:
    def test_a_run_with_a_schedule_resumes_where_it_was(self, tmp_path):
        def run(steps, path=None):
            schedule = optim.Cosine(0.05, 12, warm_up=3)
            trainer = small_trainer(schedule=schedule)
            trainer.fit(adding_batches, steps, checkpoint=path, every=5, progress=False)
            return trainer

        whole = run(12)
        assert whole.optimizer.learning_rate == optim.Cosine(0.05, 12, warm_up=3)(11)
        run(7, tmp_path / "run")
        again = run(12, tmp_path / "run")
        assert_same(values(again), values(whole))
        other = small_trainer(schedule=optim.Steps(0.05, 4, 0.5))
        with pytest.raises(
            ValueError, match=r"written with schedule = Cosine\(.*this run has Steps"
        ):
            other.load(tmp_path / "run")

    def test_what_is_frozen_counts_neither_for_the_norm_nor_for_the_penalty(self):
        model = small_model()
        frozen = model.recurrent.arrays
        adam = optim.Adam(model.arrays, 0.01, frozen=frozen)
        trainer = Trainer(model, adam, losses.mean_squared_error, clip=1e-3, l2=0.5)
        before = [array.copy() for array in model.arrays]
        batch = adding_batches(0)
        outputs = model.forward(batch.inputs, lengths=batch.lengths)[0]
        loss = losses.mean_squared_error(outputs, batch.targets, batch.mask)[0]
        found = trainer.update(batch)
        assert found == pytest.approx(loss + 0.25 * (before[-2] ** 2).sum())
        assert_same(before[: len(frozen)], values(trainer)[: len(frozen)])
        assert optim.global_norm(model.grads[-2:]) == pytest.approx(1e-3)


RUNS = {
    "Adam": {"optimizer": optim.Adam},
    "SGD": {"optimizer": lambda a, learning_rate: optim.SGD(a, learning_rate, momentum=0.9)},
}


class TestCheckpoint:
    @pytest.mark.parametrize("kind", RUNS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_resumed_run_is_the_run_that_was_never_interrupted(self, tmp_path, kind, dtype):
        xs = rng(2).normal(size=(20, 2, 2)).astype(dtype)
        batches = Chunks(Batch(xs, xs[:, :, 1:]), 3)  # with carried state
        options = {"validate": lambda model: float(abs(model.arrays[0]).sum()), "every": 5}

        def fresh():
            model = small_model(dropout=0.4, dtype=dtype)  # dropout draws from its generator
            return small_trainer(model, clip=0.5, l2=0.01, **RUNS[kind])

        straight = fresh()
        straight.fit(batches, 31, progress=False, **options)
        path = tmp_path / "run.npz"
        for upto in (5, 15, 20, 31):
            resumed = fresh()
            resumed.fit(batches, upto, checkpoint=path, progress=False, **options)
        assert_same(values(resumed), values(straight))
        assert_same(resumed.optimizer.buffers, straight.optimizer.buffers)
        assert_same(resumed.state, straight.state)
        assert_same(resumed.best, straight.best)
        assert resumed.history == straight.history
        assert resumed.update(batches(31)) == straight.update(batches(31))

    def test_a_write_that_dies_half_way_leaves_the_old_checkpoint(self, tmp_path, monkeypatch):
        path = tmp_path / "run.npz"
        trainer = small_trainer()
        trainer.fit(adding_batches, 5, checkpoint=path, progress=False)
        before = path.read_bytes()
        trainer.update(adding_batches(5))

        def dies(self, target):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", dies)
            with pytest.raises(KeyboardInterrupt):
                trainer.save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]
        again = small_trainer()
        again.fit(adding_batches, 9, checkpoint=path, progress=False)
        straight = small_trainer()
        straight.fit(adding_batches, 9, progress=False)
        assert_same(values(again), values(straight))
        assert list(tmp_path.iterdir()) == [path]

    def test_two_processes_that_write_the_same_file_leave_a_whole_one(self, tmp_path):
        path = tmp_path / "run.npz"
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
            "from test_training import adding_batches, small_trainer\n"
            "trainer = small_trainer()\n"
            "trainer.fit(adding_batches, 2, progress=False)\n"
            f"for _ in range(150): trainer.save({str(path)!r})\n"
        )
        processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
        while any(process.poll() is None for process in processes):
            if path.exists():
                small_trainer().load(path)
        assert [process.returncode for process in processes] == [0, 0]

    @pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64])
    def test_every_generator_and_number_can_be_stored(self, tmp_path, kind):
        def loss(outputs, targets, mask):
            value, doutputs = losses.mean_squared_error(outputs, targets, mask)
            return np.float32(value), doutputs

        def fresh():
            draws = np.random.Generator(kind(3))
            recurrent = layers.LSTM(2, 3, 2, dropout=0.5, rng=draws)
            model = models.SequenceModel(recurrent, layers.Linear(3, 1, rng=draws))
            return small_trainer(model, loss=loss, clip=np.float32(1), l2=np.float64(0.1))

        path, straight = tmp_path / "run.npz", fresh()
        straight.fit(adding_batches, 6, progress=False)
        for steps in (3, 6):
            resumed = fresh()
            resumed.fit(adding_batches, steps, checkpoint=path, progress=False)
        assert_same(values(resumed), values(straight))
        with pytest.raises(ValueError, match="was written with generators"):
            small_trainer(small_model(dropout=0.5), loss=loss, clip=1.0, l2=0.1).load(path)

    def test_a_checkpoint_of_somebody_else_is_not_overwritten(self, tmp_path):
        path = tmp_path / "run.npz"
        small_trainer().fit(adding_batches, 3, checkpoint=path, progress=False)
        before, other = path.read_bytes(), small_trainer()
        other.fit(adding_batches, 2, progress=False)
        with pytest.raises(ValueError, match=r"run\.npz, which another run wrote"):
            other.fit(adding_batches, 5, checkpoint=path, progress=False)
        assert path.read_bytes() == before
        assert len(other.history.loss) == 2
        with pytest.raises(ValueError, match=r"nowhere/run\.npz, but its folder does not exist"):
            other.fit(adding_batches, 5, checkpoint="nowhere/run.npz", progress=False)

    @pytest.mark.slow
    def test_a_run_that_is_killed_again_and_again_arrives_where_it_should(self, tmp_path):
        program = """
import sys
sys.path.insert(0, {tests!r})
from test_training import adding_batches, small_trainer
trainer = small_trainer()
print("running", flush=True)
trainer.fit(adding_batches, 400, every=1, checkpoint={path!r}, progress=False)
print(trainer.history.loss[-1].hex(), [float(a.sum()).hex() for a in trainer.model.arrays])
"""
        path = tmp_path / "run.npz"
        code = program.format(tests=str(ROOT / "tests"), path=str(path))
        kills, waits = 0, rng(0)
        while True:
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout.readline() == "running\n"
            if kills < 6:
                time.sleep(waits.uniform(0.05, 0.25))
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                process.stdout.close()
                if path.exists():
                    small_trainer().load(path)  # always whole
                continue
            said, _ = process.communicate()
            break
        straight = small_trainer()
        straight.fit(adding_batches, 400, progress=False)
        expected = [float(a.sum()).hex() for a in straight.model.arrays]
        assert said == f"{straight.history.loss[-1].hex()} {expected}\n"

    @pytest.mark.parametrize(
        ("other", "sentence"),
        [
            (lambda: small_trainer(clip=2.0), r"was written with clip = None, this run has 2\.0"),
            (lambda: small_trainer(l2=0.1), r"was written with l2 = 0\.0, this run has 0\.1"),
            (lambda: small_trainer(optimizer=optim.SGD), "was written with optimizer = Adam, this run has SGD"),
            (lambda: small_trainer(optimizer=lambda a, learning_rate: optim.Adam(a, 0.5)), r"was written with learning_rate = 0\.01, this run has 0\.5"),
            (lambda: small_trainer(loss=losses.softmax_cross_entropy), "was written with loss = mean_squared_error, this run has softmax_cross_entropy"),
            (lambda: small_trainer(small_model(dropout=0.3)), r"was written with dropout = 0\.0, this run has 0\.3"),
            (lambda: small_trainer(small_model(dtype=np.float32)), "was written with arrays = .*float64.* this run has .*float32"),
        ],
    )  # fmt: skip
    def test_a_checkpoint_of_another_run_is_refused_and_left_alone(self, tmp_path, other, sentence):
        path = tmp_path / "run.npz"
        small_trainer().fit(adding_batches, 3, checkpoint=path, progress=False)
        before, trainer = path.read_bytes(), other()
        start = values(trainer)
        with pytest.raises(ValueError, match=sentence):
            trainer.fit(adding_batches, 9, checkpoint=path, progress=False)
        assert_same(values(trainer), start)
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "damage",
        ["empty", "cut", "flipped", "text", "other arrays", "pickle", "list", "one missing"],
    )
    def test_a_damaged_checkpoint_gets_one_sentence(self, tmp_path, damage):
        path = tmp_path / "run.npz"
        trainer = small_trainer()
        trainer.fit(adding_batches, 3, checkpoint=path, progress=False)
        whole = path.read_bytes()
        middle = len(whole) // 2
        if damage == "one missing":
            with np.load(path) as file:
                np.savez(path, **{name: file[name] for name in file.files if name != "array 0"})
        elif damage == "list":
            np.savez(path, about=np.array('{"settings": [1], "history": {}, "rngs": []}'))
        elif damage == "other arrays":
            np.savez(path, weights=np.ones(3))
        elif damage == "pickle":
            np.savez(path, about=np.array([{"a": 1}], dtype=object))
        else:
            path.write_bytes(
                {
                    "empty": b"",
                    "cut": whole[:middle],
                    "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
                    "text": b"not a checkpoint",
                }[damage]
            )
        fresh = small_trainer()
        start = values(fresh)
        with pytest.raises(ValueError, match=r"run\.npz is not a readable checkpoint"):
            fresh.load(path)
        assert_same(values(fresh), start)

    def test_it_holds_no_pickle(self, tmp_path):
        path = tmp_path / "run.npz"
        small_trainer().fit(adding_batches, 2, checkpoint=path, progress=False)
        with np.load(path, allow_pickle=False) as file:
            assert len(json.loads(str(file["about"]))["history"]["loss"]) == 2
            assert all(file[name].dtype.kind in "fU" for name in file.files)
        assert os.access(path, os.R_OK)
