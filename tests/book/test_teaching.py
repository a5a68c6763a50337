"""The numbers on the page for instructors are those of the package and of the chapters."""

import json
import re

from conftest import ROOT
from lstm_course.exercises import BANKS
from lstm_course.grading import submissions
from lstm_course.grading.sandbox import Limits

PAGE = (ROOT / "book/teaching.md").read_text(encoding="utf-8")
POINTS = {
    bank.removeprefix("ch").replace("_", "-"): sum(one.points for one in module.QUESTIONS)
    for bank, module in BANKS.items()
}
IN_PYTORCH = ("16-pytorch", "18-gpu")


def minutes(chapter):
    cells = json.loads((ROOT / "book" / chapter).read_text(encoding="utf-8"))["cells"]
    (stated,) = re.findall(r"about (\d+) minutes", "".join("".join(c["source"]) for c in cells))
    return int(stated)


def plans():
    lines = PAGE.splitlines()
    starts = [k for k, line in enumerate(lines) if line.startswith("| week |")]
    for start in starts:
        rows = []
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        yield rows


def test_plans_add_up():
    for rows in plans():
        points, later, reading = 0, 0, 0
        for _, chapters, exercises, stated, read, _ in rows[:-1]:
            named = re.findall(r"exercises/([\w-]+)/", exercises)
            graded = sum(POINTS[name] for name in named if name not in IN_PYTORCH)
            rest = sum(POINTS[name] for name in named if name in IN_PYTORCH)
            parts = [str(graded)] * bool(graded or not rest) + [f"[+{rest}]"] * bool(rest)
            assert stated == " ".join(parts).replace("[+", "[+" if graded else "["), rows
            read_here = sum(map(minutes, re.findall(r"\((\d-[\w-]+/[\w-]+\.ipynb)\)", chapters)))
            assert int(read) == read_here
            points, later, reading = points + graded, later + rest, reading + read_here
        total = f"**{points}**" + f" [+{later}]" * bool(later)
        assert rows[-1][3:5] == [total, f"**{reading}**"]


def test_every_exercise_is_in_the_table_with_its_points():
    for name, points in POINTS.items():
        (line,) = re.findall(rf"^\| \[[^]]*\]\(\.\./exercises/{name}/.*$", PAGE, re.MULTILINE)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        bank = BANKS[next(b for b in BANKS if b.removeprefix("ch").replace("_", "-") == name)]
        assert cells[1] == ", ".join(f"`{one.name}` ({one.points})" for one in bank.QUESTIONS)
        assert cells[2] == str(points)
    questions = sum(len(bank.QUESTIONS) for bank in BANKS.values())
    assert f"| **all** | {questions} questions | **{sum(POINTS.values())}** |" in PAGE


def test_limits_are_those_of_the_code():
    limits = Limits()
    stated = (
        f"{limits.instructions:,} instructions, {limits.seconds:g} seconds, "
        f"{limits.memory:,} bytes of memory, and {limits.output:,} bytes of output"
    )
    assert stated in PAGE
    assert f"{submissions.LARGEST_FILE // 10**6} MB" in PAGE


def test_speeds_are_those_of_the_record():
    record = json.loads((ROOT / "benchmarks/results/grading.json").read_text(encoding="utf-8"))
    rate = record["submissions a second and worker"]
    assert f"took two workers {record['seconds']:.0f} seconds" in PAGE
    assert f"or {rate:.1f} notebooks per second and worker" in PAGE
    assert 19 < 10_000 / rate / record["workers"] / 60 < 21
    assert record["rows that differ"] == 0
    assert record["beside processes that compute all the time"]["rows that differ"] == 0
