"""Callbacks: what they are told, and what they make of it."""

import copy
import csv
import pickle
import warnings

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


def test_texts_in_the_log_are_no_numbers():
    assert run(["good", "bad"], C.TerminateOnNaN()).epochs == 2
    with pytest.raises(SettingError, match="EarlyStopping watches 'val_loss', no number: 'good'"):
        run(["good", "bad"], C.EarlyStopping())


def test_any_number_is_better_than_nan():
    stopping = C.EarlyStopping(patience=2)
    assert run([np.nan, 3, 2, np.nan, 1], stopping).epochs == 5
    assert stopping.best == 1


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
    for values in ([3, 2, 1], [7, 8]):  # another model begins anew
        run(values, logger)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["epoch"]) for row in rows] == list(range(1, len(values) + 1))
        assert [float(row["val_loss"]) for row in rows] == values
        assert all(float(row["loss"]) > 0 for row in rows)


def test_a_second_fit_of_the_same_model_goes_on_in_the_log(tmp_path):
    model, logger = mc.zoo.basic(), C.CSVLogger(tmp_path / "log.csv")
    for _ in range(2):
        model.fit(np.ones((4, 3)), epochs=2, verbose=0, callbacks=logger)
    assert [row.split(",")[0] for row in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", *"1234"]
    model.fit(np.ones((4, 3)), epochs=1, verbose=0, callbacks=C.CSVLogger(tmp_path / "log.csv", append=True))
    assert [row.split(",")[0] for row in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", *"12345"]
    model.fit(np.ones((4, 3)), epochs=1, verbose=0, callbacks=C.CSVLogger(tmp_path / "log.csv"))
    assert [row.split(",")[0] for row in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", "6"]


@pytest.mark.parametrize("content", ["something else\n1\n", "epoch,loss\none,2\n", "epoch\n1\n", b"\xff\xfe"])
def test_nothing_is_added_to_a_file_of_other_columns(tmp_path, content):
    path = tmp_path / "log.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(SettingError, match="use another file"):
        mc.zoo.basic().fit(np.ones((4, 3)), epochs=1, verbose=0, callbacks=C.CSVLogger(path, append=True))
    assert path.read_bytes() == before


def test_early_stopping_looks_away_at_first():
    assert run([1, 5, 4, 3, 4, 4], C.EarlyStopping(patience=2, start_from_epoch=1)).epochs == 6
    assert run([1, 5, 4, 3, 4, 4], C.EarlyStopping(patience=2)).epochs == 3


def test_early_stopping_goes_back_to_the_best_running_statistics():
    seen = []
    model = mc.Sequential([L.Dense(3), L.BatchNormalization(), L.Dense(2)], 2)
    model.compile("mse", "sgd")
    record = C.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.leaves()[1].states["mean"].copy()))
    told = [Scripted([3, 1, 2, 2]), record, C.EarlyStopping(patience=2, restore_best_weights=True)]
    model.fit(np.random.default_rng(0).random((8, 2)), epochs=4, callbacks=told, verbose=0)
    assert np.array_equal(model.leaves()[1].states["mean"], seen[1]) and not np.array_equal(seen[1], seen[3])


def test_checkpoints_of_some_epochs_and_the_newest_files(tmp_path):
    run([1] * 7, C.ModelCheckpoint(tmp_path / "{epoch}.mcae", every=2, keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0004.mcae", "0006.mcae"]
    run([1] * 2, C.ModelCheckpoint(tmp_path / "new" / "{step}", steps=1, keep=3, every=9))  # 2 updates an epoch
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["000002", "000003", "000004"]
    assert mc.load(tmp_path / "new" / "000003").optimizer.steps == 3


def test_updates_are_told_where_somebody_listens():
    told = []
    run([1, 1], C.LambdaCallback(on_step_end=told.append))
    assert told == [1, 2, 3, 4]


def test_a_plateau_and_a_schedule_would_both_set_the_rate():
    with pytest.raises(SettingError, match="would both set the learning rate"):
        run([1], C.ReduceLROnPlateau(), optimizer=optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)))


def test_a_plateau_never_raises_the_rate():
    assert (
        run([1.0] * 4, C.ReduceLROnPlateau(patience=1, min_lr=0.5), optimizer=optimizers.SGD(0.1)).optimizer.rate == 0.1
    )


ILLEGAL = [
    (lambda: C.EarlyStopping(patience=-1), "patience must be at least 0"),
    (lambda: C.EarlyStopping(patience=1.5), "patience must be a whole number"),
    (lambda: C.EarlyStopping(min_delta="x"), "min_delta must be a finite number"),
    (lambda: C.EarlyStopping(start_from_epoch=-1), "start_from_epoch must be at least 0"),
    (lambda: C.EarlyStopping(monitor=3), "monitor must be a name in the logs"),
    (lambda: C.ReduceLROnPlateau(factor="x"), "factor must be a finite number"),
    (lambda: C.ReduceLROnPlateau(min_lr=-1), "min_lr must be a finite number"),
    (lambda: C.ReduceLROnPlateau(patience=None), "patience must be a whole number"),
    (lambda: C.ModelCheckpoint(7), "path must name a file, got 7"),
    (lambda: C.ModelCheckpoint("x", every=0), "every must be at least 1"),
    (lambda: C.ModelCheckpoint("x", steps=0), "steps must be at least 1"),
    (lambda: C.ModelCheckpoint("x", keep=2), "keep=2 needs a path with {epoch} or {step}"),
    (lambda: C.ModelCheckpoint("x", save_best_only=True, steps=2), "save_best_only goes by epochs"),
    (lambda: C.ModelCheckpoint(""), "path must name a file, got ''"),
    (lambda: C.ModelCheckpoint("x-{epoch:02d}"), "without a format, got 'x-{epoch:02d}'"),
    (lambda: C.ModelCheckpoint("x-{epoch}/model"), "not in a folder's, got 'x-{epoch}/model'"),
    (lambda: C.CSVLogger(None), "path must name a file, got None"),
    (lambda: C.CSVLogger("x", append=1), "append must be True or False"),
    (lambda: C.LambdaCallback(on_epoch_end=3), "on_epoch_end must be a function"),
    (lambda: C.BetaWarmup(0), "epochs must be at least 1"),
]


@pytest.mark.parametrize("make, message", ILLEGAL)
def test_illegal_settings_are_refused_when_the_callback_is_made(make, message):
    with pytest.raises(SettingError, match=message):
        make()


@pytest.mark.parametrize("make", [C.ModelCheckpoint, C.CSVLogger])
def test_a_place_that_cannot_be_written_is_refused_before_training(make, tmp_path):
    (tmp_path / "file").write_text("")
    told = []
    with pytest.raises(SettingError, match="cannot be written"):
        run([1], C.LambdaCallback(on_epoch_end=lambda *_: told.append(1)), make(tmp_path / "file" / "below"))
    with pytest.raises(SettingError, match="it is a folder, give the name of a file"):
        run([1], C.LambdaCallback(on_epoch_end=lambda *_: told.append(1)), make(tmp_path))
    assert not told


def test_a_log_whose_folder_is_gone_is_told_of_in_one_line(tmp_path):
    folder = tmp_path / "logs"
    remove = C.LambdaCallback(on_epoch_end=lambda *_: folder.rmdir())
    with pytest.raises(SettingError, match=r"log.csv cannot be written: No such file"):
        run([1], remove, C.CSVLogger(folder / "log.csv"))


def test_dead_units_are_told_of_once():
    model = mc.Sequential([L.Dense(4, "relu"), L.Dense(2)], 2)
    model.compile("mse", optimizers.SGD(0.0))
    x = np.random.default_rng(0).random((64, 2))

    def fit(dead):
        biases = [-9.0] * dead + [1.0] * (4 - dead)
        model.set_weights([np.ones((2, 4)), np.array(biases), *model.get_weights()[2:]])
        model.fit(x, x, epochs=6, verbose=0)

    with pytest.warns(
        UserWarning, match=r"dead units: 2 of 4 units of sequential\[0\] .* all of 256 images up to epoch 4"
    ) as seen:
        fit(2)
    assert len(seen) == 1 and seen[0].filename == __file__
    with pytest.warns(UserWarning, match="dead units: 4 of 4 .* 64 images up to epoch 7"):
        fit(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(1)


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


def test_the_history_of_a_training_that_does_not_end_well_is_kept():
    def fail(epoch, logs):
        if epoch == 2:
            raise RuntimeError

    model = mc.Sequential([L.Dense(2)], 2)
    model.compile()
    with pytest.raises(RuntimeError):
        model.fit(np.ones((4, 2)), verbose=0, callbacks=C.LambdaCallback(on_epoch_end=fail))
    assert model.history.epoch == [1, 2] and len(model.history["loss"]) == 2


def test_all_are_told_of_the_end_also_when_one_fails_then():
    told = []

    def fail():
        told.append("first")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run([1], C.LambdaCallback(on_train_end=fail), C.LambdaCallback(on_train_end=lambda: told.append("second")))
    assert told == ["first", "second"]


def test_a_model_cannot_be_fitted_or_compiled_by_its_own_callback():
    for verb in (lambda model: model.fit(np.ones((4, 2)), verbose=0), lambda model: model.compile()):

        class Act(C.Callback):
            def on_epoch_end(self, epoch, logs, verb=verb):
                verb(self.model)

        with pytest.raises(SettingError, match="this model is being fitted"):
            run([1], Act())


def test_a_copy_made_by_a_callback_is_a_model_of_its_own():
    copies = []

    class Keep(C.Callback):
        def on_epoch_end(self, epoch, logs):
            copies.append((copy.deepcopy(self.model), pickle.loads(pickle.dumps(self.model))))

    model = run([1, 1], Keep(), C.LambdaCallback(on_epoch_end=lambda *_: None))  # a function that pickle refuses
    for pair in copies:
        for twin in pair:
            assert twin.trainer.loop is None
            twin.fit(np.random.default_rng(0).random((8, 2)), epochs=2 - twin.epochs, batch_size=4, verbose=0)
            assert all(np.array_equal(a, b) for a, b in zip(twin.get_weights(), model.get_weights()))
