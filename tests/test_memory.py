"""Memory: aligned arrays, and work that would not fit refused before it is begun."""

import resource
import subprocess
import sys

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import memory
from minicae.errors import SettingError


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(), 7, (3, 5), (0, 4)])
def test_aligned_arrays_begin_on_a_line(shape, dtype):
    array = memory.aligned(shape, dtype)
    assert array.shape == np.empty(shape).shape and array.dtype == dtype and array.flags.c_contiguous
    assert array.size == 0 or array.ctypes.data % memory.LINE == 0


def test_what_is_left_is_told_by_linux_or_by_nobody(tmp_path, monkeypatch):
    left = memory.available()
    assert left is None or 1 << 20 < left < 1 << 50
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    assert memory.available() == 4_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() == pytest.approx(left, rel=0.5) if left else memory.available() is None


def test_where_nobody_tells_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.require(1 << 60, "anything", "do nothing")
    monkeypatch.setattr(memory, "available", lambda: 1 << 59)
    with pytest.raises(
        SettingError, match="anything would take 1073741824.0 GiB of memory, 536870912.0 are left: do nothing"
    ):
        memory.require(1 << 60, "anything", "do nothing")


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 300 << 20)


def test_small_work_is_not_held_up(small_machine):
    model = mc.zoo.basic()
    model.fit(np.ones((4, 3)), epochs=1, verbose=0)
    model.predict(np.ones((4, 3)))


def test_a_model_that_is_too_large(small_machine):
    with pytest.raises(
        SettingError, match=r"100,010,000 parameters .* take 0.7 GiB of memory, 0.3 are left: .* smaller"
    ):
        mc.Sequential([L.Dense(10_000)], 10_000)


def test_a_batch_that_is_too_large(small_machine):
    model = mc.Sequential([L.UpSampling2D(64), L.Conv2D(1, 3), L.MaxPooling2D(64)], (4, 4, 1))
    model.compile("mse", "sgd")
    x = np.zeros((2000, 4, 4, 1), np.float32)
    with pytest.raises(SettingError, match="a step of 2000 samples would take 2.0 GiB of memory, 0.3 are left"):
        model.fit(x, batch_size=2000, verbose=0)
    with pytest.raises(SettingError, match="a step of 2000 samples"):
        model.train_on_batch(x)
    with pytest.raises(SettingError, match="a prediction for 2000 samples in batches of 1500 would take"):
        model.predict(x, batch_size=1500)
    with pytest.raises(SettingError, match="an evaluation of 2000 samples at a time would take 1.0 GiB"):
        model.evaluate(x, batch_size=2000)
    assert model.fit(x[:40], epochs=1, batch_size=20, verbose=0).epoch == [1]


def test_memory_that_a_model_has_already_is_not_asked_for_again(monkeypatch):
    left = 1 << 40
    monkeypatch.setattr(memory, "available", lambda: left)
    model = mc.Sequential([L.UpSampling2D(64), L.Conv2D(1, 3), L.MaxPooling2D(64)], (4, 4, 1))
    model.compile("mse", "sgd")
    x = np.zeros((100, 4, 4, 1), np.float32)
    settings = {"epochs": 1, "batch_size": 100, "validation_data": x, "verbose": 0}
    model.fit(x, **settings)
    left = 0
    model.fit(x, **settings)
    model.evaluate(x, batch_size=100)
    model.predict(x, batch_size=100)
    with pytest.raises(SettingError, match="a step of 300 samples"):
        model.fit(np.concatenate([x] * 3), **settings | {"batch_size": 300})


def test_outputs_that_are_too_many(small_machine):
    model = mc.Sequential([L.UpSampling2D(64)], (4, 4, 1))
    with pytest.raises(SettingError, match="a prediction for 2000 samples .* give fewer samples at a time"):
        model.predict(np.zeros((2000, 4, 4, 1), np.float32), batch_size=1)


@pytest.mark.skipif(memory.available() is None, reason="nobody tells how much memory there is")
def test_a_process_of_limited_memory_gets_the_figures_and_no_traceback():
    program = "import minicae as mc\nfrom minicae import layers as L\nmc.Sequential([L.Dense(10**7)], 10**7)"
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # noqa: E731
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=limit, timeout=120)
    last = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1 and "SettingError: 100,000,010,000,000 parameters" in last
