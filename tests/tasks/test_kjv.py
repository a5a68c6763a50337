import hashlib
import re
import sys

import pytest

from lstm_course import tasks
from lstm_course.tasks import kjv

CHAPTERS = tasks.king_james()


def test_every_chapter_counts_its_verses_and_books_count_their_chapters():
    assert len(CHAPTERS) == 1189
    books = {}
    for chapter in CHAPTERS:
        heading, *verses = chapter.removesuffix("\n\n").split("\n")
        title, number = heading.rsplit(" ", 1)
        books.setdefault(title, []).append(int(number))
        assert [int(verse.split(" ")[0]) for verse in verses] == [*range(1, len(verses) + 1)]
    assert len(books) == 66
    assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in books.values())
    assert sum(chapter.count("\n") - 2 for chapter in CHAPTERS) == 31_102


def test_the_text_is_plain():
    text = "".join(CHAPTERS)
    assert text.isascii()
    assert not re.search(r"[\[\]\t]|  | \n|\n\n\n", text)
    assert hashlib.sha256(text.encode()).hexdigest().startswith("639ad2d26b90")


def test_known_verses_are_where_they_belong():
    text = "".join(CHAPTERS)
    psalm = text[text.index("\nPsalms 23\n") :]
    assert psalm.startswith(
        "\nPsalms 23\n1 The LORD is my shepherd; I shall not want.\n2 He maketh me"
    )
    assert "\n35 Jesus wept.\n" in text
    assert CHAPTERS[-1].endswith(
        "\n21 The grace of our Lord Jesus Christ be with you all. Amen.\n\n"
    )


def test_the_book_is_read_without_loading_another():
    assert "pythonbible" not in sys.modules


def test_a_missing_package_has_a_name(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(kjv, "files", missing)
    with pytest.raises(ImportError, match="pip install"):
        tasks.king_james()
