"""Training in two processes over gloo, as torchrun starts them, beside the same run in one."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT

torch = pytest.importorskip("torch")

import torch.distributed as dist  # noqa: E402

from lstm_course.pytorch import distributed  # noqa: E402
from lstm_course.pytorch.distributed import Run, Settings, TextModel, join, train  # noqa: E402

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
SMALL = ("--batch=4", "--window=8", "--hidden-size=5", "--seed=3")
TEXT = "the cat which already ate the fish sat on the mat; " * 10
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def call(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # joining puts the rank before errors
    join()
    yield
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path):
    script = tmp_path / "gradients.py"
    script.write_text(
        "import sys, torch\n"
        "from lstm_course.pytorch.distributed import Run, Settings, join\n"
        "torch.set_default_dtype(torch.float64)\n"
        "join()\n"
        f"run = Run({TEXT!r}, Settings(batch=6, window=8, hidden_size=5, num_layers=2, clip=1e9))\n"
        "run.update()\n"
        "run.agree()\n"
        "grads = {name: p.grad for name, p in run.model.module.named_parameters()}\n"
        "torch.save([run.world, run.losses, grads], f'{sys.argv[1]}.{run.rank}')\n"
    )
    call(script, tmp_path / "one")
    call(*TWO, script, tmp_path / "two")
    world, losses, grads = torch.load(tmp_path / "one.0")
    assert world == len(losses) == 1
    for rank in (0, 1):
        world, other, others = torch.load(tmp_path / f"two.{rank}")
        assert world == 2
        assert other == pytest.approx(losses, rel=1e-14)
        assert others.keys() == grads.keys()
        for name, grad in grads.items():
            assert grad.abs().max() > 0
            torch.testing.assert_close(others[name], grad, rtol=1e-12, atol=1e-16)


def children(pid):
    return [
        int(k) for k in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    ]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
@pytest.mark.slow
def test_a_run_whose_worker_is_killed_goes_on_and_ends_as_in_one_process(tmp_path):
    checkpoint = tmp_path / "run.pt"
    options = ("-m", "lstm_course.pytorch.distributed", *SMALL, "--steps=600", "--every=50")
    whole = call(*options, f"--checkpoint={tmp_path / 'whole.pt'}")
    torchrun = subprocess.Popen(
        [sys.executable, *TWO, "--max-restarts=1", *options, f"--checkpoint={checkpoint}"],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not checkpoint.exists():
            assert torchrun.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        workers = children(torchrun.pid)
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        printed, _ = torchrun.communicate(timeout=90)
    finally:
        torchrun.terminate()
        torchrun.communicate()
    assert torchrun.returncode == 0
    (resumed,) = re.findall(r"^going on after update (\d+)$", printed, re.MULTILINE)
    assert 0 < int(resumed) < 600
    assert printed.splitlines()[-1] == whole.splitlines()[-1]
    one, two = (torch.load(tmp_path / name) for name in ("whole.pt", "run.pt"))
    assert one["about"] == two["about"]
    torch.testing.assert_close(two["losses"], one["losses"], rtol=1e-3, atol=0)
    torch.testing.assert_close(two["model"], one["model"], rtol=0, atol=1e-3)


@pytest.mark.slow
def test_training_learns(alone):
    run = Run(TEXT, Settings(batch=8, window=16, hidden_size=16, learning_rate=0.02))
    before = run.bits()
    train(run, 60)
    assert before > 4  # of 17 characters
    assert run.bits() < 2
    assert run.losses[-1] < 0.5 * run.losses[0]


def test_an_update_waits_for_the_gradient_alone(alone):
    run = Run(TEXT, Settings(batch=2, window=8, hidden_size=3))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(run, 7, every=3)
    counts = {event.key: event.count for event in profile.key_averages()}
    assert counts["c10d::allreduce_"] == 7 + 2 * 3  # at three reports, losses and held-out loss
    assert len(run.losses) == 7


def test_a_run_goes_on_exactly_from_a_checkpoint_between_two_reports(tmp_path, alone):
    settings = Settings(batch=2, window=8, hidden_size=3)
    whole, first, second = (Run(TEXT, settings) for _ in range(3))
    train(whole, 5)
    for _ in range(2):
        first.update()
    first.save(tmp_path / "run.pt")
    second.update()  # forgotten when the checkpoint is read
    second.load(tmp_path / "run.pt")
    assert second.updates == 2
    train(second, 5)
    assert second.losses == whole.losses


def test_a_text_in_a_file_and_where_it_stops(tmp_path, capsys):
    (tmp_path / "text").write_text(TEXT)
    options = [f"--file={tmp_path / 'text'}", f"--checkpoint={tmp_path / 'run.pt'}", *SMALL]
    distributed.main([*options, "--steps=2"])
    distributed.main([*options, "--steps=3"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "update 2", "going on after update 2", "update 3",
    ]  # fmt: skip
    assert torch.load(tmp_path / "run.pt")["losses"][0] > 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.pt", "text"]


def test_a_checkpoint_of_another_run_is_refused_and_left_alone(tmp_path, alone):
    path = tmp_path / "run.pt"
    train(Run(TEXT, Settings(batch=2, window=8, hidden_size=3)), 1, checkpoint=path)
    before = path.read_bytes()
    for text, settings, sentence in (
        (TEXT, Settings(batch=2, window=8, hidden_size=3, seed=1), "with seed = 0, this run has 1"),
        (TEXT + "!", Settings(batch=2, window=8, hidden_size=3), "with characters = "),
    ):
        with pytest.raises(ValueError, match=sentence):
            train(Run(text, settings), 2, checkpoint=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_gets_a_sentence(tmp_path, alone, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run.pt is not a readable checkpoint: .+"):
        train(Run(TEXT, Settings(batch=2, window=8, hidden_size=3)), 2, checkpoint=path)
    assert path.read_bytes() == content


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path, alone, monkeypatch):
    path = tmp_path / "run.pt"
    run = Run(TEXT, Settings(batch=2, window=8, hidden_size=3))
    train(run, 1, checkpoint=path)
    before = path.read_bytes()

    def full(parts, beside):
        beside.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        train(run, 2, checkpoint=path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--file=nowhere.txt"], "nowhere.txt cannot be read: No such file or directory"),
        (["--clip=nan"], "clip must be a number above 0, got nan"),
        (["--learning-rate=0"], "learning_rate must be a number above 0, got 0.0"),
        (
            ["--checkpoint=no/such/x", "--steps=1"],
            "checkpoint is no/such/x, but its folder does not exist",
        ),
        (["--steps=0"], "steps must be at least 1, got 0"),
        (["--batch=0"], "N must be at least 1, got 0"),
        (["--window=100000"], r"text has \d+ characters, expected 1100000 or more"),
        (["--hidden-size=0"], "hidden_size must be at least 1, got 0"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        distributed.main(arguments)
    assert stopped.value.code == 2
    assert re.search(rf"error: .*{sentence}\n$", capsys.readouterr().err)
    assert not dist.is_initialized()


def test_a_batch_that_cannot_be_shared_evenly(alone, monkeypatch):
    monkeypatch.setattr(dist, "get_world_size", lambda: 3)
    with pytest.raises(ValueError, match="batch is 64, expected a multiple of the 3 processes"):
        Run(TEXT, Settings())


def test_the_model_gives_scores_for_each_character():
    assert TextModel(7, 4, 2)(torch.zeros(5, 3, dtype=torch.long)).shape == (5, 3, 7)
