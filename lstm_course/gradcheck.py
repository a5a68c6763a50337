"""Is a gradient right? Compare it with central differences, and name the slices that are wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lstm_course._checks import Array, finite, float_array
from lstm_course.cell import GATES, LSTMParams
from lstm_course.rnn import RNNParams


def central_difference(loss: Callable[[], float], x: Array, eps: float = 1e-5) -> Array:
    """Return the gradient of `loss` with respect to `x`, moving each entry up and down.

    Parameters
    ----------
    loss
        Function without arguments that reads `x` and returns a number.
    x
        float64 array of any shape; it may be a view. It is changed in place and put back.
    eps
        How far an entry is moved. The error is of the order of eps**2, plus rounding
        divided by eps.

    Returns
    -------
    Array of the same shape as `x`.

    Raises
    ------
    TypeError
        `x` is not an array of float64. In float32, rounding would drown the difference.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> central_difference(lambda: (x**3).sum(), x).round(6)
    array([ 3., 12.])
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        came = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"x must be an array of float64, got {came}")
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        before = x[place]
        x[place] = before + eps
        above = loss()
        x[place] = before - eps
        below = loss()
        x[place] = before
        gradient[place] = (above - below) / (2 * eps)
    return gradient


def complex_step(function: Callable[[Array], complex], x: Array) -> Array:
    """Return the gradient of `function` at `x`, taking a step into the complex plane.

    f(x + i h) = f(x) + i h f'(x) + ..., so the imaginary part over h is the derivative. Nothing is
    subtracted, so h can be tiny, and the result is exact to within rounding. The function must be
    analytic and accept complex arrays: no abs, no comparison, no conversion to float.

    Parameters
    ----------
    function
        Takes an array like `x` and returns a number.
    x
        Float array of any shape.

    Returns
    -------
    Array of the same shape as `x`.

    Raises
    ------
    TypeError
        `x` is not a float array, or the function does not return complex numbers for it.

    References
    ----------
    Squire and Trapp (1998), doi:10.1137/S003614459631241X.

    Examples
    --------
    >>> complex_step(lambda x: np.sin(x).sum(), np.array([0.0, np.pi / 3])).round(12)
    array([1. , 0.5])
    """
    x = float_array("x", x)
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        value = function(moved)
        if not np.iscomplexobj(value):
            raise TypeError("function returned a real number for a complex argument")
        gradient[place] = np.imag(value) / 1e-30
    return gradient


def relative_error(one: Array, other: Array) -> float:
    """Return the largest difference between two arrays, over the largest absolute entry of either.

    For two arrays of zeros it is 0.

    Examples
    --------
    >>> round(relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.5])), 6)
    0.2
    """
    scale = max(np.abs(one).max(), np.abs(other).max())
    return float(np.abs(one - other).max() / scale) if scale > 0 else 0.0


def slices(params: LSTMParams | RNNParams) -> dict[str, Array]:
    """Return named views of the parameters; for an LSTM, gate by gate.

    Examples
    --------
    >>> from lstm_course import example
    >>> list(slices(example.params))[:4]
    ['weight_ih.i', 'weight_hh.i', 'bias.i', 'weight_ih.f']
    """
    names = ("weight_ih", "weight_hh", "bias")
    if isinstance(params, RNNParams):
        return dict(zip(names, params.arrays(), strict=True))
    return {
        f"{name}.{gate}": view
        for gate in GATES
        for name, view in zip(names, params.gate(gate), strict=True)
    }


@dataclass(frozen=True)
class Report:
    """The relative error of every gradient checked, and which of them are too large."""

    errors: Mapping[str, float]
    tolerance: float

    @property
    def wrong(self) -> list[str]:
        """Names of the gradients whose error exceeds the tolerance."""
        return [name for name, error in self.errors.items() if not error <= self.tolerance]

    @property
    def passed(self) -> bool:
        """Whether all gradients are right."""
        return not self.wrong

    def __repr__(self) -> str:
        if self.passed:
            return f"all {len(self.errors)} gradients right to {self.tolerance:.0e}"
        width = max(map(len, self.wrong))
        lines = [f"{name:{width}}  {self.errors[name]:.1e}" for name in self.wrong]
        head = f"{len(self.wrong)} of {len(self.errors)} gradients wrong, relative error:"
        return "\n  ".join([head, *lines])


def gradcheck(
    loss: Callable[[], float],
    arrays: Mapping[str, Array],
    gradients: Mapping[str, Array],
    tolerance: float = 1e-7,
) -> Report:
    """Compare gradients with central differences of a loss, array by array.

    Parameters
    ----------
    loss
        Function without arguments that reads the arrays and returns a number.
    arrays
        float64 arrays by name; each is changed in place and put back.
    gradients
        The gradients that you claim for them, under the same names.
    tolerance
        The largest relative error at which a gradient counts as right.

    Returns
    -------
    A Report.

    Raises
    ------
    ValueError
        The names differ, a gradient does not have the shape of its array, or holds NaN or infinity.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> gradcheck(lambda: (x**2).sum(), {"x": x}, {"x": 2 * x})
    all 1 gradients right to 1e-07
    >>> gradcheck(lambda: (x**2).sum(), {"x": x}, {"x": x})
    1 of 1 gradients wrong, relative error:
      x  5.0e-01
    """
    if set(arrays) != set(gradients):
        raise ValueError(f"gradients has the names {sorted(gradients)}, expected {sorted(arrays)}")
    errors = {}
    for name, array in arrays.items():
        claimed = float_array(f"gradients[{name!r}]", gradients[name], array.shape)
        finite(f"gradients[{name!r}]", claimed)
        errors[name] = relative_error(claimed, central_difference(loss, array))
    return Report(errors, tolerance)
