import json
import unicodedata

import numpy as np
import pytest

from lstm_course.tasks import Vocabulary, read_captions, words_of


@pytest.fixture
def write(tmp_path):
    def written(data):
        path = tmp_path / "captions.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return path

    return written


def image(number, name="a.jpg", **others):
    return {"id": number, "file_name": name} | others


def caption(number, text="A cat.", **others):
    return {"image_id": number, "caption": text} | others


def test_captions_find_their_image_whatever_else_the_file_holds(write):
    data = {
        "info": {"year": 2017},
        "licenses": [],
        "images": [
            image(42, "000000000042.jpg", height=480, width=640),
            image(7, "000000000007.jpg"),
            image(9, "000000000009.jpg"),
        ],
        "annotations": [
            caption(7, "Ein Café, bitte!", id=1),
            caption(42, "A dog.", id=2),
            caption(7, "A second one", id=3),
        ],
    }
    assert read_captions(write(data)) == [
        ("000000000042.jpg", ["A dog."]),
        ("000000000007.jpg", ["Ein Café, bitte!", "A second one"]),
    ]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("{", "captions.json does not hold JSON: Expecting"),
        ([], 'has no list "images", expected captions in the format of COCO'),
        ({"images": []}, 'has no list "annotations"'),
        ({"images": {}, "annotations": []}, 'has no list "images"'),
        ({"images": [7], "annotations": []}, r'images\[0\] has "id" None, expected a whole number or a string'),
        ({"images": [image(7.5)], "annotations": []}, r'images\[0\] has "id" 7.5, expected a whole number or a string'),
        ({"images": [image(True)], "annotations": []}, r'images\[0\] has "id" True, expected a whole number'),
        ({"images": [image(7, 3)], "annotations": []}, r'images\[0\] has "file_name" 3, expected a string'),
        ({"images": [image(7), image(7)], "annotations": []}, r"images\[1\] has the id 7, which another one has"),
        ({"images": [image(7)], "annotations": [caption(8)]}, r"annotations\[0\] is for image 8, which is not there"),
        ({"images": [image(7)], "annotations": [caption(7, None)]}, r'annotations\[0\] has "caption" None, expected a string'),
        ({"images": [image(7)], "annotations": [{"image_id": 7, "bbox": [1, 2, 3, 4]}]}, r'annotations\[0\] has "caption" None, expected a string'),
    ],
)  # fmt: skip
def test_a_bad_file_gets_one_sentence(write, data, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        read_captions(write(data))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_or_not_there(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_captions(tmp_path / "none.json")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_captions(tmp_path)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ValueError, match="does not hold JSON"):
        read_captions(tmp_path / "bytes.json")


def test_a_path_that_no_file_can_have_and_json_that_is_too_deep(write):
    with pytest.raises(ValueError, match=r"'a\\x00b' cannot be read: embedded null byte"):
        read_captions("a\0b")
    with pytest.raises(ValueError, match=r"captions.json holds JSON that is nested too deeply"):
        read_captions(write("[" * 100_000))


def test_a_mark_at_the_beginning_is_no_part_of_the_json(write):
    data = {"images": [image(7)], "annotations": [caption(7)]}
    assert read_captions(write("\ufeff" + json.dumps(data))) == [("a.jpg", ["A cat."])]


def test_words_are_small_and_without_punctuation():
    assert words_of("Two  dogs' balls; a T-shirt, (2) cats!\n") == [
        "two",
        "dogs",
        "balls",
        "a",
        "t-shirt",
        "2",
        "cats",
    ]
    assert words_of("...") == []
    with pytest.raises(TypeError, match="caption must be a string, got list"):
        words_of(["a"])


def test_a_vocabulary_counts_words_and_knows_the_rest_as_unknown():
    vocabulary = Vocabulary(["a dog and a cat", "A CAT", "the cat", "cat"], min_count=2)
    assert vocabulary.words == ("<start>", "<end>", "<unk>", "cat", "a")
    assert len(vocabulary) == 5
    assert [
        vocabulary.words[k] for k in (vocabulary.start, vocabulary.end, vocabulary.unknown)
    ] == ["<start>", "<end>", "<unk>"]
    np.testing.assert_array_equal(vocabulary.encode("A bird, a cat"), [4, 2, 4, 3])
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.decode([4, 2, 3]) == "a <unk> cat"
    assert vocabulary.decode([4, 1, 3]) == "a"
    everything = Vocabulary(["a dog and a cat"])
    assert everything.decode(everything.encode("a dog and a cat")) == "a dog and a cat"


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: Vocabulary(["a"], min_count=0), ValueError, "min_count must be at least 1, got 0"),
        (lambda: Vocabulary(["a"], min_count=2), ValueError, "captions hold no word that occurs 2 times or more"),
        (lambda: Vocabulary("a cat"), TypeError, "captions must be several strings, got one"),
        (lambda: Vocabulary([3]), TypeError, "caption must be a string, got int"),
        (lambda: Vocabulary(["a"]).decode([3, -1]), ValueError, "numbers holds -1, expected 0 to 3"),
        (lambda: Vocabulary(["a"]).decode([4]), ValueError, "numbers holds 4, expected 0 to 3"),
        (lambda: Vocabulary(["a"]).decode([3.0]), TypeError, "numbers must hold whole numbers, got 3.0"),
        (lambda: Vocabulary(["a"]).decode([True]), TypeError, "numbers must hold whole numbers, got True"),
        (lambda: Vocabulary(["a"]).decode("3"), TypeError, "numbers must hold whole numbers, got '3'"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_ids_may_be_strings(write):
    data = {"images": [image("a7")], "annotations": [caption("a7"), caption("a7", "Two cats.")]}
    ((_, captions),) = read_captions(write(data))
    assert len(captions) == 2


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("दो बिल्लियाँ, एक कुत्ता।", ["दो", "बिल्लियाँ", "एक", "कुत्ता"]),
        ("இரண்டு பூனைகள்", ["இரண்டு", "பூனைகள்"]),
        ("قِطَّةٌ و كَلْبٌ", ["قِطَّةٌ", "و", "كَلْبٌ"]),
        ("می‌روم خانه", ["می‌روم", "خانه"]),
        ("Un cafe\u0301 noir", ["un", "caf\u00e9", "noir"]),
    ],
)
def test_marks_belong_to_their_letters(caption, words):
    assert words_of(caption) == [unicodedata.normalize("NFC", word) for word in words]


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("一只猫在垫子上。", "一 只 猫 在 垫 子 上"),
        ("猫がマットの上で寝ている。", "猫 が マ ッ ト の 上 で 寝 て い る"),
        ("人々のラーメン", "人 々 の ラ ー メ ン"),
        ("か\u3099", "が"),  # the mark is one with its letter
        ("か\u309a", "か\u309a"),  # for which Unicode has no single sign
        ("ｶﾗｽ", "ｶ ﾗ ｽ"),
        ("แมวนั่งบนเสื่อ", "แ ม ว นั่ ง บ น เ สื่ อ"),
        ("ໝາ", "ໝ າ"),
        ("ឆ្កែ", "ឆ្ កែ"),
        ("ခွေး", "ခွေး"),
        ("一个Frisbee和iPhone12", "一 个 frisbee 和 iphone12"),
        ("๑๒ แมว", "๑๒ แ ม ว"),  # a number is a word
        ("두 마리 고양이", "두 마리 고양이"),  # Korean has blanks
    ],
)
def test_scripts_without_blanks_are_read_letter_by_letter(caption, words):
    assert words_of(caption) == words.split()


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("一只猫。", "一只猫"),
        ("แมวนั่งบน", "แมวนั่งบน"),
        ("一个Frisbee飞", "一个 frisbee 飞"),
        ("a cat", "a cat"),
        ("...", ""),
    ],
)
def test_what_was_written_without_blanks_is_said_without(caption, said):
    vocabulary = Vocabulary(["一只猫飞个", "แมวนั่งบน", "a cat Frisbee"])
    assert vocabulary.decode(vocabulary.encode(caption)) == said
    assert vocabulary.decode([*vocabulary.encode("猫"), 2]) == "猫 <unk>"
