"""Ctrl-C: the update under way ends, what was asked for is saved, the exit code is 130; a second one stops at once."""

import os
import pathlib
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import minicae as mc
from minicae import callbacks as C
from minicae import layers as L

ROOT = pathlib.Path(__file__).parents[2]
X = np.random.default_rng(0).random((40, 5), np.float32)


def model(seed=0):
    made = mc.Sequential([L.Dense(4, "tanh"), L.Dense(5)], 5, seed=seed)
    made.compile("mse", "adam")
    return made


class PressAt(C.Callback):
    """Presses Ctrl-C right behind an update, `times` times."""

    def __init__(self, step, times=1):
        self.step, self.times = step, times

    def on_step_end(self, step):
        if step == self.step:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


class PressInside(L.Layer):
    """Presses Ctrl-C in the middle of a forward pass."""

    def __init__(self, call):
        self.call, self.count = call, 0

    def build(self, input_shape):
        return input_shape

    def forward(self, x, training=False):
        self.count += training
        if training and self.count == self.call:
            signal.raise_signal(signal.SIGINT)
        return x

    def backward(self, dy):
        return dy


def fit(made, *told, **options):
    return made.fit(X, epochs=3, batch_size=8, callbacks=list(told), verbose=0, **options)


@pytest.mark.parametrize("step", [1, 4, 5, 6, 15])
def test_what_is_saved_goes_on_as_if_nothing_had_happened(tmp_path, step, capfd):
    whole = model()
    want = fit(whole, PressAt(0), C.ModelCheckpoint(tmp_path / "whole"))
    stopped = model()
    with pytest.raises(
        KeyboardInterrupt, match=f"interrupted after epoch {(step - 1) // 5 + 1}, step {(step - 1) % 5 + 1}"
    ):
        fit(stopped, PressAt(step), C.ModelCheckpoint(tmp_path / "stopped"))
    assert "once more stops at once" in capfd.readouterr().err
    assert stopped.optimizer.steps == step
    again = model(seed=1)
    got = fit(again, PressAt(0), C.ModelCheckpoint(tmp_path / "again"), resume=tmp_path / "stopped")
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), whole.get_weights()))
    assert got.history["loss"] == want.history["loss"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_step_under_way_is_finished():
    made = mc.Sequential([L.Dense(4), PressInside(7), L.Dense(5)], 5)
    made.compile("mse", "adam")
    with pytest.raises(KeyboardInterrupt):
        fit(made)
    assert made.optimizer.steps == 7 and not made.trainer.fitting
    fit(made)  # and the model can be trained on


def test_the_second_one_stops_at_once(tmp_path):
    made = model()
    with pytest.raises(KeyboardInterrupt, match="in the middle of a step"):
        fit(made, PressAt(3, times=2), C.ModelCheckpoint(tmp_path / "model"))
    assert not (tmp_path / "model").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and not made.trainer.fitting


def test_the_best_is_not_overwritten_by_what_is_not_known_to_be_better(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(model(), PressAt(7), C.ModelCheckpoint(tmp_path / "best", "loss", save_best_only=True))
    assert mc.load(tmp_path / "best").optimizer.steps == 5


def test_handlers_of_others_and_other_threads_are_left_alone():
    seen = []
    usual = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        fit(model(), PressAt(2))
        assert seen == [1]
    finally:
        signal.signal(signal.SIGINT, usual)
    done = []
    thread = threading.Thread(target=lambda: done.append(fit(model())))
    thread.start()
    thread.join()
    assert len(done[0].epoch) == 3


def test_the_command_line_saves_and_exits_with_130_and_resumes(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((4000, 64), np.float32))
    out, environment = tmp_path / "out", os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "minicae", "train", "--data", str(tmp_path / "x.npy"), "--model", "stacked"]
    command += ["--batch-size", "4", "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--epochs", "1000"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGINT)
            break
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    last = error.splitlines()[-1]
    assert last.startswith("minicae train: interrupted after epoch") and "--resume" in last
    saved = mc.load(out / "model.minicae")
    epochs = saved.epochs + 1
    run = subprocess.run(
        [*command, "--epochs", str(epochs), "--resume"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert f"epoch {epochs}/{epochs}" in run.stdout and "epoch 1/" not in run.stdout
    assert mc.load(out / "model.minicae").epochs == epochs
    logged = [int(row.split(",")[0]) for row in (out / "history.csv").read_text().splitlines()[1:]]
    assert logged == list(range(1, epochs + 1))
