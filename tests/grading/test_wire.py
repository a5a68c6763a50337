"""Values as bytes and back, and bytes that somebody hostile has written."""

import datetime
import decimal
import json
import math
import struct
import sys
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lstm_course as lc
from lstm_course.exercises.engine.products import Counted, counted
from lstm_course.grading import wire
from lstm_course.grading.wire import Handle, Malformed, Opaque, decode, encode


def numbered(function):
    """Write a function as a handle."""
    return Handle(7, function.__name__)


def unheard(function):
    raise AssertionError(f"{function!r} was taken for a function")


def back(value):
    return decode(encode(value, unheard))


def message(tree, rest=b""):
    return json.dumps(tree).encode() + b"\n" + rest


def _bits(array):
    """The bytes of an array; of long doubles, some of which mean nothing, the numbers as text."""
    return repr(array.tolist()) if array.dtype.char in "gG" else array.tobytes()


def same(one, other):
    """Whether two values are of the same types and have the same bits, but for the signs of nan."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        native = other.astype(other.dtype.newbyteorder("="))
        return (
            (one.dtype, one.shape) == (native.dtype, native.shape)
            and _bits(one) == _bits(native)
            and getattr(one, "origins", None) == getattr(other, "origins", None)
        )
    if isinstance(one, float):
        return math.isnan(one) == math.isnan(other) and (
            math.isnan(one) or struct.pack("d", one) == struct.pack("d", other)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other


def test_same_tells_apart_what_equality_does_not():
    assert same(math.nan, -math.nan)
    assert not same(0.0, -0.0)
    assert not same(1, 1.0)
    assert not same(True, 1)
    assert not same(np.float32(1), np.float64(1))
    assert not same(np.zeros(2), counted(np.zeros(2), "W"))
    assert not same([1, (2.0,)], [1, (-2.0,)])
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})


DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
NUMBERS = st.one_of(
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True),
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, ()).map(lambda one: one[()])),
)
NAMES = st.text('aZ0 \0\n"\\{}[]éσ\uffff𝄞', max_size=10)
LEAVES = st.one_of(st.none(), st.just(...), NUMBERS, NAMES, ARRAYS)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(NAMES, inner, max_size=4),
    ),
    max_leaves=12,
)


# What comes back


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value):
    assert same(back(value), value)


@pytest.mark.parametrize(
    "value",
    [
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        5e-324,
        -2.2250738585072e-310,
        sys.float_info.max,
        0.1,
        2**63 - 1,
        -(2**63) + 1,
        "",
        "\0\n\\\"'",
        "σ ± 𝄞 עברית",
        (),
        [],
        {},
        {"": {"": ()}},
        [(), [None, (True, False)], ...],
        {"a": 1, "d": [["x", 2]], "f": {"o": "not opaque"}},
    ],
    ids=repr,
)
def test_what_is_easily_lost_comes_back(value):
    assert same(back(value), value)


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.0),
        np.array(True),
        np.zeros((0,)),
        np.zeros((3, 0, 2), "f2"),
        np.array([np.nan, -np.inf, -0.0, 6e-8, 65504], np.float16),
        np.array([1 + 2j, complex(np.nan, -0.0)], np.complex64),
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.linspace(0, 1, 5).astype(">f8"),
        np.array([1, 1 / np.longdouble(3), np.nan], np.longdouble),
        np.array([1j / np.longdouble(3)], np.clongdouble),
        np.array([2**64 - 1, 0], np.uint64),
        np.array([-(2**63), 2**63 - 1]),
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0).reshape(3, 4)[::-2, 1::2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.arange(3.0), (2, 3)),
        np.zeros((1,) * 16),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_arrays_come_back_whatever_their_layout(array):
    array.flags.writeable = False
    came = back([array, array])
    assert same(came, [array, array])
    came[0][...] = 1  # a copy of its own that can be changed
    assert same(came[1], array)


@pytest.mark.parametrize("kind", np.typecodes["All"].translate(dict.fromkeys(map(ord, "SUVOMm"))))
def test_numpys_numbers_stay_numpys(kind):
    number = np.ones(1, kind)[0]
    came = back((number, [number]))
    assert isinstance(came[0], np.generic)
    assert came == (number, [number])
    assert came[0].dtype == came[1][0].dtype == number.dtype


def test_a_number_and_an_array_without_dimensions_are_told_apart():
    number, array = back((np.float32(0.1), np.array(0.1, np.float32)))
    assert type(number) is np.float32
    assert type(array) is np.ndarray


def test_counted_arrays_keep_their_origins():
    W = counted(np.arange(6.0).reshape(2, 3), "W", "b")
    for value in (W, W.T, W[:, ::2], W * 2, W[:0], counted(np.array(1.0), "σ")):
        assert type(back(value)) is Counted
        assert same(back(value), value)
    assert type(back(counted(np.zeros(2)))) is np.ndarray  # of no origin: nothing is counted


def test_subclasses_come_back_as_what_they_are_made_of():
    class Text(str):
        def __str__(self):
            return "another"

    class Number(float):
        def hex(self):
            return "0x1p9"

    class Whole(int):
        pass

    class Rows(list):
        pass

    (params, *_) = back((lc.lstm_step(*[np.zeros((1, 1))] * 3, small())[:2],))
    assert type(params) is tuple
    given = [Text("one"), Number(2), Whole(3), Rows([4]), np.str_("five"), np.ma.ones(2)]
    assert same(back(given), ["one", 2.0, 3, [4], "five", np.ones(2)])


def small():
    return lc.LSTMParams(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))


def test_texts_lose_their_lone_surrogates():
    assert back("a\ud800b\udfff") == "a?b?"
    assert back({"a\ud800": "\ud800"}).popitem()[1] == "?"


@given(st.text('a\0\n"\\éσ\uffff𝄞\ud800\udbff\udc00\udfff', max_size=50))
def test_any_text_comes_back_but_for_surrogates(text):
    came = back(text)
    pairs = zip(came, text, strict=True)
    assert all(one == other or "\ud800" <= other <= "\udfff" for one, other in pairs)


def test_functions_go_through_the_handle():
    class Called:
        __name__ = "called"

        def __call__(self):
            pass

    came = decode(encode([len, {"f": same}, (Called(), Opaque)], numbered))
    names = ["len", "same", "called", "Opaque"]
    assert [came[0], came[1]["f"], *came[2]] == [Handle(7, name) for name in names]


@pytest.mark.parametrize(
    "handle",
    [
        Handle(0),
        Handle(2**40, "f", "lstm_course.cell", ("x", "h"), 1),
        Handle(3, parameters=()),
        Handle(-1, "", "", None, 0),
    ],
)
def test_handles_come_back_without_being_handled(handle):
    assert back([handle]) == [handle]


# What does not come back


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (2j, "complex"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (object(), "object"),
        (range(3), "range"),
        (decimal.Decimal(1), "Decimal"),
        (datetime.date(2020, 1, 1), "date"),
        (math, "module"),
        (small(), "LSTMParams"),
        ({1: 2}, "dict"),
        ({"a": 1, None: 2}, "dict"),
        ({np.str_("a"): 1}, "dict"),
        (2**63, "a very large int"),
        (-(2**63), "a very large int"),
        (10**5000, "a very large int"),
        (np.array(["a"]), "an array of dtype <U1"),
        (np.array([None]), "an array of dtype object"),
        (np.zeros(2, "M8[D]"), "an array of dtype datetime64[D]"),
        (np.timedelta64(1, "s"), "an array of dtype timedelta64[s]"),
        (np.zeros(2, "i4,f8"), "an array of dtype [('f0', '<i4'), ('f1', '<f8')]"),
        (type("N" * 200, (), {})(), "N" * 100),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_no_plain_data_says_only_what_it_was(value, kind):
    assert back(value) == Opaque(kind)
    assert same(back([1, value, np.ones(2)]), [1, Opaque(kind), np.ones(2)])


@pytest.mark.parametrize("mixed", [{1: np.zeros(2)}, {"a": np.zeros(2), 2: 3}])
def test_arrays_in_a_dictionary_without_text_keys_leave_nothing_behind(mixed):
    assert same(back([mixed, np.ones(2)]), [Opaque("dict"), np.ones(2)])


@pytest.mark.parametrize(
    "value",
    [np.zeros((1,) * 17), [np.float64(1)] * 100_000, ["σ" * 900_000] * 2, "[" * 500_000],
    ids=["dimensions", "scalars", "texts", "brackets"],
)
def test_what_can_be_encoded_can_be_decoded(value):
    try:
        encoded = encode(value, unheard)
    except Malformed:
        return  # which is what a value gets that is too large
    decode(encoded)


def test_an_empty_array_with_a_long_axis_is_decoded_or_not_encoded():
    try:
        encoded = encode(np.zeros((0, 2**31)), unheard)
    except Malformed:
        return
    decode(encoded)


def test_what_was_opaque_once_says_the_same_when_it_is_passed_on():
    assert back(back({1, 2})) == Opaque("set")


def endless():
    value = []
    value.append(value)
    return value


def deep(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [endless(), deep(5000)], ids=["endless", "deep"])
def test_what_is_nested_too_deeply_is_too_large(value):
    with pytest.raises(Malformed):
        encode(value, unheard)


def test_moderate_nesting_comes_back():
    assert same(back(deep(100)), deep(100))


# Limits


def test_a_message_may_hold_so_many_values(monkeypatch):
    monkeypatch.setattr(wire, "MOST_NODES", 10)
    for inside in ([0] * 9, [[0, 0]] * 3, {str(k): k for k in range(9)}, (np.zeros(1000),) * 4):
        assert same(back(inside), inside)
    for outside in ([0] * 10, [[0, 0]] * 4, {str(k): k for k in range(10)}, (np.zeros(0),) * 10):
        with pytest.raises(Malformed, match="more than 10 values are too many"):
            encode(outside, unheard)
    functions = [len] * 5
    with pytest.raises(Malformed, match="too many"):  # each counts twice, as itself and as a handle
        encode(functions, numbered)


@pytest.mark.parametrize(
    "tree", [{"l": [0] * 10}, {"t": [{"l": [0, 0]}] * 4}, {"d": [["a", 0]] * 10}]
)
def test_a_message_that_holds_more_is_not_read(monkeypatch, tree):
    decode(message(tree))
    monkeypatch.setattr(wire, "MOST_NODES", 10)
    with pytest.raises(Malformed, match="too many values"):
        decode(message(tree))


def test_a_message_may_be_so_long(monkeypatch):
    length = len(encode(np.zeros(100), unheard))
    monkeypatch.setattr(wire, "MOST_BYTES", length)
    assert same(back(np.zeros(100)), np.zeros(100))
    for value in (np.zeros(101), "x" * 2000):
        with pytest.raises(Malformed, match=r"[\d,]+ bytes are too many"):
            encode(value, unheard)
    with pytest.raises(Malformed, match="too many"):
        decode(encode(None, unheard) + bytes(length))


def test_the_limits_leave_room_for_homework():
    assert same(back(np.zeros(3_000_000)), np.zeros(3_000_000))
    with pytest.raises(Malformed, match="bytes are too many"):
        encode(np.zeros(4_000_001), unheard)
    with pytest.raises(Malformed, match="bytes are too many"):
        decode(bytes(wire.MOST_BYTES + 1))


@pytest.mark.parametrize("letter", ["x", "σ", "𝄞"])
def test_long_texts_are_cut_off(monkeypatch, letter):
    monkeypatch.setattr(wire, "MOST_TEXT", 50)
    text = letter * 55
    assert back(text) == text[:-5]
    assert decode(message({"s": text})) == text[:-5]
    assert list(decode(message({"d": [[text, 0]]}))) == [text[:-5]]


def test_names_that_come_in_are_cut_off():
    long = "n" * 1000
    came = decode(message({"f": [1, long, long, [long] * 200, 3]}))
    assert came == Handle(1, "n" * 100, "n" * 100, ("n" * 100,) * 100, 3)
    assert decode(message({"o": long})) == Opaque("n" * 100)
    array = decode(message({"a": ["u1", [1], False, [f"{k}{long}" for k in range(50)]]}, b"\1"))
    assert len(array.origins) == 20
    assert max(map(len, array.origins)) == 100


# Hostile messages


def value_or_malformed(given):
    """Decode what may be no message; anything but a value or Malformed gets out."""
    try:
        return decode(given)
    except Malformed as error:
        return error


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\n",
        b"null",
        b"nul\n",
        b"null\n\0",
        b"null\n\n",
        b"[\n",
        b"{}\n",
        b'{"s": "a", "x": "1"}\n',
        b"\xff\xfe\n",
        b'{"s": "\xff"}\n',
        b"1" * 5000 + b"\n",
        b"9223372036854775808\n",
        b"-9223372036854775808\n",
        b"[" * 100_000 + b"\n",
        b'{"l":' * 50_000 + b"\n",
        b'{"l":[' * 400 + b"]}" * 399 + b"]\n",
        b'{"o":' + b"[" * 100_000 + b"\n",
    ],
    ids=lambda given: repr(given[:20]),
)
def test_bytes_that_are_no_message(given):
    with pytest.raises(Malformed):
        decode(given)


NOT_VALUES = ("text", "", 0.5, [], [0], [["s", "a"]])


@pytest.mark.parametrize("tree", [*NOT_VALUES, math.nan, math.inf], ids=repr)
@pytest.mark.parametrize("around", ["{}", '{{"l": [{}]}}', '{{"t": [{}]}}', '{{"d": [["a", {}]]}}'])
def test_what_is_no_value_is_refused_wherever_it_stands(around, tree):
    with pytest.raises(Malformed):
        decode(around.format(json.dumps(tree)).encode() + b"\n")


WRONG = (None, True, 3, -1, 2**70, 0.5, "text", [], [[]], [None], {}, {"s": "a"}, {"s": 1})


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("x", ()),
        ("s", ("text",)),
        ("a", ()),
        ("f", ()),
        ("", ()),
        ("z", ()),
        ("numpy.ndarray", ()),
        ("__class__", ()),
        ("S", ()),
    ],
)
@pytest.mark.parametrize("content", WRONG, ids=repr)
def test_contents_of_the_wrong_type(kind, allowed, content):
    if content in allowed:
        assert decode(message({kind: content})) == content
    else:
        with pytest.raises(Malformed):
            decode(message({kind: content}))


@pytest.mark.parametrize("kind", ["l", "t", "d"])
@pytest.mark.parametrize("content", [None, True, 3, 0.5, [{"l": 3}], [{"x": 3}], [{}], [2**63]])
def test_collections_of_the_wrong_type(kind, content):
    with pytest.raises(Malformed):
        decode(message({kind: content}))


@pytest.mark.parametrize(
    "pairs",
    [
        [["a"]],
        [["a", 1, 2]],
        [[1, 1]],
        [[None, 1]],
        [[True, 1]],
        [[["a"], 1]],
        [[{"s": "a"}, 1]],
        [["a", 1], [2, 2]],
    ],
    ids=repr,
)
def test_pairs_that_are_none(pairs):
    with pytest.raises(Malformed):
        decode(message({"d": pairs}))


def test_of_a_key_that_comes_twice_the_last_counts():
    assert decode(message({"d": [["a", 1], ["b", 2], ["a", 3]]})) == {"a": 3, "b": 2}
    assert decode(b'{"s": "first", "s": "last"}\n') == "last"


@pytest.mark.parametrize(
    "number",
    ["", "one", "0x", "1p", "0x1p99999", "-0x1p999999999999999999", "1e400x", "١x", "\ud800"],
)
def test_texts_that_are_no_number(number):
    with pytest.raises(Malformed):
        decode(message({"x": number}))


DATA = bytes(range(64))


@pytest.mark.parametrize(
    "code",
    [
        *("", "f", "8", "f0", "f3", "f128", "f008", "i16", "b2", "b8", "c4", "u0"),
        *("O8", "O", "S8", "U8", "V8", "M8", "m8", "p8", "P8", "a8", "?1", "d8"),
        *("<f8", ">f8", "=f8", "|u1", "f8,f8", "(2,)f8", "2f8", "f-8", "f+8", "f 8", "f8 ", "f8\n"),
        *("f٨", "f⁸", "f８", "i٤", "float64", "object", "bool", "ff8", "F8"),
        *(None, 8, 0.5, True, ["f8"], {"f": 8}, [["x", "f8"]], {"names": ["x"], "formats": ["O"]}),
    ],
    ids=repr,
)
def test_dtypes_that_hold_no_numbers(code):
    with pytest.raises(Malformed):
        decode(message({"a": [code, [1], False, []]}, DATA))


@pytest.mark.parametrize("kind", "biufc")
def test_a_dtype_that_is_read_holds_numbers(kind):
    for size in range(100):
        came = value_or_malformed(message({"a": [f"{kind}{size}", [1], False, []]}, bytes(size)))
        if not isinstance(came, Malformed):
            assert type(came) is np.ndarray
            assert (came.dtype.kind, came.dtype.itemsize) == (kind, size)


@pytest.mark.parametrize(
    "shape",
    [
        *([-1], [-8], [8, -1], [-1, -8], [2**31], [2**63], [2**64 + 8], [10**30]),
        *([2**31 - 1], [2**31 - 1] * 3, [2**16] * 4, [2**16] * 8, [0] + [2**31 - 1] * 15),
        *([1] * 17, [0] * 17, [8] + [1] * 1000),
        *([8.0], [True] * 8, ["8"], [None], [[8]], [{"s": "8"}], [8, None]),
        *(None, 8, 8.0, True, "8", {"8": 1}),
        *([9], [7], [], [0], [8, 0], [2, 5], [3, 3]),
    ],
    ids=lambda shape: repr(shape)[:30],
)
def test_shapes_that_do_not_fit(shape):
    with pytest.raises(Malformed):
        decode(message({"a": ["f8", shape, False, []]}, DATA))


@pytest.mark.parametrize(
    "content",
    [
        [],
        ["f8", [8], False],
        ["f8", [8], False, [], 0],
        ["f8", [8], False, 3],
        ["f8", [8], False, True],
        ["f8", [8], False, 0.5],
        {"code": "f8"},
        "f8[]",
    ],
    ids=repr,
)
def test_arrays_that_are_not_described(content):
    with pytest.raises(Malformed):
        decode(message({"a": content}, DATA))


@pytest.mark.parametrize("scalar", WRONG, ids=repr)
@pytest.mark.parametrize("shape", [[], [1]])
def test_whatever_says_that_it_is_a_scalar_a_number_comes(scalar, shape):
    came = decode(message({"a": ["f8", shape, scalar, []]}, bytes(8)))
    assert type(came) is (np.float64 if scalar and not shape else np.ndarray)
    assert came == 0


@pytest.mark.parametrize("origins", ["text", [0.5], [None, 3], [["W"]], [{"W": "b"}]], ids=repr)
def test_origins_are_texts(origins):
    came = decode(message({"a": ["f8", [1], True, origins]}, bytes(8)))
    assert type(came) is Counted
    assert {type(one) for one in came.origins} == {str}


def test_an_array_is_neither_cut_off_nor_too_long():
    whole = encode([np.ones(3), np.ones((2, 2), "f4")], unheard)
    start = whole.index(b"\n")
    decode(whole)
    for end in range(start, len(whole)):
        with pytest.raises(Malformed):
            decode(whole[:end])
    with pytest.raises(Malformed, match="left over"):
        decode(whole + b"\0")


def test_arrays_cannot_share_their_bytes():
    one = {"a": ["u1", [4], False, []]}
    with pytest.raises(Malformed, match="cut off"):
        decode(message({"l": [one, one]}, bytes(4)))
    first, second = decode(message({"l": [one, one]}, bytes(8)))
    first += 1
    assert not second.any()


@pytest.mark.parametrize(
    "content",
    [
        [],
        [1],
        [1, "f", "m", None],
        [1, "f", "m", None, 0, 0],
        ["1", "f", "m", None, 0],
        [True, "f", "m", None, 0],
        [1.0, "f", "m", None, 0],
        [None, "f", "m", None, 0],
        [[1], "f", "m", None, 0],
        [1, "f", "m", None, "0"],
        [1, "f", "m", None, True],
        [1, "f", "m", None, None],
        [1, "f", "m", 3, 0],
        [1, "f", "m", True, 0],
        [1, "f", "m", {"x": 1}, 0],
        "12345",
        {"number": 1},
    ],
    ids=repr,
)
def test_handles_of_the_wrong_types(content):
    with pytest.raises(Malformed):
        decode(message({"f": content}))


@pytest.mark.parametrize("name", WRONG, ids=repr)
def test_the_names_of_a_handle_become_texts(name):
    came = decode(message({"f": [1, name, name, [name], 0]}))
    texts = (came.name, came.module, *came.parameters)
    assert {type(one) for one in texts} == {str}


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed(given):
    with pytest.raises(Malformed):
        decode(b"\xff" + given)


def _trees(inner):
    kinds = st.sampled_from("xseofaltdz")
    array = st.tuples(
        st.one_of(st.sampled_from(["f8", "u1", "b1", "c16", "f0", "O8"]), inner),
        st.one_of(st.lists(st.integers(-1, 3), max_size=4), inner),
        inner,
        inner,
    )
    handle = st.tuples(st.one_of(st.integers(), inner), inner, inner, inner, st.integers(0, 3))
    return st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(kinds, inner, min_size=1, max_size=2),
        st.fixed_dictionaries({"a": array}),
        st.fixed_dictionaries({"f": handle}),
        st.fixed_dictionaries({"l": st.lists(inner, max_size=5)}),
        st.fixed_dictionaries({"d": st.lists(st.tuples(NAMES, inner), max_size=4)}),
    )


BAD_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.fixed_dictionaries({"s": NAMES}),
    st.fixed_dictionaries({"x": st.sampled_from(["nan", "0x1p3", "", "1e9", "x"])}),
)
OTHER_LEAVES = st.one_of(BAD_LEAVES, st.floats(), NAMES)


@given(st.recursive(OTHER_LEAVES, _trees, max_leaves=15), st.binary(max_size=60))
@example("text", b"")
def test_a_hostile_tree_gives_a_value_or_is_malformed(tree, rest):
    value_or_malformed(message(tree, rest))


@st.composite
def mutated(draw):
    """Draw a valid message in which some bytes are changed, cut out, doubled or moved."""
    given = encode(draw(PLAIN), unheard)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(given)))
        end = draw(st.integers(start, min(len(given), start + 8)))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.just(given[start:end] * 2),
                st.binary(max_size=4),
                st.sampled_from([b'"', b"[", b"]", b"{", b"}", b",", b"9", b"-", b"null", b"\n"]),
            )
        )
        given = given[:start] + piece + given[end:]
    return given


@given(mutated())
@example(b'{"l": [""]}\n')
def test_a_damaged_message_gives_a_value_or_is_malformed(given):
    value_or_malformed(given)


@given(PLAIN, st.randoms(use_true_random=False))
def test_a_value_that_was_read_can_be_written_again(value, random):
    given = bytearray(encode(value, unheard))
    place = random.randrange(given.index(b"\n") + 1, len(given) + 1)
    given[place : place + 1] = b"\xa5" * (place < len(given))  # within an array: still a message
    came = decode(bytes(given))
    assert same(back(came), came)


@pytest.mark.parametrize(
    "given",
    [
        b"[" * 1_000_000 + b"\n",
        b'{"s": "' + b"\\ud800" * 300_000 + b'"}\n',
        b'{"x": "0x1.' + b"f" * 2_000_000 + b'"}\n',
        b'{"x": "' + b" " * 2_000_000 + b'1"}\n',
        b'{"l": [' + b"1" * 2_000_000 + b"]}\n",
        b'{"l": [' + b"0," * 500_000 + b"0]}\n",
        b'{"d": [' + b'["a",0],' * 60_000 + b'["a",0]]}\n',
        b'{"f": [0, "", "", [' + b"0," * 500_000 + b"0], 0]}\n",
        b'{"o": [' + b"[]," * 100_000 + b"[]]}\n",
        b'{"a": ["u1", [' + b"1," * 500_000 + b"1], false, []]}\n",
        b"\n" * 2_000_000,
    ],
    ids=lambda given: repr(given[:20]),
)
def test_a_message_that_costs_time_costs_little(given):
    before = time.process_time()
    value_or_malformed(given)
    assert time.process_time() - before < 2
