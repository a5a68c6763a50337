"""The loss and its gradient, clipping, and one step of Adam."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import losses, optim
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.mistakes import Mistakes, each, said
from lstm_course.exercises.engine.parts import drawn, seeded, sized, softmax_over
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.losses import softmax
from lstm_course.pointwise import sigmoid


def cross_entropy(scores: Array, targets: Array, mask: Array) -> tuple[float, Array]:
    """Return the mean of -log y[target] over the positions that count, and its gradient."""
    return losses.softmax_cross_entropy(scores, targets, mask)


LOSS = Lines(
    ("scores", "targets", "mask"),
    {
        "one_hot": lambda s: np.eye(s.scores.shape[-1], dtype=s.scores.dtype)[s.targets],
        "z": lambda s: s.scores,
        "y": lambda s: softmax(s.z),
        "log_y": lambda s: _log_softmax(s.z),
        "each": lambda s: -_chosen(s, s.log_y),
        "mask_of_loss": lambda s: s.mask,
        "mask_of_gradient": lambda s: s.mask,
        "count": lambda s: s.mask.sum(),
        "loss": lambda s: np.where(s.mask_of_loss, s.each, 0).sum() / s.count,
        "dz": lambda s: s.y - s.one_hot,
        "dscores": lambda s: s.dz * s.mask_of_gradient[..., None] / s.z.dtype.type(s.count),
    },
    ("loss", "dscores"),
)
loss_with = LOSS.but
"""Return the loss and its gradient with some of their lines changed."""


def _log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _chosen(s: Any, values: Array) -> Array:
    return np.take_along_axis(values, s.targets[..., None], axis=-1)[..., 0]


def _rounded(s: Any) -> Array:
    """Return the logarithm of probabilities that may have become 0."""
    return np.log(s.y)


def _one_hot_sum(s: Any) -> Array:
    """Return the loss of each position as a sum with the one-hot target."""
    return np.asarray(-(s.one_hot * s.log_y).sum(axis=-1))


def _far_below(s: Any) -> Array:
    """Return softmax less one largest score for all positions, with no care for rounding."""
    powers = np.exp(s.z - s.z.max())
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _log_far_below(s: Any) -> Array:
    z = s.z - s.z.max()
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


ROUNDED: tuple[dict[str, Line], ...] = (
    {"log_y": _rounded},
    {"log_y": _rounded, "each": _one_hot_sum},
)
FAR_BELOW: tuple[dict[str, Line], ...] = (
    {"y": _far_below, "log_y": _rounded},
    {"y": _far_below, "log_y": _rounded, "each": _one_hot_sum},
    {"y": _far_below, "log_y": _log_far_below},
    {"y": _far_below, "log_y": _log_far_below, "each": _one_hot_sum},
)


def _quotient(s: Any, keepdims: bool = True) -> Array:
    powers = np.exp(s.z)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=keepdims))


def _log_quotient(s: Any, keepdims: bool = True) -> Array:
    return np.asarray(s.z - np.log(np.exp(s.z).sum(axis=-1, keepdims=keepdims)))


NAIVE: tuple[dict[str, Line], ...] = tuple(
    {"y": _quotient, **way}
    for way in (
        {"log_y": _rounded},
        {"log_y": _rounded, "each": _one_hot_sum},
        {"log_y": _log_quotient},
    )
)
"""Exponentials of the raw scores."""


def _axis_lost() -> tuple[Answer, ...]:
    """Return losses without keepdims where the largest is taken, in the sums, or in both."""
    largest: dict[str, Line] = {"z": lambda s: s.scores - s.scores.max(axis=-1)}
    kept: dict[str, Line] = {"z": lambda s: s.scores - s.scores.max(axis=-1, keepdims=True)}
    y: dict[str, Line] = {"y": lambda s: _quotient(s, keepdims=False)}
    log_y: dict[str, Line] = {"log_y": lambda s: _log_quotient(s, keepdims=False)}
    right: dict[str, Line] = {"y": _quotient, "log_y": _log_quotient}
    ways: tuple[dict[str, Line], ...] = (
        {**right, **largest},
        {**right, **largest, **y},
        {**right, **largest, **log_y},
        {**largest, **y, **log_y},
        {**right, **kept, **y},
        {**right, **kept, **log_y},
        {**kept, **y, **log_y},
        {**kept, **y, "log_y": _rounded},
        {**largest, **y, "log_y": _rounded},
    )
    return tuple(loss_with(**way) for way in ways)


def _log_softmax_over(axis: int | tuple[int, ...] | None) -> Line:
    def line(s: Any) -> Array:
        z = s.z - s.z.max(axis=axis, keepdims=True)
        return np.asarray(z - np.log(np.exp(z).sum(axis=axis, keepdims=True)))

    return line


def _means_of_means(axis: int) -> tuple[Answer, ...]:
    """Return means of means along an axis, with 0 or NaN where nothing counts."""

    def share(s: Any, least: int) -> Array:
        return np.asarray(
            np.where(s.mask, s.each, 0).sum(axis) / np.maximum(s.mask.sum(axis), least)
        )

    def dscores(s: Any) -> Array:
        count = np.maximum(s.mask.sum(axis, keepdims=True), 1) * s.mask.shape[1 - axis]
        return np.asarray(s.dz * (s.mask / count)[..., None].astype(s.z.dtype))

    return (
        loss_with(loss=lambda s: share(s, 1).mean()),
        loss_with(loss=lambda s: share(s, 0).mean()),
        loss_with(loss=lambda s: np.nanmean(share(s, 0))),
        loss_with(loss=lambda s: share(s, 1).mean(), dscores=dscores),
    )


def _cut_off(bound: float) -> tuple[Answer, ...]:
    """Return the loss of scores clipped at a bound, with and without the largest subtracted."""

    def less_the_largest(s: Any) -> Array:
        return np.asarray(s.scores - s.scores.max(axis=-1, keepdims=True))

    return (
        loss_with(z=lambda s: np.clip(s.scores, -bound, bound)),
        loss_with(z=lambda s: np.clip(less_the_largest(s), -bound, bound)),
    )


def _in_float32(scores: Array, targets: Array, mask: Array) -> tuple[float, Array]:
    loss, dscores = cross_entropy(scores.astype(np.float32), targets, mask)
    return loss, dscores.astype(scores.dtype)


def _both(**changed: Line) -> tuple[Answer, ...]:
    """Return a mistake alone, and together with exponentials that round to 0."""
    ways: tuple[dict[str, Line], ...] = ({}, ROUNDED[0], FAR_BELOW[0])
    return tuple(loss_with(**{**way, **changed}) for way in ways)


def _softmax_over(axis: int | tuple[int, ...] | None) -> Line:
    return lambda s: softmax_over(s.z, axis)


def _shifted_over(axis: int | tuple[int, ...]) -> tuple[Answer, ...]:
    """Return the loss of scores less the largest along a wrong axis, in the usual ways."""
    way: dict[str, Line] = {
        "z": lambda s: s.scores - s.scores.max(axis=axis, keepdims=True),
        "y": lambda s: np.exp(s.z) / np.exp(s.z).sum(axis=-1, keepdims=True),
        "log_y": lambda s: s.z - np.log(np.exp(s.z).sum(axis=-1, keepdims=True)),
    }
    ways: tuple[dict[str, Line], ...] = (
        {},
        {"y": lambda s: softmax(s.z), "log_y": lambda s: _log_softmax(s.z)},
        {"each": _one_hot_sum},
        {"each": lambda s: np.log(np.exp(s.z).sum(axis=-1)) - _chosen(s, s.z)},
        {"log_y": _rounded},
    )
    return tuple(loss_with(**{**way, **other}) for other in ways)


def _other_base(logarithm: Callable[[Array], Array]) -> tuple[Answer, ...]:
    """Return the loss with another logarithm of the sum, with and without its own gradient."""

    def log_y(s: Any) -> Array:
        shifted = s.z - s.z.max(axis=-1, keepdims=True)
        return np.asarray(shifted - logarithm(np.exp(shifted).sum(-1, keepdims=True)))

    return loss_with(log_y=log_y), loss_with(log_y=log_y, dz=lambda s: np.exp(s.log_y) - s.one_hot)


def _twice(s: Any) -> Array:
    """Return the gradient of a second softmax, taken back through the first."""
    first, d = softmax(s.z), s.y - s.one_hot
    return np.asarray(first * (d - (first * d).sum(axis=-1, keepdims=True)))


def _never(s: Any) -> Array:
    return np.ones_like(s.mask)


TINY = (1e-300, 1e-30, 1e-20, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7)


def _bounded(change: Callable[[Array, float], Array]) -> tuple[Answer, ...]:
    """Return the loss of probabilities that some small number keeps away from 0."""

    def bounded_by(tiny: float) -> Answer:
        return loss_with(log_y=lambda s: np.log(change(s.y, tiny)))

    return tuple(map(bounded_by, TINY))


LOSS_MISTAKES: Mistakes = {
    (
        "You don't subtract the 1 at the right class, so the gradient is just y, as if no class "
        "were right."
    ): (*_both(dz=lambda s: s.y),),
    "The gradient has the wrong sign. It's what the network said minus what it should have said.": (
        *_both(dz=lambda s: s.one_hot - s.y),
    ),
    "You subtract the 1 at every class. Only one of them is right.": _both(dz=lambda s: s.y - 1),
    (
        "Only the right class gets a gradient. The other classes are in the sum too, so they need "
        "theirs."
    ): (*_both(dz=lambda s: (s.y - 1) * s.one_hot),),
    "This is the gradient of the probability. Take it back through softmax as well.": (
        *_both(dz=lambda s: -s.one_hot / s.y),
        *_both(dz=lambda s: -s.one_hot / np.exp(_log_softmax(s.z))),
    ),
    "The gradient ignores the mask. Where a position doesn't count, its gradient must be 0.": (
        *_both(mask_of_gradient=_never),
        *_both(dscores=lambda s: s.dz / s.mask.size),
    ),
    "You don't divide the gradient by the number of positions that count. The loss is a mean.": (
        *_both(dscores=lambda s: s.dz * s.mask[..., None]),
    ),
    "Your loss is the sum over the positions that count. The question asks for their mean.": (
        *_both(loss=lambda s: np.where(s.mask, s.each, 0).sum()),
        *_both(count=lambda s: 1),
    ),
    "You leave masked positions out of the sum, but you divide by the number of all positions.": (
        *_both(count=lambda s: s.mask.size),
    ),
    **each(
        "You divide by the number of {}. Take the mean over the positions that count.",
        {
            "sequences": _both(count=lambda s: s.mask.shape[1]),
            "steps": _both(count=lambda s: s.mask.shape[0]),
        },
    ),
    "The mask has no effect: you count the padding too.": (
        *_both(mask_of_loss=_never, mask_of_gradient=_never, count=lambda s: s.mask.size),
    ),
    **each(
        "Your loss is a mean of means, first over each {0}. All positions that count must weigh "
        "the same, whichever {0} they're in.",
        {"sequence": _means_of_means(0), "step": _means_of_means(1)},
    ),
    "The loss ignores the mask: you also sum positions that have no target.": (
        *_both(mask_of_loss=_never),
        *_both(loss=lambda s: s.each.mean()),
        *_both(loss=lambda s: s.each.sum()),
    ),
    "You read the mask the wrong way round. It's true where a position counts.": (
        *_both(
            mask_of_loss=lambda s: ~s.mask,
            mask_of_gradient=lambda s: ~s.mask,
            count=lambda s: max(1, (~s.mask).sum()),
        ),
        *_both(
            mask_of_loss=lambda s: ~s.mask,
            mask_of_gradient=lambda s: ~s.mask,
            count=lambda s: (~s.mask).sum(),
        ),
        *_both(mask_of_loss=lambda s: ~s.mask),
        *_both(mask_of_gradient=lambda s: ~s.mask),
    ),
    "Your mean runs over the classes too, so it's K times too small.": (
        *_both(count=lambda s: s.mask.sum() * s.z.shape[-1]),
        *_both(loss=lambda s: np.where(s.mask, s.each, 0).sum() / s.count / s.z.shape[-1]),
    ),
    "The loss has the wrong sign: the logarithm of a probability is negative, but a loss isn't.": (
        *_both(each=lambda s: _chosen(s, s.log_y)),
    ),
    "Your logarithm has another base. Use the natural one.": (
        *_both(each=lambda s: -_chosen(s, s.log_y) / np.log(2)),
        *_both(each=lambda s: -_chosen(s, s.log_y) / np.log(10)),
        *_other_base(np.log2),
        *_other_base(np.log10),
    ),
    "The loss has no logarithm. This is how far the probability is from 1.": (
        *_both(each=lambda s: 1 - _chosen(s, s.y)),
    ),
    "You take the logarithm of a mean. Take the logarithm at each position first, then the mean.": (
        loss_with(loss=lambda s: -np.log(_chosen(s, s.y)[s.mask].mean())),
    ),
    "Your loss is the squared error of the probabilities, not the cross-entropy.": (
        *_both(each=lambda s: ((s.y - s.one_hot) ** 2).sum(axis=-1)),
    ),
    "The loss never looks at the target: it weighs all classes by what the network said.": (
        *_both(each=lambda s: -(s.y * s.log_y).sum(axis=-1)),
        *_both(each=lambda s: -s.log_y.sum(axis=-1)),
    ),
    **said(
        "softmax-twice",
        *_both(y=lambda s: softmax(softmax(s.z)), log_y=_rounded),
        *_both(y=lambda s: softmax(softmax(s.z)), log_y=_rounded, dz=_twice),
    ),
    (
        "You take the largest score along the wrong axis, so the classes of one position lose "
        "different numbers. Take it over the classes."
    ): (*_shifted_over(0), *_shifted_over(1)),
    **said(
        "softmax-axis",
        *(
            loss_with(y=_softmax_over(axis), log_y=log_y)
            for axis in (0, 1, None, (0, 1))
            for log_y in (_rounded, _log_softmax_over(axis))
        ),
        position="position",
    ),
    (
        "keepdims is missing. Without it the axis of the classes is lost, and a position's number "
        "meets other positions."
    ): _axis_lost(),
    (
        "Your pick of the right class leaves an axis of size 1, which then meets the mask's "
        "sequences. Drop that axis."
    ): (loss_with(each=lambda s: -np.take_along_axis(s.log_y, s.targets[..., None], axis=-1)),),
    (
        "Where you pick the right class, steps and sequences are indexed together, along one axis. "
        "Make the index of the steps a column."
    ): (
        loss_with(
            each=lambda s: -s.log_y[range(s.mask.shape[0]), range(s.mask.shape[1]), s.targets]
        ),
    ),
    "In the gradient, the mask lacks an axis for the classes, so sequences meet classes.": (
        loss_with(dscores=lambda s: s.dz * s.mask_of_gradient / s.z.dtype.type(s.count)),
    ),
    "Every position gets the targets of all positions. Give each its own.": (
        loss_with(
            each=lambda s: -s.log_y[..., s.targets],
            loss=lambda s: (s.each * s.mask).sum() / s.count,
        ),
    ),
    "The loss picks the most probable class. It should pick the right one.": (
        loss_with(each=lambda s: -s.log_y.max(axis=-1)),
    ),
    "The loss picks class 0 at every position. It should pick the right one.": (
        loss_with(each=lambda s: -s.log_y[..., 0]),
    ),
    (
        "You subtract the largest score in only one of the loss's two terms. It belongs in both or "
        "in neither."
    ): (
        loss_with(each=lambda s: -_chosen(s, s.log_y) - s.z.max(axis=-1)),
        loss_with(each=lambda s: -_chosen(s, s.log_y) + s.z.max(axis=-1)),
    ),
    (
        "You clip the scores, but there's no need: once you subtract the largest, no exponential "
        "is above 1."
    ): tuple(
        answer
        for bound in (10, 20, 30, 50, 80, 88, 100, 500, 700, 709)
        for answer in _cut_off(bound)
    ),
    (
        "You multiply the probabilities of all positions, and a product of some hundred of them "
        "rounds to 0. Sum their logarithms instead."
    ): (loss_with(loss=lambda s: -np.log(np.prod(_chosen(s, s.y)[s.mask])) / s.count),),
    "You work in float32, which loses the last digits of large scores.": (_in_float32,),
    (
        "You subtract nothing from the scores, so exponentials of 1000 overflow, and those of "
        "-1000 are all 0. Subtract each position's largest score first."
    ): tuple(loss_with(**way) for way in NAIVE),
    **said("sigmoid-for-softmax", loss_with(y=lambda s: sigmoid(s.z), log_y=_rounded)),
    (
        "You add a small number to the probability, or bound it from below. That bounds the loss, "
        "but scores that are 800 apart must give a loss of 800."
    ): (
        *_bounded(lambda y, e: y + e),
        *_bounded(np.maximum),
        *_bounded(lambda y, e: np.clip(y, e, 1 - e)),
    ),
    (
        "Where scores are far apart, the right class's probability rounds to 0 and its logarithm "
        "is infinite. Split the logarithm of the quotient: then you don't need the quotient."
    ): tuple(loss_with(**way) for way in ROUNDED),
    (
        "Where all scores of a position are far below 0 (or below another position's), their "
        "exponentials are all 0, and so is the sum. Subtract each position's own largest score."
    ): tuple(loss_with(**way) for way in FAR_BELOW),
}


@sized
def _loss_case(T: int, N: int, K: int) -> Case:
    rng = seeded(T, N, K)
    mask = rng.random((T, N)) < 0.6
    mask.flat[0], mask.flat[-1] = True, T * N == 1
    arguments = {
        "scores": rng.normal(scale=2, size=(T, N, K)),
        "targets": rng.integers(0, K, (T, N)),
        "mask": mask,
    }
    return Case({"T": T, "N": N, "K": K}, arguments)


WIDE = Case(
    {"T": 1, "N": 2, "K": 3},
    {
        "scores": np.array([[[-900.0, -800.0, 0.0], [-0.5, 0.0, 0.5]]]),
        "targets": np.array([[1, 0]]),
        "mask": np.array([[True, True]]),
    },
)
BELOW = Case(
    {"T": 2, "N": 1, "K": 2},
    {
        "scores": np.array([[[-1000.0, -1001.0]], [[0.0, -1.0]]]),
        "targets": np.array([[1], [1]]),
        "mask": np.array([[True], [True]]),
    },
)
LARGE = Case(
    {"T": 2, "N": 1, "K": 3},
    {
        "scores": np.array([[[1000.0, 999.0, 998.0]], [[999.0, 1001.0, 1000.0]]]),
        "targets": np.array([[1], [2]]),
        "mask": np.array([[True], [True]]),
    },
    large=True,
)


@sized
def _above(case: Case, shift: float) -> Case:
    """Return a case whose scores are all larger by this number."""
    scores = case.arguments["scores"] + shift
    return Case(case.sizes, {**case.arguments, "scores": scores}, large=True)


# Large scores on both sides, the largest at every class in turn.
SIDES = tuple(
    Case(
        {"T": 1, "N": 1, "K": K},
        {
            "scores": 2000 * np.eye(K)[[[best]]] - 1000,
            "targets": np.array([[target]]),
            "mask": np.array([[True]]),
        },
        large=True,
    )
    for K in (2, 3)
    for best in range(K)
    for target in range(K)
)


def _scored(f: Guarded, **changed: Array) -> tuple[float, Array]:
    """Call an answer on 6 positions; raise an error unless its results have the right shapes."""
    given = {**_loss_case(3, 2, 4).arguments, **changed}
    loss, dscores = f(*given.values())
    return float(loss), np.asarray(dscores, float).reshape(given["scores"].shape)


def _sums_to_0(f: Guarded, rng: np.random.Generator) -> bool:
    return np.allclose(_scored(f)[1].sum(axis=-1), 0)


def _shift_changes_nothing(f: Guarded, rng: np.random.Generator) -> bool:
    scores = _loss_case(3, 2, 4).arguments["scores"]
    (loss, d), (moved, d_moved) = (_scored(f, scores=scores + k) for k in (0, 3))
    return np.allclose(loss, moved) and np.allclose(d, d_moved)


def _padding_changes_nothing(f: Guarded, rng: np.random.Generator) -> bool:
    case = _loss_case(3, 2, 4).arguments
    mask = case["mask"]
    other = np.where(mask[..., None], case["scores"], rng.normal(size=case["scores"].shape))
    targets = np.where(mask, case["targets"], 3 - case["targets"])
    (loss, d), (same, d_same) = _scored(f), _scored(f, scores=other, targets=targets)
    return np.allclose(loss, same) and np.allclose(d, d_same)


def _stays_in_range(f: Guarded, rng: np.random.Generator) -> bool:
    """Return whether the gradient is finite (the loss of rounded probabilities may not be)."""
    return all(
        np.isfinite(np.asarray(f(*case.arguments.values())[1], float)).all() for case in SIDES
    )


LOSS_PROPERTIES: dict[str, Property] = {
    (
        "With scores of 1000 and -1000 at one position, an exponential overflows. Only one number "
        "is always safe to subtract: the position's largest score."
    ): (_stays_in_range),
    "A loss is never negative.": lambda f, rng: not _scored(f)[0] < 0,
    "At each position the gradients must sum to 0: what one class gains, the others lose.": (
        _sums_to_0
    ),
    "Adding the same number to all scores must change nothing.": _shift_changes_nothing,
    (
        "Where the mask is false, scores and targets must make no difference."
    ): _padding_changes_nothing,
}


def clip(dW: Array, dU: Array, db: Array, limit: float) -> tuple[Array, Array, Array, float]:
    """Return the gradients, scaled to a global norm of at most the limit, and the norm before."""
    dW, dU, db = dW.copy(), dU.copy(), db.copy()
    norm = optim.clip_by_global_norm([dW, dU, db], limit)
    return dW, dU, db, norm


CLIP = Lines(
    ("dW", "dU", "db", "limit"),
    {
        "ds": lambda s: [s.dW, s.dU, s.db],
        "squares": lambda s: sum(float((d.astype(float) ** 2).sum()) for d in s.ds),
        "norm": lambda s: np.sqrt(s.squares),
        "factor": lambda s: s.limit / s.norm if s.norm > s.limit else 1.0,
        "clipped": lambda s: [d * d.dtype.type(s.factor) for d in s.ds],
        "dW": lambda s: s.clipped[0],
        "dU": lambda s: s.clipped[1],
        "db": lambda s: s.clipped[2],
        "returned": lambda s: s.norm,
    },
    ("dW", "dU", "db", "returned"),
)
clip_with = CLIP.but
"""Return the clipped gradients with some lines changed."""


def _one_by_one(s: Any) -> list[Array]:
    norms = [np.sqrt((d**2).sum()) for d in s.ds]
    return [d * (s.limit / n) if n > s.limit else d for d, n in zip(s.ds, norms, strict=True)]


CLIP_MISTAKES: Mistakes = {
    "You return the norm after clipping. The question asks for the one before.": (
        clip_with(returned=lambda s: min(s.norm, s.limit)),
    ),
    "You return the factor where the norm belongs.": (
        clip_with(returned=lambda s: s.factor),
        clip_with(returned=lambda s: s.limit / s.norm if s.norm else np.inf),
    ),
    "You don't scale db. Use one factor for all gradients.": (clip_with(db=lambda s: s.ds[2]),),
    "You clip each array by its own norm. Treat all gradients as one vector.": (
        clip_with(clipped=_one_by_one),
        clip_with(
            clipped=_one_by_one,
            returned=lambda s: sum(np.sqrt((d**2).sum()) for d in s.ds),
        ),
        clip_with(clipped=_one_by_one, returned=lambda s: np.sqrt((s.ds[2] ** 2).sum())),
    ),
    (
        "You clip each entry on its own, which turns the gradient. A single factor keeps its "
        "direction."
    ): (clip_with(clipped=lambda s: [np.clip(d, -s.limit, s.limit) for d in s.ds]),),
    "Nothing gets clipped.": (clip_with(factor=lambda s: 1.0),),
    "You stretch short gradients to the limit. Leave them as they are.": (
        clip_with(factor=lambda s: s.limit / s.norm if s.norm else 1.0),
        clip_with(factor=lambda s: np.divide(s.limit, s.norm)),
    ),
    (
        "You stretch short gradients and leave long ones alone: your comparison is the wrong way "
        "round."
    ): (
        clip_with(factor=lambda s: 1.0 if s.norm > s.limit or not s.norm else s.limit / s.norm),
        clip_with(factor=lambda s: max(1.0, np.divide(s.limit, s.norm))),
    ),
    "You scale long gradients to length 1, whatever the limit.": (
        clip_with(factor=lambda s: 1 / s.norm if s.norm > s.limit else 1.0),
    ),
    "Long gradients become 0. Scale them down to the limit instead.": (
        clip_with(factor=lambda s: 1.0 if s.norm <= s.limit else 0.0),
    ),
    "Your factor is upside down: long gradients get longer.": (
        clip_with(factor=lambda s: s.norm / s.limit if s.norm > s.limit else 1.0),
    ),
    "You multiply long gradients by the limit, but you don't divide them by their norm.": (
        clip_with(factor=lambda s: s.limit if s.norm > s.limit else 1.0),
    ),
    "The root is missing: this is the square of the norm.": (
        clip_with(norm=lambda s: s.squares),
        clip_with(returned=lambda s: s.squares),
    ),
    "The root is missing in your comparison. Compare the norm with the limit, not its square.": (
        clip_with(factor=lambda s: s.limit / s.norm if s.squares > s.limit else 1.0),
    ),
    **each(
        "The norms of the three arrays are {}. Add their squares instead, then take the root.",
        {
            "averaged": (
                clip_with(norm=lambda s: sum(float(np.sqrt((d**2).sum())) for d in s.ds) / 3),
            ),
            "added": (clip_with(norm=lambda s: sum(float(np.sqrt((d**2).sum())) for d in s.ds)),),
        },
    ),
    **said(
        "matrix-norm",
        clip_with(norm=lambda s: np.sqrt(sum(float(np.linalg.norm(d, 2)) ** 2 for d in s.ds))),
    ),
    "You divide long gradients by the limit as well as by their norm. Multiply by the limit.": (
        clip_with(factor=lambda s: 1 / (s.limit * s.norm) if s.norm > s.limit else 1.0),
    ),
    "Your norm has no squares: it sums the entries' absolute values.": (
        clip_with(norm=lambda s: sum(float(abs(d).sum()) for d in s.ds)),
    ),
    "You sum signed entries. Squares keep positive and negative ones from cancelling.": (
        clip_with(norm=lambda s: abs(sum(float(d.sum()) for d in s.ds))),
        clip_with(norm=lambda s: sum(float(d.sum()) for d in s.ds)),
    ),
    "You take the largest entry for the norm.": (
        clip_with(norm=lambda s: max(float(abs(d).max()) for d in s.ds)),
    ),
    "You take the norm of a single array. Treat all gradients as one vector.": (
        clip_with(norm=lambda s: np.sqrt((s.ds[0] ** 2).sum())),
        clip_with(norm=lambda s: np.sqrt((s.ds[1] ** 2).sum())),
        clip_with(norm=lambda s: np.sqrt((s.ds[2] ** 2).sum())),
    ),
    "You take the largest of the three norms. Treat all gradients as one vector.": (
        clip_with(norm=lambda s: max(float(np.sqrt((d**2).sum())) for d in s.ds)),
    ),
    "You average the squares before taking the root. Sum them instead.": (
        clip_with(norm=lambda s: np.sqrt(s.squares / sum(d.size for d in s.ds))),
    ),
    "You leave the bias out of the norm.": (
        clip_with(norm=lambda s: np.sqrt(sum(float((d**2).sum()) for d in s.ds[:2]))),
    ),
}


@sized
def _clip_case(H: int, D: int, limit: float, scale: float = 2.0) -> Case:
    arguments = drawn("dW dU db", scale, H=H, D=D)
    return Case({"H": H, "D": D}, {**arguments, "limit": limit})


def _clipped(f: Guarded, limit: float) -> tuple[Array, Array]:
    """Return all entries of a gradient, and what an answer makes of them."""
    arrays = list(_clip_case(2, 3, limit).arguments.values())[:3]
    results = [np.asarray(one, float) for one in f(*arrays, limit)]
    if [one.shape for one in results] != [*(one.shape for one in arrays), ()]:
        raise ValueError
    return _flat(arrays), _flat(results[:3])


def _flat(arrays: list[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays])


def _keeps_direction(f: Guarded, rng: np.random.Generator) -> bool:
    before, after = _clipped(f, 1.5)
    return bool(before @ after > (1 - 1e-6) * np.linalg.norm(before) * np.linalg.norm(after))


CLIP_PROPERTIES: dict[str, Property] = {
    "Clipping must keep the direction, but yours turns the gradient.": _keeps_direction,
    "After clipping, the gradient is still longer than the limit.": lambda f, rng: bool(
        np.linalg.norm(_clipped(f, 1.5)[1]) < 1.5 * (1 + 1e-5)
    ),
    "A gradient shorter than the limit must come back unchanged.": lambda f, rng: np.allclose(
        *_clipped(f, 1e6)
    ),
}


def adam(
    w: Array,
    dw: Array,
    m: Array,
    q: Array,
    t: int,
    rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Return the parameters and the two running means after one update of Adam."""
    m = beta1 * m + (1 - beta1) * dw
    q = beta2 * q + (1 - beta2) * dw**2
    m_hat, q_hat = m / (1 - beta1**t), q / (1 - beta2**t)
    return w - rate * m_hat / (np.sqrt(q_hat) + eps), m, q


def _inverse(value: float) -> float:
    return 1 / value if value else np.inf


ADAM = Lines(
    ("w", "dw", "m", "q", "t", "rate", "beta1", "beta2", "eps"),
    {
        "m_old": lambda s: s.m,
        "q_old": lambda s: s.q,
        "m": lambda s: s.beta1 * s.m_old + (1 - s.beta1) * s.dw,
        "q": lambda s: s.beta2 * s.q_old + (1 - s.beta2) * s.dw**2,
        "m_used": lambda s: s.m,
        "q_used": lambda s: s.q,
        "of_m": lambda s: _inverse(1 - s.beta1**s.t),
        "of_q": lambda s: _inverse(1 - s.beta2**s.t),
        "m_hat": lambda s: s.m_used * s.of_m,
        "q_hat": lambda s: s.q_used * s.of_q,
        "below": lambda s: np.sqrt(s.q_hat) + s.eps,
        "step": lambda s: s.rate * s.m_hat / s.below,
        "new_w": lambda s: s.w - s.step,
        "new_m": lambda s: s.m,
        "new_q": lambda s: s.q,
    },
    ("new_w", "new_m", "new_q"),
)
adam_with = ADAM.but
"""Return Adam with some of its lines changed."""


def _fixed(**constants: float) -> Answer:
    """Return Adam with fixed constants."""
    return lambda *given: adam(**{**dict(zip(ADAM.arguments, given, strict=True)), **constants})


def _corrected(factor: Callable[[Any, float], float]) -> Answer:
    """Return Adam with other factors in its two corrections."""
    return adam_with(of_m=lambda s: factor(s, s.beta1), of_q=lambda s: factor(s, s.beta2))


ADAM_MISTAKES: Mistakes = {
    "You return the running means corrected. The correction is for this step only.": (
        adam_with(new_m=lambda s: s.m_hat, new_q=lambda s: s.q_hat),
        adam_with(new_m=lambda s: s.m_hat),
        adam_with(new_q=lambda s: s.q_hat),
    ),
    "Your step goes uphill. Subtract it instead of adding it.": (
        adam_with(new_w=lambda s: s.w + s.step),
    ),
    "This is the step alone. The question asks for the new parameters.": (
        adam_with(new_w=lambda s: -s.step),
        adam_with(new_w=lambda s: s.step),
    ),
    "Both corrections are missing. The means start at 0, so at first they're too small.": (
        adam_with(of_m=lambda s: 1.0, of_q=lambda s: 1.0),
    ),
    "The correction of q is missing.": (adam_with(of_q=lambda s: 1.0),),
    "The correction of m is missing.": (adam_with(of_m=lambda s: 1.0),),
    **each(
        "Your corrections are one step {}. The first update has t = 1.",
        {
            "behind": (_corrected(lambda s, beta: _inverse(1 - beta ** (s.t - 1))),),
            "ahead": (_corrected(lambda s, beta: _inverse(1 - beta ** (s.t + 1))),),
        },
    ),
    "Your corrections don't depend on t. They should fade as the steps go by.": (
        _corrected(lambda s, beta: 1 / (1 - beta)),
    ),
    "In the corrections you multiply beta by t. Raise it to the power t.": (
        _corrected(lambda s, beta: _inverse(1 - beta * s.t)),
    ),
    "You multiply by the corrections. The means are too small, so divide.": (
        _corrected(lambda s, beta: 1 - beta**s.t),
    ),
    "You correct q with beta1. Its own constant is beta2.": (
        adam_with(of_q=lambda s: _inverse(1 - s.beta1**s.t)),
    ),
    (
        "The root of q is missing. Without it you divide a gradient by a square, and the units "
        "don't match."
    ): (adam_with(below=lambda s: s.q_hat + s.eps),),
    "You put eps under the root. Add it to the root.": (
        adam_with(below=lambda s: np.sqrt(s.q_hat + s.eps)),
    ),
    "You use eps as a lower bound for the root. Add it to the root.": (
        adam_with(below=lambda s: np.maximum(np.sqrt(s.q_hat), s.eps)),
    ),
    "You add eps before the correction. Add it to the root of the corrected q.": (
        adam_with(below=lambda s: np.sqrt((s.q + s.eps) * s.of_q)),
        adam_with(below=lambda s: (np.sqrt(s.q) + s.eps) * np.sqrt(s.of_q)),
    ),
    "eps is missing: where a parameter has never had a gradient, you divide by 0.": (
        adam_with(below=lambda s: np.sqrt(s.q_hat)),
    ),
    **each(
        "Brackets are missing {}.",
        {
            "around the denominator, so you add eps to the whole step": (
                adam_with(step=lambda s: s.rate * s.m_hat / np.sqrt(s.q_hat) + s.eps),
                adam_with(step=lambda s: s.rate * (s.m_hat / np.sqrt(s.q_hat) + s.eps)),
            ),
            "around 1 minus the power, so you subtract the power from the mean": (
                adam_with(
                    m_hat=lambda s: s.m_used / 1 - s.beta1**s.t,
                    q_hat=lambda s: s.q_used / 1 - s.beta2**s.t,
                ),
            ),
        },
    ),
    "In the corrections you raise 1 minus beta to the power t. Only beta takes the power.": (
        _corrected(lambda s, beta: _inverse((1 - beta) ** s.t)),
    ),
    "beta1 and beta2 are swapped.": (
        lambda w, dw, m, q, t, rate, beta1, beta2, eps: adam(
            w, dw, m, q, t, rate, beta2, beta1, eps
        ),
    ),
    "You use one beta for both means. m takes beta1 and q takes beta2.": (
        adam_with(q=lambda s: s.beta1 * s.q_old + (1 - s.beta1) * s.dw**2),
        lambda w, dw, m, q, t, rate, beta1, beta2, eps: adam(
            w, dw, m, q, t, rate, beta1, beta1, eps
        ),
        lambda w, dw, m, q, t, rate, beta1, beta2, eps: adam(
            w, dw, m, q, t, rate, beta2, beta2, eps
        ),
    ),
    "The new gradient enters with its full weight. In a running mean, the two weights sum to 1.": (
        adam_with(m=lambda s: s.beta1 * s.m_old + s.dw, q=lambda s: s.beta2 * s.q_old + s.dw**2),
        adam_with(m=lambda s: s.beta1 * s.m_old + s.dw),
        adam_with(q=lambda s: s.beta2 * s.q_old + s.dw**2),
    ),
    "You swap the weights of old and new: beta is the share of the old mean.": (
        adam_with(
            m=lambda s: (1 - s.beta1) * s.m_old + s.beta1 * s.dw,
            q=lambda s: (1 - s.beta2) * s.q_old + s.beta2 * s.dw**2,
        ),
    ),
    "Your q is a mean of the gradient. It should be a mean of the gradient's square.": (
        adam_with(q=lambda s: s.beta2 * s.q_old + (1 - s.beta2) * s.dw),
        adam_with(q=lambda s: s.beta2 * s.q_old + (1 - s.beta2) * abs(s.dw)),
    ),
    "Your q is a mean of the squares of m. Use the squares of the gradient.": (
        adam_with(q=lambda s: s.beta2 * s.q_old + (1 - s.beta2) * s.m**2),
        adam_with(q=lambda s: s.beta2 * s.q_old + (1 - s.beta2) * s.m_old**2),
    ),
    "You weight the gradient before you square it. Square only the gradient.": (
        adam_with(q=lambda s: s.beta2 * s.q_old + ((1 - s.beta2) * s.dw) ** 2),
    ),
    **each(
        "Your step uses {}. Update the means first.",
        {
            "both old means": (adam_with(m_used=lambda s: s.m_old, q_used=lambda s: s.q_old),),
            "the old m": (adam_with(m_used=lambda s: s.m_old),),
            "the old q": (adam_with(q_used=lambda s: s.q_old),),
        },
    ),
    "Your step uses only signs. It should be the ratio of the two means.": (
        adam_with(step=lambda s: s.rate * np.sign(s.dw)),
        adam_with(step=lambda s: s.rate * np.sign(s.m)),
    ),
    "This is plain SGD: the step doesn't use the running means.": (
        adam_with(new_w=lambda s: s.w - s.rate * s.dw),
    ),
    "The step doesn't use q, so its length still depends on the size of the gradient.": (
        adam_with(step=lambda s: s.rate * s.m_hat),
        adam_with(step=lambda s: s.rate * s.m),
    ),
    "The step doesn't use m: you divide the gradient itself by its usual size.": (
        adam_with(step=lambda s: s.rate * s.dw / s.below),
    ),
    "The learning rate is missing.": (adam_with(step=lambda s: s.m_hat / s.below),),
    "The running means come back unchanged. The next update needs the new ones.": (
        adam_with(new_m=lambda s: s.m_old, new_q=lambda s: s.q_old),
    ),
    "Your function sets beta1 and beta2 itself. Use the ones it's given.": (
        _fixed(beta1=0.9, beta2=0.999),
        _fixed(beta1=0.9, beta2=0.999, eps=1e-8),
    ),
    "Your function sets eps itself. Use the one it's given.": (_fixed(eps=1e-8),),
}


@sized
def _adam_case(H: int, D: int, t: int, *constants: float) -> Case:
    rng = seeded(H, D, t)
    w, *gradients = rng.normal(size=(t + 1, H, D))
    beta1, beta2 = constants[1:3]
    m, q = np.zeros((2, H, D))
    for gradient in gradients:
        gradient.flat[-1] *= 0.01 if H * D > 1 else 1  # below some eps
        gradient.flat[0] *= t > 1
    dw = gradients.pop()
    for gradient in gradients:
        m, q = beta1 * m + (1 - beta1) * gradient, beta2 * q + (1 - beta2) * gradient**2
    given = (w, dw, m, q, t, *constants)
    return Case({"H": H, "D": D, "t": t}, dict(zip(ADAM.arguments, given, strict=True)))


def _updated(f: Guarded, **changed: Any) -> Array:
    """Return new parameters; raise an error unless their shape, m and q are right."""
    given = {**_adam_case(2, 3, 4, 0.1, 0.9, 0.999, 1e-8).arguments, **changed}
    new, *means = (np.asarray(one, float).reshape(2, 3) for one in f(*given.values()))
    if not np.allclose(means, adam(**given)[1:]):
        raise ValueError
    return new


def _stays(f: Guarded, rng: np.random.Generator) -> bool:
    w, zero = rng.normal(size=(2, 3)), np.zeros((2, 3))
    return np.allclose(_updated(f, w=w, dw=zero, m=zero, q=zero), w)


def _first_step(f: Guarded, rng: np.random.Generator) -> bool:
    zero, dw = np.zeros((2, 3)), 10.0 ** np.arange(-3, 3).reshape(2, 3)
    moved = _updated(f, w=zero, dw=dw, m=zero, q=zero, t=1)
    return np.allclose(moved, -0.1, rtol=1e-3)


ADAM_PROPERTIES: dict[str, Property] = {
    "A parameter that has never had a gradient must not move.": _stays,
    (
        "In the first update (t = 1), a parameter whose gradient is far above eps must move by "
        "about the learning rate, however large the gradient."
    ): _first_step,
}

QUESTIONS = (
    Question(
        name="cross-entropy",
        points=4,
        hints=(
            "Do one position by hand first, with the chapter's scores: -0.4939, 0.6586, -0.7135. "
            "Then ask what becomes of each exponential if a score is 1000.",
            "Subtract each position's largest score. The logarithm of the quotient is then a "
            "difference: the score of the right class, minus the logarithm of the sum of all "
            "exponentials. The gradient is what the network said minus what it should have said. "
            "Both are means over the positions that count.",
            "Let s be the scores minus their largest, along the last axis. log y is s minus the "
            "logarithm of the sum of the exponentials of s. For the loss, sum -log y at the "
            "targets where the mask is true, and divide by the number of such positions. The "
            "gradient is y minus the one-hot target, divided by the same number, and 0 where the "
            "mask is false.",
        ),
        exam=FunctionExam(
            name="cross_entropy",
            solution=cross_entropy,
            returns=(Returned("loss"), Returned("dscores", "(T, N, K)")),
            cases=(
                _loss_case(3, 3, 3),
                _loss_case(1, 1, 2),
                _loss_case(1, 3, 4),
                _loss_case(3, 1, 3),
                WIDE,
                BELOW,
                LARGE,
                *SIDES,
                _above(_loss_case(2, 2, 3), 1000),
                _loss_case(600, 2, 3),
                _loss_case(4, 3, 2),
                _loss_case(3, 2, 5),
            ),
            mistakes=LOSS_MISTAKES,
            properties=LOSS_PROPERTIES,
            right=(
                "Right, for small and large scores: loss and gradient are means over the "
                "positions that count."
            ),
            forbidden=(losses.softmax_cross_entropy, losses.softmax),
        ),
    ),
    Question(
        name="clip",
        points=2,
        hints=(
            "Take the gradient (3, 4), spread over two arrays, with a limit of 1. Its norm is 5. "
            "What should come out?",
            "First you need one number for all three arrays: their norm as one long vector. Then "
            "one factor for all three, never above 1.",
            "Sum the squares of all entries of the three arrays, and take the root. If that's "
            "more than the limit, multiply each array by the limit divided by the norm. Return "
            "the norm from before clipping.",
        ),
        exam=FunctionExam(
            name="clip",
            solution=clip,
            returns=(
                Returned("dW", "(4H, D)"),
                Returned("dU", "(4H, H)"),
                Returned("db", "(4H,)"),
                Returned("norm"),
            ),
            cases=(
                _clip_case(3, 3, 1.5),
                _clip_case(1, 1, 2.5),
                _clip_case(1, 3, 100.0),
                _clip_case(2, 1, 0.5),
                _clip_case(2, 1, 20.0),
                _clip_case(2, 1, 1.0, scale=0.0),
                _clip_case(2, 3, 7.0, scale=1.5),
            ),
            mistakes=CLIP_MISTAKES,
            properties=CLIP_PROPERTIES,
            right=(
                "Right: one factor for all keeps the direction, and short gradients stay as they "
                "are."
            ),
            forbidden=(optim.clip_by_global_norm, optim.global_norm),
        ),
    ),
    Question(
        name="adam",
        points=3,
        hints=(
            "Look at the first update, t = 1, with both means at 0. What are the corrected means, "
            "and how far should each parameter move?",
            "In this order: update both running means, correct copies of them because they "
            "started at 0, then step by the ratio. Return the uncorrected means for the next "
            "update.",
            "Correct m by dividing it by 1 minus beta1 to the power t, and q by 1 minus beta2 to "
            "the power t. The step is the learning rate times the corrected m, divided by (the "
            "root of the corrected q, plus eps). Subtract it from w.",
        ),
        exam=FunctionExam(
            name="adam",
            solution=adam,
            returns=(
                Returned("w", "(H, D)"),
                Returned("m", "(H, D)"),
                Returned("q", "(H, D)"),
            ),
            cases=(
                _adam_case(3, 3, 3, 0.1, 0.9, 0.999, 1e-8),
                _adam_case(1, 1, 2, 0.1, 0.9, 0.999, 1e-8),
                _adam_case(2, 3, 1, 0.1, 0.9, 0.999, 1e-8),
                _adam_case(3, 1, 4, 0.5, 0.8, 0.95, 0.1),
                _adam_case(2, 3, 10, 0.01, 0.9, 0.99, 0.01),
            ),
            mistakes=ADAM_MISTAKES,
            properties=ADAM_PROPERTIES,
            right=(
                "Right, from the first update on: new parameters, and both means for the next one."
            ),
            forbidden=(optim.Adam,),
        ),
    ),
)
