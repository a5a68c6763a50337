import re
import shutil
import subprocess

import address
import nbformat
import notebooks
import numpy as np
import pytest
import yaml

import lstm_course as lc
from conftest import ROOT
from lstm_course import variants

FILES = address.files()
ELSEWHERE = (  # a form to fill in, and the bug reports and sources that chapters cite
    "/OWNER/NAME",
    "/awslabs/graphstorm",
    "/closeheat/pytorch-lstm-text-generation-tutorial",
    "/ddbourgin/numpy-ml",
    "/google-research/flood-forecasting",
    "/ndrplz/ConvLSTM_pytorch",
    "/nicklashansen/rnn_lstm_from_scratch",
    "/MartinuzziFrancesco/torchrecurrent",
    "/nicodjimenez/lstm",
    "/openxla/xla",
    "/pytorch/pytorch",
)


def test_the_address_is_the_same_everywhere():
    owner, name = address.address()
    allowed = {form.lower() for form in address.mentions(owner, name)}
    found = 0
    for path in FILES:
        if ROOT / "tests" in path.parents or path.name == "address.py":
            continue
        for form in (
            r"https://github\.com/[\w.-]+/[\w.-]*[\w-]",
            r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]*[\w-]",
            r"https://[\w.-]+\.github\.io/[\w.-]*[\w-]",
        ):
            for mention in re.findall(form, path.read_text(encoding="utf-8")):
                if any(part in mention for part in ELSEWHERE):
                    continue
                assert mention.lower() in allowed, f"{path}: {mention}"
                found += 1
    assert found >= 12  # configuration, citation, README, and a notebook each


def test_one_command_changes_the_address(tmp_path, monkeypatch):
    for path in FILES:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setattr(address, "ROOT", tmp_path)
    old = address.mentions(*address.address())
    address.main(["https://github.com/someone-else/their.fork"])
    assert address.address() == ("someone-else", "their.fork")
    for path in address.files():
        assert not any(form in path.read_text(encoding="utf-8") for form in old), path
        if path.suffix == ".ipynb":
            nbformat.read(path, as_version=4)
    with pytest.raises(SystemExit, match=r"expected https://github\.com/OWNER/NAME"):
        address.main(["somewhere"])


def test_every_page_is_in_the_table_of_contents():
    listed = set(
        re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    )
    pages = [
        *(ROOT / "book").rglob("*.md"),
        *(ROOT / "book").rglob("*.ipynb"),
        *(ROOT / "exercises").rglob("student.ipynb"),
    ]
    assert {page.relative_to(ROOT).with_suffix("").as_posix() for page in pages} == listed


def test_colab_and_repository_buttons_are_on():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == address.mentions(*address.address())[0]
    assert config["launch_buttons"]["colab_url"] == "https://colab.research.google.com"


def test_runtime_bounds_are_loose_and_constraints_are_exact():
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in constraints if line)
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    runtime = re.search(r"^dependencies = (\[.*\])$", pyproject, re.MULTILINE)[1]
    assert "==" not in runtime
    assert "<" not in runtime


def make(tmp_path, *arguments, path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    return subprocess.run(
        ["/usr/bin/make", "venv", *arguments],
        cwd=tmp_path,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def tools(tmp_path):
    """A PATH with the shell's tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "test", "echo", "touch"):
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def test_missing_python_gets_one_sentence(tmp_path, tools):
    result = make(tmp_path, path=tools)
    assert result.returncode != 0
    assert "needs Python 3.11 or newer, and there is none on the PATH" in result.stdout


def test_too_old_python_gets_one_sentence(tmp_path, tools):
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what an old Python answers to the version check
    old.chmod(0o755)
    assert "there is none on the PATH" in make(tmp_path, path=tools).stdout
    result = make(tmp_path, "PYTHON=python3", path=tools)
    assert result.returncode != 0
    assert "PYTHON=python3 is not." in result.stdout


def test_no_notebook_is_larger_than_a_reader_should_download():
    for path in notebooks.notebooks():
        assert path.stat().st_size < 1_000_000, path


def test_the_cheat_sheet_s_code_is_the_package_s_cell():
    text = (ROOT / "book/cheat-sheet.md").read_text(encoding="utf-8")
    names = {"np": np, "sigmoid": lc.sigmoid}
    exec(re.search(r"```python\n(.+?)```", text, re.DOTALL)[1], names)
    rng = np.random.default_rng(0)
    T, N, D, H = 5, 3, 4, 2
    params = lc.LSTMParams(*(rng.normal(size=shape) for shape in ((4 * H, D), (4 * H, H), 4 * H)))
    xs, dhs = rng.normal(size=(T, N, D)), rng.normal(size=(T, N, H))
    h0, c0 = rng.normal(size=(2, N, H))
    hs, _, cache = lc.lstm_forward(xs, params, h0, c0)
    steps = names["forward"](xs, *params.arrays(), h0, c0)
    np.testing.assert_allclose([step[-1] for step in steps], hs, rtol=1e-12)
    dxs, dh0, dc0, grads = lc.lstm_backward(dhs, cache)
    found = names["backward"](dhs, steps, *params.arrays()[:2])
    for mine, theirs in zip(found, (dxs, dh0, dc0, *grads.arrays()), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10)


def test_the_cheat_sheet_counts_parameters_right():
    text = (ROOT / "book/cheat-sheet.md").read_text(encoding="utf-8")
    D, H, P, rng = 5, 7, 3, np.random.default_rng(0)

    def said(row):
        formula = re.search(rf"\| {row} \| \$([^$]+)\$", text)[1]
        product = re.sub(r"(?<=[\dA-Z)])(?=[A-Z(])", "*", formula)
        return eval(product, {"D": D, "H": H, "P": P})

    def count(cell, **more):
        arrays = variants.CELLS[cell].init(D, H, rng=rng, **more).arrays()
        return sum(array.size for array in arrays)

    assert said("LSTM") == count("standard")
    assert said("with two biases, as in PyTorch") == count("standard") + 4 * H
    assert count("standard") + said("with peepholes") == count("peepholes")
    assert said(r"with a projection to \$P\$") == count("projected", proj_size=P)
    assert said("coupled gates") == count("coupled")
    assert said("GRU, two biases") == count("GRU")
