"""From gradients to better parameters: clipping, SGD, Adam, weight decay, and schedules.

An optimizer changes its arrays in place, so a model that holds the same arrays sees the change.
Each `step` takes the gradients in the same order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lstm_course._checks import Array, finite, float_array, size, tiny_is_zero

_NUMBERS = (int, float, np.integer, np.floating)


@tiny_is_zero
def global_norm(grads: Sequence[Array]) -> float:
    """Return the norm of all gradients together, as if they were one vector.

    Examples
    --------
    >>> global_norm([np.array([3.0]), np.array([[4.0]])])
    5.0
    """
    largest = max((float(np.abs(grad).max(initial=0)) for grad in grads), default=0.0)
    if largest == 0 or not np.isfinite(largest):
        return largest
    shares = (np.asarray(grad, float) / largest for grad in grads)  # their squares can't overflow
    return largest * float(np.sqrt(sum(float((share**2).sum()) for share in shares)))


@tiny_is_zero
def clip_by_global_norm(grads: Sequence[Array], limit: float) -> float:
    """Scale all gradients by one factor, in place, so that their global norm is at most `limit`.

    This keeps the direction, which clipping each entry on its own would turn.

    Parameters
    ----------
    grads
        Float arrays; changed in place.
    limit
        The largest norm allowed, above 0.

    Returns
    -------
    The norm before clipping, which is worth watching during training.

    Raises
    ------
    TypeError
        A gradient is not an array of floats.
    ValueError
        `limit` is not above 0, or a gradient holds NaN or infinity, which scaling can't repair.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), doi:10.48550/arXiv.1211.5063, algorithm 1.

    Examples
    --------
    >>> grads = [np.array([3.0]), np.array([4.0])]
    >>> clip_by_global_norm(grads, 1.0), grads
    (5.0, [array([0.6]), array([0.8])])
    """
    positive("limit", limit)
    for k, grad in enumerate(grads):
        finite(f"grads[{k}]", _float_ndarray(f"grads[{k}]", grad))
        _writeable(f"grads[{k}]", grad)
    norm = global_norm(grads)
    if norm > limit:
        for grad in grads:
            grad *= limit / norm
    return norm


@tiny_is_zero
def l2_penalty(weights: Sequence[Array], grads: Sequence[Array], strength: float) -> float:
    """Return strength / 2 * sum(w**2), and add its gradient, strength * w, to `grads` in place.

    Parameters
    ----------
    weights, grads
        Float arrays of the same shapes. Biases are usually left out.
    strength
        At least 0.

    Raises
    ------
    ValueError
        `strength` is negative, or the arrays do not fit together.

    Examples
    --------
    >>> grads = [np.zeros(2)]
    >>> l2_penalty([np.array([1.0, 2.0])], grads, 0.1), grads
    (0.25, [array([0.1, 0.2])])
    """
    not_negative("strength", strength)
    _same_shapes(weights, grads)
    for k, grad in enumerate(grads):
        _writeable(f"grads[{k}]", grad)
    for weight, grad in zip(weights, grads, strict=True):
        grad += strength * weight
    return strength / 2 * float(sum(float((weight**2).sum()) for weight in weights))


class Optimizer:
    """What SGD and Adam share: the arrays, the checks, and decoupled weight decay.

    All that an optimizer remembers is the number of `steps` and its `buffers`, arrays that change
    at every step.

    Decoupled decay shrinks each array, biases included, by learning_rate * weight_decay * array,
    apart from the gradient step. For SGD without momentum that's the same as the L2 penalty; for
    Adam it isn't.

    `frozen` arrays stay as they are; `moves` says for each array whether it changes.
    """

    def __init__(
        self,
        arrays: Sequence[Array],
        learning_rate: float,
        weight_decay: float = 0.0,
        frozen: Sequence[Array] = (),
    ) -> None:
        self.arrays = list(arrays)
        self.moves = [not any(array is one for one in frozen) for array in self.arrays]
        if self.moves.count(False) != len(frozen):
            raise ValueError("frozen holds an array that is not among the arrays, or one twice")
        for k, array in enumerate(self.arrays):
            _float_ndarray(f"arrays[{k}]", array)
            _writeable(f"arrays[{k}]", array)
        for (j, one), (k, other) in combinations(enumerate(self.arrays), 2):
            if np.shares_memory(one, other):  # shared numbers would change twice per step
                raise ValueError(f"arrays[{j}] and arrays[{k}] share memory, expected each once")
        self.learning_rate = positive("learning_rate", learning_rate)
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self.steps = 0

    @property
    def buffers(self) -> list[Array]:
        """Arrays in which the optimizer remembers earlier gradients."""
        raise NotImplementedError

    @tiny_is_zero
    def step(self, grads: Sequence[Array]) -> None:
        """Change the arrays in place, given gradients of the same shapes in the same order."""
        _same_shapes(self.arrays, grads)
        for k, grad in enumerate(grads):
            finite(f"grads[{k}]", grad)  # before any array has changed
            _writeable(f"arrays[{k}]", self.arrays[k])
        self.steps += 1
        rows = zip(self.arrays, self._changes(grads), self.moves, strict=True)
        for array, change, moves in rows:
            if moves:
                # Decay acts on the array itself (AdamW); through the gradient Adam would scale it.
                array -= self.learning_rate * (change + self.weight_decay * array)

    def _changes(self, grads: Sequence[Array]) -> list[Array]:
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum * v + grad, array -= learning_rate * v.

    Parameters
    ----------
    arrays
        The float arrays to change.
    learning_rate
        Above 0.
    momentum
        From 0 (none) to below 1.
    weight_decay
        Decoupled weight decay, at least 0.
    frozen
        Arrays among them that must not change, for instance `model.embedding.arrays`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range, an array is not one of floats, or two share memory.

    Examples
    --------
    >>> x = np.array([1.0])
    >>> SGD([x], learning_rate=0.1).step([np.array([2.0])])
    >>> x
    array([0.8])
    """

    def __init__(
        self,
        arrays: Sequence[Array],
        learning_rate: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        frozen: Sequence[Array] = (),
    ) -> None:
        super().__init__(arrays, learning_rate, weight_decay, frozen)
        self.momentum = _share("momentum", momentum)
        self.velocity = [np.zeros_like(array) for array in self.arrays]

    @property
    def buffers(self) -> list[Array]:
        """The velocities."""
        return self.velocity

    def _changes(self, grads: Sequence[Array]) -> list[Array]:
        for velocity, grad in zip(self.velocity, grads, strict=True):
            velocity *= self.momentum
            velocity += grad
        return self.velocity


class Adam(Optimizer):
    """Adam: steps whose size does not depend on the scale of the gradient.

    While an entry's gradient keeps its sign and size, the entry moves by about learning_rate per
    step. Adam keeps running means of the gradient and of its square, and corrects them for having
    started at 0.

    Parameters
    ----------
    arrays
        The float arrays to change.
    learning_rate
        Above 0.
    beta1, beta2
        How much of the running means is kept at each step, from 0 to below 1.
    eps
        Added to the root in the denominator, above 0.
    weight_decay
        Decoupled weight decay (AdamW), at least 0.
    frozen
        Arrays among them that must not change, for instance `model.embedding.arrays`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range, an array is not one of floats, or two share memory.

    References
    ----------
    Kingma and Ba (2015), doi:10.48550/arXiv.1412.6980, algorithm 1; decoupled decay after
    Loshchilov and Hutter (2019), doi:10.48550/arXiv.1711.05101, here multiplied by the learning
    rate, as in PyTorch.

    Examples
    --------
    >>> x = np.array([1.0, 1.0])
    >>> Adam([x], learning_rate=0.1).step([np.array([2.0, -0.001])])
    >>> x.round(3)
    array([0.9, 1.1])
    """

    def __init__(
        self,
        arrays: Sequence[Array],
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        frozen: Sequence[Array] = (),
    ) -> None:
        super().__init__(arrays, learning_rate, weight_decay, frozen)
        self.beta1, self.beta2 = _share("beta1", beta1), _share("beta2", beta2)
        self.eps = positive("eps", eps)
        self.mean = [np.zeros_like(array) for array in self.arrays]
        self.square = [np.zeros_like(array) for array in self.arrays]

    @property
    def buffers(self) -> list[Array]:
        """The running means of the gradients and of their squares."""
        return self.mean + self.square

    def _changes(self, grads: Sequence[Array]) -> list[Array]:
        changes = []
        for mean, square, grad in zip(self.mean, self.square, grads, strict=True):
            mean *= self.beta1
            mean += (1 - self.beta1) * grad
            square *= self.beta2
            square += (1 - self.beta2) * grad**2
            # Both means begin at 0, so after a few steps they're still too small, by these factors.
            mean_hat = mean / (1 - self.beta1**self.steps)
            square_hat = square / (1 - self.beta2**self.steps)
            changes.append(mean_hat / (np.sqrt(square_hat) + self.eps))
        return changes


@dataclass(frozen=True)
class Cosine:
    """A schedule: the learning rate rises along a line, then falls along half a cosine to 0.

    Parameters
    ----------
    learning_rate
        The highest learning rate, above 0.
    steps
        Updates until it reaches 0, where it stays.
    warm_up
        Updates during which it rises, fewer than `steps`; 0 by default.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    Loshchilov and Hutter (2017), doi:10.48550/arXiv.1608.03983, equation 5, without restarts;
    warm-up: Goyal et al. (2017), doi:10.48550/arXiv.1706.02677.

    Examples
    --------
    >>> schedule = Cosine(0.1, steps=6, warm_up=2)
    >>> [round(schedule(step), 3) for step in range(7)]
    [0.05, 0.1, 0.1, 0.085, 0.05, 0.015, 0.0]
    """

    learning_rate: float
    steps: int
    warm_up: int = 0

    def __post_init__(self) -> None:
        positive("learning_rate", self.learning_rate)
        if self.warm_up != 0:
            size("warm_up", self.warm_up)
        if self.warm_up >= size("steps", self.steps):
            raise ValueError(f"warm_up is {self.warm_up}, expected fewer than steps, {self.steps}")

    def __call__(self, step: int) -> float:
        """Return the learning rate of an update; updates are counted from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = min(1.0, (step - self.warm_up) / (self.steps - self.warm_up))
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class Steps:
    """A schedule: the learning rate is multiplied by a factor at regular intervals.

    Parameters
    ----------
    learning_rate
        The first learning rate, above 0.
    every
        Updates from one change to the next.
    factor
        Above 0.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    Examples
    --------
    >>> [round(Steps(0.1, every=2, factor=0.5)(step), 3) for step in range(5)]
    [0.1, 0.1, 0.05, 0.05, 0.025]
    """

    learning_rate: float
    every: int
    factor: float

    def __post_init__(self) -> None:
        positive("learning_rate", self.learning_rate)
        size("every", self.every)
        positive("factor", self.factor)

    def __call__(self, step: int) -> float:
        """Return the learning rate of an update; updates are counted from 0."""
        return self.learning_rate * self.factor ** (step // self.every)


Schedule = Cosine | Steps


def _same_shapes(arrays: Sequence[Array], grads: Sequence[Array]) -> None:
    if len(grads) != len(arrays):
        raise ValueError(f"grads has {len(grads)} arrays, expected {len(arrays)}")
    for k, (array, grad) in enumerate(zip(arrays, grads, strict=True)):
        name = f"grads[{k}]"
        float_array(name, _float_ndarray(name, grad), array.shape, array.dtype)


def _float_ndarray(name: str, value: object) -> Array:
    """Return `value`, which must be an array that can be changed in place."""
    if not isinstance(value, np.ndarray) or value.dtype not in (np.float32, np.float64):
        came = f"{value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name} must be an array of float32 or float64, got {came}")
    return value


def _writeable(name: str, array: Array) -> None:
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only, expected an array that can be changed")


def positive(name: str, value: float) -> float:
    """Return `value` as a float, which must be a finite number above 0."""
    if not (isinstance(value, _NUMBERS) and 0 < value < np.inf):
        raise ValueError(f"{name} must be a number above 0, got {value!r}")
    return float(value)


def not_negative(name: str, value: float) -> float:
    """Return `value` as a float, which must be a finite number of at least 0."""
    if not (isinstance(value, _NUMBERS) and 0 <= value < np.inf):
        raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
    return float(value)


def _share(name: str, value: float) -> float:
    if not (isinstance(value, _NUMBERS) and 0 <= value < 1):
        raise ValueError(f"{name} must be from 0 to below 1, got {value!r}")
    return float(value)
