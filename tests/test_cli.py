"""The command line, as its users meet it: what it writes, what it says, and one line for every mistake."""

import csv
import io
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import minicae as mc
from minicae import cli
from minicae.commands import NAMES as COMMANDS
from minicae.commands import _shared

SMALL = ["--filters", "2,3", "--code", "4", "--epochs", "1", "--batch-size", "16"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty folder to work in, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINICAE_DATA", raising=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Runs a command; gives its exit code, what it printed and what it complained."""

    def command(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return command


def images(*shape, dtype=np.float32):
    """Smooth random images in 0..1, or in 0..255 for bytes."""
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    phases = 6 * np.random.default_rng(0).random((shape[0], 1, 1))
    waves = (1 + np.sin(rows / 2 + phases) * np.cos(columns / 3 + phases)) / 2
    waves = np.broadcast_to(waves.reshape(waves.shape + (1,) * (len(shape) - 3)), shape)
    return (255 * waves).astype(dtype) if dtype == np.uint8 else waves.astype(dtype)


def is_picture(path):
    """Whether a file is a PNG that shows more than one colour."""
    from matplotlib.image import imread

    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and imread(path)[..., :3].std() > 0.05


def test_the_demo_beats_the_mean_image_and_writes_what_it_says(run, elsewhere):
    code, said, complaint = run("demo", "--images", 1500, "--epochs", 2, "--out", "seen")
    assert code == 0 and complaint == ""
    files = [elsewhere / "seen" / name for name in ("model.minicae", "demo.png", "history.csv")]
    assert all(f"seen/{file.name}" in said and file.is_file() for file in files)
    assert is_picture(files[1])
    error, baseline = map(float, re.search(r"test MSE (\S+), mean image (\S+):", said).groups())
    assert error < 0.6 * baseline
    assert run("reconstruct", "seen/model.minicae", "--data", "glyphs", "--count", 20, "--out", "seen")[0] == 0
    assert np.load("seen/reconstructions.npy").shape == (20, 28, 28, 1)


def test_the_demo_gives_the_same_model_for_the_same_seed(run):
    for out, seed in ("a", 1), ("b", 1), ("c", 2):
        assert run("demo", "--images", 100, "--epochs", 1, "--out", out, "--seed", seed)[0] == 0
    a, b, c = (np.concatenate([w.ravel() for w in mc.load(f"{out}/model.minicae").get_weights()]) for out in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_train_tests_on_the_last_tenth_and_reports_both_errors(run, elsewhere):
    x = images(60, 8, 8)
    np.save("x.npy", x)
    code, said, _ = run("train", "--data", "x.npy", *SMALL, "--epochs", 2, "--val", 0.2, "--out", "new/folder")
    assert code == 0 and "54 images of 8x8x1 to train on, 6 to test on" in said
    model = mc.load("new/folder/model.minicae")
    test, mean = x[54:, ..., None], x[:54].mean(0, dtype=float)[..., None]
    error, baseline = np.square(model.reconstruct(test) - test).mean(), np.square(mean - test).mean()
    assert f"test MSE {error:.5f}, mean image {baseline:.5f}" in said
    assert is_picture(elsewhere / "new/folder/training.png")
    rows = list(csv.DictReader((elsewhere / "new/folder/history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"] and {"loss", "val_loss"} <= rows[0].keys()


def test_options_reach_the_model(run):
    np.save("x.npy", images(40, 8, 8))
    settings = [
        "--last-kernel",
        1,
        "--interpolation",
        "bilinear",
        "--loss",
        "mae",
        "--learning-rate",
        0.01,
        "--seed",
        7,
    ]
    assert run("train", "--data", "x.npy", *SMALL, *settings, "--out", ".")[0] == 0
    model = mc.load("model.minicae")
    assert (model.seed, model.optimizer.learning_rate, type(model.loss).__name__) == (7, 0.01, "MeanAbsoluteError")
    assert model.encoder.output_shape == (4,)
    assert "UpSampling2D(interpolation='bilinear')" in repr(model) and "Conv2D(1, 1" in repr(model)


@pytest.mark.parametrize("model", ["basic", "stacked"])
def test_dense_models_take_vectors_and_flatten_images(run, model):
    np.save("vectors.npy", np.random.default_rng(0).standard_normal((50, 9)))
    np.save("images.npy", images(50, 3, 3))
    for name in ("vectors", "images"):
        code, _, complaint = run(
            "train", "--data", f"{name}.npy", "--model", model, "--sizes", "9,4,2", "--epochs", 1, "--out", name
        )
        assert code == 0, complaint
        assert mc.load(f"{name}/model.minicae").input_shape == (9,)
        assert run("reconstruct", f"{name}/model.minicae", "--data", "images.npy", "--out", name)[0] == 0
        assert np.load(f"{name}/reconstructions.npy").shape == (50, 9)


def test_the_networks_take_their_own_sizes_without_being_told(run):
    for model, size in ("basic", 3), ("stacked", 5), ("stacked", 120):
        np.save("x.npy", np.random.default_rng(0).standard_normal((40, size)))
        assert run("train", "--data", "x.npy", "--model", model, "--epochs", 1, "--out", ".")[0] == 0
        assert mc.load("model.minicae").encoder.output_shape == ({3: 2, 5: 2, 120: 30}[size],)


@pytest.mark.parametrize("model", ["denoising", "sparse", "contractive", "variational"])
def test_the_variants_take_vectors_and_images(run, model):
    np.save("vectors.npy", np.random.default_rng(0).random((40, 9)))
    np.save("images.npy", images(40, 4, 4))
    common = "--model", model, "--code", 3, "--widths", "4", "--epochs", 1, "--batch-size", 16
    for name, kind, shape in (
        ("vectors", "dense", (9,)),
        ("images", "dense", (4, 4, 1)),
        ("images", "convolutional", (4, 4, 1)),
    ):
        code, _, complaint = run("train", "--data", f"{name}.npy", *common, "--kind", kind, "--out", "out")
        assert code == 0, complaint
        trained = mc.load("out/model.minicae")
        assert trained.input_shape == shape and trained.encoder.output_shape == (3,)
        assert any(isinstance(leaf, mc.layers.Conv2D) for leaf in trained.leaves()) == (kind == "convolutional")
    code, _, complaint = run(
        "train", "--data", "vectors.npy", "--model", model, "--kind", "convolutional", "--out", "."
    )
    assert code == 1 and "--kind convolutional needs images, the data are vectors of 9: try dense" in complaint


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_a_conditional_model_is_told_the_labels_of_the_file(run, kind):
    x, y = images(60, 4, 4), np.arange(60) % 3
    np.savez("x.npz", x=x, y=y)
    np.savez("split.npz", x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])
    options = *("--model", "conditional_variational", "--kind", kind), *("--code", 2, "--widths", "4", "--epochs", 2)
    for data, tested in ("x.npz", 54), ("split.npz", 50):
        code, said, complaint = run("train", "--data", data, *options, "--val", 0.2, "--out", "out")
        assert code == 0, complaint
        model = mc.load("out/model.minicae")
        assert model.output_shape == (4, 4, 1) and model.encoder.output_shape == (2 + 3,)
        given = mc.conditioned(x[tested:, ..., None], y[tested:])
        assert f"test MSE {model.reconstruction_error(given).mean():.5f}" in said
    assert run("reconstruct", "out/model.minicae", "--data", "x.npz", "--count", 2, "--out", "out")[0] == 0
    given = mc.conditioned(x[:2, ..., None], y[:2])
    assert np.array_equal(np.load("out/reconstructions.npy"), model.reconstruct(given))
    np.save("x.npy", x)
    np.savez("text.npz", x=x, y=y.astype(str))
    for command in (("train", *options), ("reconstruct", "out/model.minicae")):
        for data, words in ("x.npy", "needs the class of each sample"), ("text.npz", "whole numbers from 0"):
            code, _, complaint = run(*command, "--data", data, "--out", "no")
            assert code == 1 and words in complaint and complaint.count("\n") == 1, complaint


def test_bytes_are_scaled_aloud(run):
    np.save("x.npy", images(30, 8, 8, dtype=np.uint8))
    code, _, said = run("train", "--data", "x.npy", *SMALL, "--out", ".")
    assert code == 0 and "note: x.npy has bytes: scaled to 0..1 by 1/255" in said
    assert run("reconstruct", "model.minicae", "--data", "x.npy", "--out", ".")[0] == 0
    assert np.load("reconstructions.npy").max() <= 1


def test_colour_images_and_values_outside_0_to_1(run, elsewhere):
    np.save("x.npy", 3 * images(30, 8, 8, 3) - 1)
    code, said, _ = run("train", "--data", "x.npy", *SMALL, "--out", ".")
    assert code == 0 and "not in 0..1: the loss is mse" in said
    assert is_picture(elsewhere / "training.png")
    code, _, complaint = run("train", "--data", "x.npy", *SMALL, "--loss", "bce", "--out", ".")
    assert code == 1 and "targets in 0..1" in complaint and "Traceback" not in complaint


@pytest.mark.parametrize(
    "arrays, samples",
    [
        ({"x": 30, "other": 5}, (27, 3)),
        ({"x_train": 30, "y_train": 30}, (27, 3)),
        ({"x_train": 30, "x_test": 4, "y_test": 4}, (30, 4)),
        ({"arr_0": 30, "arr_1": 5}, (27, 3)),
        ({"whatever": 30}, (27, 3)),
    ],
)
def test_npz_files(run, arrays, samples):
    content = {name: np.arange(n) % 3 if name[0] == "y" else images(n, 8, 8) for name, n in arrays.items()}
    np.savez("x.npz", **content)
    code, said, complaint = run("train", "--data", "x.npz", *SMALL, "--out", ".")
    assert code == 0, complaint
    assert "{} images of 8x8x1 to train on, {} to test on".format(*samples) in said


def spoil(kind):
    """Writes a file that cannot be used; gives its name."""
    name = f"{kind}.npz" if kind in ("keys", "empty") else f"{kind}.npy"
    if kind == "keys":
        np.savez(name, a=images(9, 8, 8), b=images(9, 8, 8))
    elif kind == "empty":
        np.savez(name)
    elif kind == "objects":
        np.save(name, np.array([{}, {}], object), allow_pickle=True)
    elif kind == "text":
        np.save(name, np.full((9, 4), "a"))
    elif kind == "garbage":
        Path(name).write_bytes(b"no array at all")
    elif kind == "flat":
        np.save(name, np.zeros(9))
    elif kind == "none":
        np.save(name, np.zeros((0, 8, 8)))
    elif kind == "one":
        np.save(name, images(1, 8, 8))
    elif kind == "odd":
        np.save(name, images(30, 9, 7))
    elif kind == "nan":
        np.save(name, np.full((30, 8, 8), np.nan))
    return name


@pytest.mark.parametrize(
    "kind, wanted",
    [
        ("keys", "holds a, b: call the samples x, x_train or arr_0"),
        ("empty", "is empty"),
        ("objects", "cannot be read"),
        ("text", "numbers of shape"),
        ("garbage", "cannot be read"),
        ("flat", "numbers of shape"),
        ("none", "numbers of shape"),
        ("one", "has one sample"),
        ("missing", "No such file"),
        ("odd", "9x7"),
        ("nan", "not finite"),
    ],
)
def test_data_that_cannot_be_used(run, kind, wanted):
    code, _, complaint = run("train", "--data", spoil(kind), *SMALL, "--out", ".")
    assert code == 1 and wanted in complaint
    assert complaint.startswith("minicae train: ") and "Traceback" not in complaint


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ("train --epochs x", "minicae train: --epochs must be a whole number of at least 1, got 'x'"),
        ("train --epochs 0", "minicae train: --epochs must be a whole number of at least 1, got '0'"),
        ("train --batch-size 1.5", "minicae train: --batch-size must be a whole number of at least 1, got '1.5'"),
        ("demo --seed -1", "minicae demo: --seed must be a whole number of at least 0, got '-1'"),
        ("train --val 1", "minicae train: --val must be in 0..1, 1 excluded, got '1'"),
        ("train --learning-rate nan", "minicae train: --learning-rate must be a number above 0, got 'nan'"),
        ("train --filters 8,,8", "--filters must be whole numbers of at least 1, such as 64,128,256, got '8,,8'"),
        (
            "train --data x.csv",
            "--data must be glyphs, mnist, fashion-mnist or a file ending in .npy or .npz, got 'x.csv'",
        ),
        ("train --model vae", "'variational', 'conditional_variational', got 'vae'"),
        ("train --data glyphs --epochs", "minicae train: --epochs: expected one argument"),
        ("train", "minicae train: the following arguments are required: --data"),
        ("teach", f"minicae: COMMAND must be one of {', '.join(COMMANDS)}, got 'teach'"),
        ("demo --hurry", "minicae: unrecognized arguments: --hurry"),
    ],
)
def test_a_wrong_argument_gets_one_line(run, arguments, complaint):
    code, said, got = run(*arguments.split())
    assert code == 2 and said == "" and got.count("\n") == 1
    # how Python quotes choices depends on its version
    assert complaint.replace("'", "") in got.replace("'", "")


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ("--model stacked --filters 3", "--filters has no meaning for --model stacked"),
        ("--model basic --loss mse", "--loss has no meaning for --model basic"),
        ("--model stacked --sizes 10,3", "--sizes must begin with 64"),
        ("--model basic", "--sizes must begin with 64"),
        ("--model convolutional --sizes 3,2", "--sizes has no meaning for --model convolutional"),
    ],
)
def test_options_that_do_not_fit_the_model(run, arguments, complaint):
    np.save("x.npy", images(20, 8, 8))
    code, _, got = run("train", "--data", "x.npy", *arguments.split(), "--out", ".")
    assert code == 1 and complaint in got and got.count("\n") == 1


def test_vectors_are_not_images(run):
    np.save("x.npy", np.zeros((20, 6)))
    code, _, complaint = run("train", "--data", "x.npy", "--out", ".")
    assert code == 1 and "needs images, the data are vectors of 6" in complaint


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_trained(run, monkeypatch):
    monkeypatch.setattr(_shared, "fit", lambda *arguments: pytest.fail("trained"))
    Path("taken").touch()
    for out in ("taken", "taken/below"):
        code, _, complaint = run("demo", "--images", 50, "--out", out)
        assert (
            code == 1
            and complaint.count("\n") == 1
            and complaint.startswith(f"minicae demo: the folder {out} cannot be")
        )


def test_a_model_that_is_none(run):
    np.save("x.npy", images(20, 8, 8))
    Path("bad.minicae").write_text("?")
    for name in ("bad.minicae", "missing.minicae"):
        code, _, complaint = run("reconstruct", name, "--data", "x.npy")
        assert code == 1 and name in complaint and "Traceback" not in complaint
    chain = mc.Sequential([mc.layers.Flatten()], input_shape=(8, 8, 1), backend="reference")
    chain.save("chain.minicae")
    code, _, complaint = run("reconstruct", "chain.minicae", "--data", "x.npy")
    assert code == 1 and "an Autoencoder is needed" in complaint


def test_samples_of_another_size(run):
    np.save("x.npy", images(20, 8, 8))
    np.save("larger.npy", images(20, 10, 10))
    assert run("train", "--data", "x.npy", *SMALL, "--out", ".")[0] == 0
    code, _, complaint = run("reconstruct", "model.minicae", "--data", "larger.npy", "--out", ".")
    assert code == 1 and "(20, 10, 10, 1)" in complaint


@pytest.mark.parametrize(
    "fault, code, wanted", [(KeyboardInterrupt(), 130, "interrupted"), (MemoryError("too large"), 1, "too large")]
)
def test_an_interruption_and_a_lack_of_memory_get_one_line(run, monkeypatch, fault, code, wanted):
    def fail(*arguments):
        raise fault

    monkeypatch.setattr(_shared, "fit", fail)
    got, _, complaint = run("demo", "--images", 50)
    assert got == code and complaint == f"minicae demo: {wanted}\n"


def test_a_reader_who_leaves_early_is_no_fault(monkeypatch, capsys):
    def leave(*arguments):
        raise BrokenPipeError

    monkeypatch.setattr(_shared, "fit", leave)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert cli.main(["demo", "--images", "50"]) == 0
    assert capsys.readouterr().err == ""


def test_warnings_are_notes(run, monkeypatch):
    monkeypatch.setattr(_shared, "fit", lambda *arguments: warnings.warn("mind the gap", stacklevel=1))
    code, _, complaint = run("demo", "--images", 50)
    assert code == 0 and complaint == "note: mind the gap\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_parses(run, command):
    code, said, _ = run(command, "--help")
    assert code == 0
    example = said.split("example:\n")[1].split()
    assert example[:2] == ["minicae", command]
    assert cli._parser().parse_args(example[1:]).command == command


def test_help_names_the_commands_and_version_the_version(run):
    for arguments in ((), ("--help",)):
        code, said, _ = run(*arguments)
        assert code == 0 and all(command in said for command in COMMANDS)
    assert run("--version") == (0, f"minicae {mc.__version__}\n", "")


def test_gradcheck_prints_a_table_and_fails_where_a_gradient_is_wrong(run, monkeypatch):
    from minicae.inspection import catalogue

    class Wrong(mc.layers.Dense):
        def backward(self, dy):
            return 1.01 * super().backward(dy)

    x = np.random.default_rng(0).standard_normal((3, 4))
    right = catalogue.Case("right", mc.layers.Dense(2), x)
    monkeypatch.setattr(catalogue, "cases", lambda: [right])
    code, said, _ = run("gradcheck", "--backend", "reference")
    assert code == 0 and "ok" in said and "1 of 1 ok" in said and "x 3x4, w 4x2, b 2" in said
    monkeypatch.setattr(catalogue, "cases", lambda: [right, catalogue.Case("wrong", Wrong(2), x)])
    code, said, _ = run("gradcheck", "--backend", "reference")
    assert code == 1 and "1 of 2 ok" in said
    assert [line.split()[0] for line in said.splitlines() if line.endswith("wrong")] == ["FAIL"]


def test_gradcheck_of_a_backend_that_is_not_there(run, monkeypatch):
    code, _, complaint = run("gradcheck", "--backend", "tpu")
    assert code == 2 and "must be one of" in complaint


def test_doctor_prints_its_findings_and_fails_with_them(run, monkeypatch):
    from minicae.inspection import doctor

    findings = [doctor.Finding("python", "3"), doctor.Finding("kernels", "wrong", ok=False)]
    monkeypatch.setattr(doctor, "examine", lambda: findings[:1])
    assert run("doctor")[0] == 0
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    code, said, _ = run("doctor")
    assert code == 1 and "kernels    FAIL wrong" in said


def test_as_a_program(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(mc.__file__).parents[1]))

    def program(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "minicae", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    assert "minicae demo" in program("--help")
    assert "minicae-out/demo.png" in program("demo", "--images", "200", "--epochs", "1")


@pytest.mark.parametrize("model", ["basic", "stacked"])
def test_bench_shows_where_the_time_goes(run, model):
    code, said, complaint = run("bench", "--model", model, "--batch", 8)
    assert code == 0 and complaint == ""
    assert said.startswith(f"8 samples of {({'basic': 3, 'stacked': 5})[model]}, ")
    assert "adam_step" in said and "between kernels" in said and "of peak" in said
