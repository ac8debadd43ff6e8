"""Callbacks: what they are told, and what they make of it."""

import csv

import numpy as np
import pytest

import minicae as mc
from minicae import callbacks as C
from minicae import layers as L
from minicae import optimizers, schedules
from minicae.errors import SettingError


class Scripted(C.Callback):
    """Puts chosen numbers in the log, before the callbacks that follow."""

    def __init__(self, values, key="val_loss"):
        self.values, self.key = values, key

    def on_epoch_end(self, epoch, logs):
        logs[self.key] = self.values[epoch - 1]


def run(values, *callbacks, optimizer="sgd", epochs=None):
    model = mc.Sequential([L.Dense(2)], 2)
    model.compile("mse", optimizer)
    x = np.random.default_rng(0).random((8, 2))
    model.fit(x, epochs=epochs or len(values), batch_size=4, callbacks=[Scripted(values), *callbacks], verbose=0)
    return model


def test_the_order_of_calls():
    told = []
    callback = C.LambdaCallback(
        on_train_begin=lambda: told.append("begin"),
        on_epoch_end=lambda epoch, logs: told.append((epoch, sorted(logs))),
        on_train_end=lambda: told.append("end"),
    )
    model = run([1, 1], callback)
    keys = ["learning_rate", "loss", "penalty", "reconstruction", "seconds", "val_loss"]
    assert told == ["begin", (1, keys), (2, keys), "end"]
    assert callback.model is model


def test_a_single_callback_needs_no_list():
    model = mc.Sequential([L.Dense(2)], 2)
    model.compile()
    told = []
    model.fit(np.ones((4, 2)), epochs=2, verbose=0, callbacks=C.LambdaCallback(on_train_end=lambda: told.append(1)))
    assert told == [1]


@pytest.mark.parametrize(
    "values, options, stopped",
    [
        ([5, 4, 3, 2, 1], {}, 5),
        ([5, 4, 4, 4, 4, 4], {"patience": 2}, 4),
        ([5, 6, 4, 6, 6, 3], {"patience": 2}, 5),
        ([5, 4.95, 4.9, 4.85], {"patience": 2, "min_delta": 0.2}, 3),
        ([1, 2, 3, 3, 3, 3], {"patience": 2, "mode": "max"}, 5),
        ([np.nan] * 6, {"patience": 2}, 3),
    ],
)
def test_early_stopping(values, options, stopped):
    assert run(values, C.EarlyStopping(**options)).epochs == stopped


def test_early_stopping_goes_back_to_the_best_weights():
    seen = []
    record = C.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(record.model.get_weights()))
    stop = C.EarlyStopping(patience=2, restore_best_weights=True)
    model = run([3, 1, 2, 2, 2], record, stop)
    assert model.epochs == 4
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[1]))
    assert not np.array_equal(model.get_weights()[0], seen[3][0])
    kept = run([3, 1, 2, 2, 2], C.EarlyStopping(patience=2))
    assert np.array_equal(kept.get_weights()[0], seen[3][0])


def test_training_can_go_on_after_a_stop():
    model = run([1, 1, 1, 1], C.EarlyStopping(patience=1))
    assert model.epochs == 2 and model.stop_training
    model.fit(np.ones((4, 2)), epochs=2, verbose=0)
    assert model.epochs == 4


def test_watching_what_is_not_there():
    for callback in (
        C.EarlyStopping("val_mae"),
        C.ReduceLROnPlateau("val_mae"),
        C.ModelCheckpoint("x", "val_mae", True),
    ):
        with pytest.raises(SettingError, match="watches 'val_mae', and there is only loss"):
            run([1], callback)
    with pytest.raises(SettingError, match="'min' or 'max'"):
        C.EarlyStopping(mode="least")
    for factor in (0, 1, -0.5, 2):
        with pytest.raises(SettingError, match="factor"):
            C.ReduceLROnPlateau(factor=factor)


def test_checkpoints_of_every_epoch_and_of_the_best(tmp_path):
    seen = []
    record = C.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(record.model.get_weights()))
    every = C.ModelCheckpoint(tmp_path / "every")
    best = C.ModelCheckpoint(tmp_path / "best", save_best_only=True)
    run([3, 1, 2], record, every, best)
    for name, epoch in (("every", 3), ("best", 2)):
        model = mc.load(tmp_path / name)
        assert model.epochs == epoch
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[epoch - 1]))


def test_the_learning_rate_falls_on_a_plateau():
    rates = []
    record = C.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(record.model.optimizer.rate))
    plateau = C.ReduceLROnPlateau(factor=0.1, patience=2, min_lr=0.002)
    model = run([1.0] * 8, plateau, record, optimizer=optimizers.SGD(0.1))
    assert np.allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.002, 0.002, 0.002, 0.002])
    assert repr(model.optimizer) == "SGD(0.002)"


def test_a_schedule_is_shown_in_the_log():
    model = mc.Sequential([L.Dense(2)], 2)
    model.compile("mse", optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)))
    logs = model.fit(np.ones((8, 2)), epochs=3, batch_size=4, verbose=0).history
    assert np.allclose(logs["learning_rate"], [0.05, 0.025, 0.0125])  # of the next update, after 2, 4 and 6


def test_the_csv_log(tmp_path):
    logger = C.CSVLogger(tmp_path / "log.csv")
    for values in ([3, 2, 1], [7, 8]):  # a second training begins anew
        run(values, logger)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["epoch"]) for row in rows] == list(range(1, len(values) + 1))
        assert [float(row["val_loss"]) for row in rows] == values
        assert all(float(row["loss"]) > 0 for row in rows)


def test_callbacks_of_your_own():
    class Halve(C.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.optimizer.learning_rate /= 2

    assert run([1, 1, 1], Halve(), optimizer=optimizers.SGD(0.8)).optimizer.rate == 0.1


def test_callbacks_that_had_begun_are_told_of_the_end_when_a_later_one_fails_to_begin():
    told = []

    def fail():
        raise RuntimeError

    first = C.LambdaCallback(on_train_end=lambda: told.append("first"))
    second = C.LambdaCallback(on_train_begin=fail, on_train_end=lambda: told.append("second"))
    model = mc.zoo.basic()
    with pytest.raises(RuntimeError):
        model.fit(np.ones((4, 3), np.float32), callbacks=[first, second], verbose=0)
    assert told == ["first"]
