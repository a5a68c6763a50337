"""Why a result is not a finite number: NumPy's first warning, and the line that caused it."""

import linecache
import re
from pathlib import Path
from warnings import WarningMessage

from lstm_course.exercises.engine.feedback import CHECKS

CAUSES = {
    r"divide by zero .* log": "the logarithm of 0",
    r"invalid value .* log": "the logarithm of a negative number",
    r"divide by zero .* (divide|reciprocal|power)": "a division by 0",
    r"invalid value .* divide": "0 divided by 0, or infinity by infinity",
    r"invalid value .* (subtract|add)": "infinity minus infinity",
    r"invalid value .* multiply": "0 times infinity",
    r"invalid value .* sqrt": "the square root of a negative number",
    r"invalid value .* arctanh": "arctanh of a number beyond -1 or 1",
    r"divide by zero .* arctanh": "arctanh of -1 or 1, where it's infinite",
    r"overflow .* (exp|exp2|expm1|sinh|cosh)\b": "an exponential that overflows",
    r"overflow .*": "a number that overflows",
}


def cause_of(warned: list[WarningMessage]) -> str:
    """Return the cause that the first of these warnings names, or an empty string.

    Examples
    --------
    >>> import numpy as np
    >>> from lstm_course.exercises.engine.feedback import call
    >>> _, warned = call(lambda p: np.log(p), {"p": np.zeros(1)})
    >>> cause_of(warned).partition(",")[0]
    'the logarithm of 0'
    """
    if not warned:
        return ""
    first = warned[0]
    text = str(first.message)
    said = next((cause for form, cause in CAUSES.items() if re.match(form, text)), "")
    line = linecache.getline(first.filename, first.lineno).strip()
    known = line and CHECKS not in Path(first.filename).parents
    return (said or text) + (f", in the line: {line}" if known else ".")
