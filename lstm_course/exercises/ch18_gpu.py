"""The pointwise part of the cell as a Triton kernel, run in Triton's interpreter."""

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.kernels import CRASHED, NO_KERNEL, KernelExam, Source
from lstm_course.exercises.engine.mistakes import STACKED, each, in_order, said
from lstm_course.exercises.engine.parts import seeded, sized
from lstm_course.exercises.engine.trials import Case, Returned
from lstm_course.pointwise import sigmoid

KERNEL = """
import triton
import triton.language as tl


@triton.jit
def cell_kernel(a, stride, c, h, units, H, BLOCK: tl.constexpr):
    unit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = unit < units
    gate = a + unit // H * stride + unit % H
    i = tl.sigmoid(tl.load(gate, inside))
    f = tl.sigmoid(tl.load(gate + H, inside))
    g = 2 * tl.sigmoid(2 * tl.load(gate + 2 * H, inside)) - 1
    o = tl.sigmoid(tl.load(gate + 3 * H, inside))
    before = tl.load(c + unit, inside)
    state = f * before + i * g
    m = o * (2 * tl.sigmoid(2 * state) - 1)
    tl.store(c + unit, state, inside)
    tl.store(h + unit, m, inside)


lc.check("fuse", cell_kernel)
"""


def with_lines(*changes: tuple[str, str]) -> Source:
    """Return the kernel with some lines, or parts of lines, replaced."""
    text = KERNEL
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} occurs {text.count(old)} times in the kernel, expected once")
        text = text.replace(old, new)
    return Source(text)


STORE_C, STORE_H = "tl.store(c + unit, state, inside)", "tl.store(h + unit, m, inside)"
UNIT = "tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)"
SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
PLACE = "unit // H * stride + unit % H"
ADDRESS, LOAD_C = f"gate = a + {PLACE}", "tl.load(c + unit, inside)"
SUM, TANH_C = "state = f * before + i * g", "m = o * (2 * tl.sigmoid(2 * state) - 1)"
LOADED = "tl.load(gate + 2 * H, inside)"
TANH = f"2 * tl.sigmoid(2 * {LOADED}) - 1"
STRIDED_LOAD = (LOAD_C, f"tl.load(c + {PLACE}, inside)")
STRIDED_C = (STORE_C, f"tl.store(c + {PLACE}, state, inside)")
STRIDED_H = (STORE_H, f"tl.store(h + {PLACE}, m, inside)")
HALF_OF_C = (TANH_C, "m = o * (2 * tl.sigmoid(state) - 1)")
UNMASKED_C = (STORE_C, "tl.store(c + unit, state)")
UNMASKED_H = (STORE_H, "tl.store(h + unit, m)")
KEPT_GATES = (
    "tl.store(gate, i, inside)",
    "tl.store(gate + H, f, inside)",
    "tl.store(gate + 2 * H, g, inside)",
    "tl.store(gate + 3 * H, o, inside)",
)
SINGLE = (
    "Right to six digits. The numbers are float64 here, but on the way something becomes float32, "
    "which keeps no more."
)
MISTAKES: dict[str, tuple[Source, ...]] = {
    (
        "Your last program stores for units that don't exist, overwriting what comes after your "
        "arrays. Mask the stores too."
    ): (with_lines(UNMASKED_C, UNMASKED_H), with_lines(UNMASKED_C), with_lines(UNMASKED_H)),
    "Your mask compares places within the program. Compare the unit's number among all units.": (
        with_lines(("unit < units", "tl.arange(0, BLOCK) < units")),
    ),
    (
        "Your mask only lets one row's units through. In all rows together, the number of units is "
        "units."
    ): (
        with_lines(("unit < units", "unit < H")),
    ),
    "Your mask lets one unit too many through: the last one has the number units - 1.": (
        with_lines(("unit < units", "unit <= units")),
    ),
    "You assume that rows of a are 4H numbers apart. They're stride numbers apart.": (
        with_lines(("unit // H * stride", "unit // H * (4 * H)")),
    ),
    "You read a as if its rows were H numbers long. Each row has four slices.": (
        with_lines((ADDRESS, "gate = a + unit")),
    ),
    "You read a gate by gate, as if all input gates came first. Here a is stored by rows.": (
        with_lines(
            (ADDRESS, "gate = a + unit"),
            ("gate + H", "gate + units"),
            ("gate + 2 * H", "gate + 2 * units"),
            ("gate + 3 * H", "gate + 3 * units"),
        ),
    ),
    (
        "Your slices are a quarter of stride apart. They're H numbers apart, however far apart "
        "the rows are."
    ): (
        with_lines(
            ("gate + H", "gate + stride // 4"),
            ("gate + 2 * H", "gate + stride // 4 * 2"),
            ("gate + 3 * H", "gate + stride // 4 * 3"),
        ),
        with_lines(
            ("gate + H", "gate + stride // 4"),
            ("gate + 2 * H", "gate + stride // 2"),
            ("gate + 3 * H", "gate + stride // 4 * 3"),
        ),
    ),
    **each(
        "You use the stride for {}. Only a has one: in c and h the rows follow each other without "
        "gaps.",
        {
            "c": (
                with_lines(STRIDED_LOAD),
                with_lines(STRIDED_C),
                with_lines(STRIDED_LOAD, STRIDED_C),
            ),
            "h": (with_lines(STRIDED_H),),
            "c and h": (
                with_lines(STRIDED_C, STRIDED_H),
                with_lines(STRIDED_LOAD, STRIDED_C, STRIDED_H),
            ),
        },
    ),
    "In your address, the row and the place within the row are swapped.": (
        with_lines(("unit // H * stride + unit % H", "unit % H * stride + unit // H")),
    ),
    "All units of a row read the first one's numbers. Add their place within the row.": (
        with_lines((ADDRESS, "gate = a + unit // H * stride")),
    ),
    (
        "BLOCK has no effect: your programs take a fixed number of units. Let BLOCK say how many."
    ): tuple(
        with_lines((UNIT, f"tl.program_id(0) * {size} + tl.arange(0, {size})")) for size in SIZES
    ),
    (
        "Programs begin BLOCK units apart but take a different number of units, so some units are "
        "left out or done twice. End tl.arange at BLOCK."
    ): tuple(
        with_lines(("tl.arange(0, BLOCK)", f"tl.arange(0, {size})"))
        for size in (1, *SIZES, "2 * BLOCK")
    ),
    "All programs work on the first units. Use the number of the program.": (
        with_lines((UNIT, "tl.arange(0, BLOCK)")),
    ),
    (
        "Programs overlap: each begins one unit after the previous one. They should be BLOCK units "
        "apart."
    ): (
        with_lines(("tl.program_id(0) * BLOCK", "tl.program_id(0)")),
    ),
    in_order("ifog", "ifgo", STACKED): (
        with_lines(("gate + 2 * H", "gate + 9 * H"), ("gate + 3 * H", "gate + 2 * H"), ("9", "3")),
    ),
    in_order("ofgi", "ifgo", STACKED): (
        with_lines(
            ("i = tl.sigmoid(tl.load(gate,", "o = tl.sigmoid(tl.load(gate,"),
            ("o = tl.sigmoid(tl.load(gate + 3", "i = tl.sigmoid(tl.load(gate + 3"),
        ),
    ),
    in_order("figo", "ifgo", STACKED): (with_lines((SUM, "state = i * before + f * g")),),
    **said("shown-without-tanh", with_lines((TANH_C, "m = o * state"))),
    **said("candidate-unsquashed", with_lines((TANH, LOADED))),
    **said("candidate-sigmoid", with_lines((TANH, f"tl.sigmoid({LOADED})"))),
    **said(
        "tanh-of-half",
        with_lines((TANH, f"2 * tl.sigmoid({LOADED}) - 1")),
        with_lines((TANH, f"2 * tl.sigmoid({LOADED}) - 1"), HALF_OF_C),
        with_lines(HALF_OF_C),
    ),
    **said("i-added", with_lines((SUM, "state = f * before + i + g"))),
    **said("writes-complement", with_lines((SUM, "state = f * before + (1 - f) * g"))),
    **said("written-alone", with_lines((SUM, "state = i * g"))),
    **each(
        "{} is unchanged. Store the new {} state there.",
        {
            ("c", "cell"): (with_lines((STORE_C, "")),),
            ("h", "hidden"): (with_lines((STORE_H, "")),),
        },
    ),
    "h holds the cell state. Store o times its tanh instead.": (
        with_lines((TANH_C, "m = state")),
    ),
    "You compute h from the old cell state. Compute the new one first.": (
        with_lines((TANH_C, "m = o * (2 * tl.sigmoid(2 * before) - 1)")),
    ),
    (
        "You write into a, as the chapter's kernel does. Here nobody needs the gates afterwards, "
        "so leave a as it is."
    ): tuple(
        with_lines((STORE_H, "\n    ".join([STORE_H, *KEPT_GATES[:count]])))
        for count in (1, 2, 3, 4)
    ),
    SINGLE: (
        with_lines(
            (STORE_C, STORE_C.replace("state", "state.to(tl.float32)")),
            (STORE_H, STORE_H.replace("m,", "m.to(tl.float32),")),
        ),
    ),
    NO_KERNEL: (with_lines(("@triton.jit\n", "")),),
    CRASHED: (
        with_lines(("tl.load(gate, inside)", "tl.load(gate)")),
        with_lines(("tl.load(gate + 3 * H, inside)", "tl.load(gate + 3 * H)")),
        with_lines(("tl.load(c + unit, inside)", "tl.load(c + unit)")),
    ),
}  # fmt: skip


def solution(
    a: Array, stride: int, c: Array, h: Array, units: int, H: int, BLOCK: int
) -> tuple[Array, ...]:
    """Return the new cell states and hidden states, and what is written elsewhere."""
    a_i, a_f, a_g, a_o = np.split(a[:, : 4 * H], 4, axis=1)
    new = sigmoid(a_f) * c + sigmoid(a_i) * np.tanh(a_g)
    return new, sigmoid(a_o) * np.tanh(new), np.zeros(3)


@sized
def _case(N: int, H: int, padding: int, *, BLOCK: int) -> Case:
    rng = seeded(N, H)
    stride = 4 * H + padding
    a, c = rng.normal(size=(N, stride)), rng.normal(size=(N, H))
    sizes = {"N": N, "H": H, "stride": stride, "BLOCK": BLOCK}
    arguments = {"a": a, "stride": stride, "c": c, "h": np.zeros((N, H)), "units": N * H}
    return Case(sizes, {**arguments, "H": H, "BLOCK": BLOCK})


PROPERTIES: dict[str, Property] = {
    "You write into a. Its sums must stay as they are.": lambda f, rng: not _stray(f)[0],
    "You write before or after c or h, over whatever lies there.": lambda f, rng: (
        not any(_stray(f)[1:])
    ),
    "You never write some units: after the launch, h still holds what was there before.": (
        lambda f, rng: not (_shown(f) == -1).any()
    ),
    "A hidden state lies between -1 and 1. Some of yours lie outside.": lambda f, rng: bool(
        (np.abs(_shown(f)) <= 1).all()
    ),
    "Where a is very negative everywhere, all gates are shut: c and h must be 0.": (
        lambda f, rng: _shut(f)
    ),
    "However large a sum is, a gate and a candidate are finite numbers, but yours overflow.": (
        lambda f, rng: _stays_finite(f)
    ),
}


def _shown(f: Guarded) -> Array:
    """Return the hidden states. Where nothing is stored they're -1, which no right one is."""
    return np.asarray(f(*_case(3, 2, 1, BLOCK=4).arguments.values())[1])


def _stray(f: Guarded) -> Array:
    """Return how many numbers are written into a, around c and around h, in half-empty programs."""
    return np.asarray(f(*_case(3, 2, 1, BLOCK=4).arguments.values())[2])


def _computes_in_float64(f: Guarded, rng: np.random.Generator) -> bool:
    arguments = _case(3, 2, 1, BLOCK=4).arguments.values()
    pairs = zip(f(*arguments), solution(*arguments), strict=True)
    return all(np.allclose(got, want, rtol=1e-10, atol=1e-13) for got, want in pairs)


def _shut(f: Guarded) -> bool:
    arguments = _case(3, 2, 1, BLOCK=4).arguments
    c, h, _ = f(*{**arguments, "a": arguments["a"] - 100}.values())
    return np.allclose(c, 0) and np.allclose(h, 0)


def _stays_finite(f: Guarded) -> bool:
    arguments = _case(3, 2, 1, BLOCK=4).arguments
    return all(
        np.isfinite(f(*{**arguments, "a": sign * 2000 * arguments["a"]}.values())[:2]).all()
        for sign in (1, -1)
    )


EXAM = KernelExam(
    question="fuse",
    launched=FunctionExam(
        name="cell_kernel",
        solution=solution,
        returns=(
            Returned("c", "(N, H)"),
            Returned("h", "(N, H)"),
            Returned(
                "what is written elsewhere",
                "(3)",
                told=("you write into a", "you write around c", "you write around h"),
            ),
        ),
        cases=(
            _case(3, 3, 0, BLOCK=4),
            _case(1, 1, 0, BLOCK=2),
            _case(1, 5, 7, BLOCK=4),
            _case(4, 1, 0, BLOCK=4),
            _case(6, 1, 4, BLOCK=4),
            _case(5, 2, 0, BLOCK=2),
            _case(5, 3, 2, BLOCK=8),
            _case(220, 10, 0, BLOCK=4096),  # more units than a hard-coded program takes
            _case(3, 2, 6, BLOCK=4),
        ),
        mistakes={},
        properties=PROPERTIES,
        demands={SINGLE: _computes_in_float64},
        right=(
            "Right: every unit of every row, in full and half-empty programs, and nothing written "
            "elsewhere."
        ),
    ),
    mistakes=MISTAKES,
)

QUESTIONS = (
    Question(
        name="fuse",
        points=5,
        hints=(
            "Take one unit number and follow it by hand. Which row is it in, and at which place? "
            "And where in memory are its four sums, its cell state and its hidden state?",
            "There are three parts. First, which units are yours, and which of them exist? Then "
            "come five loads and the equations of chapter 7 (whole-cell), then two stores. Only "
            "the address of the sums differs from that of the states.",
            "The unit's row is unit // H, and its place is unit % H. Its first sum is row times "
            "stride plus place after a, and the others follow at steps of H. In c and h, the unit "
            "is at its own number. Give every load and store the mask.",
        ),
        exam=EXAM,
    ),
)
