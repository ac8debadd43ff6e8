"""The page's kernels, in JavaScript, are held to the layers of minicae: every class of layers, and whole networks."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import minicae as mc
from minicae import explore
from minicae import layers as L
from minicae.config import from_config
from minicae.errors import SettingError
from minicae.explore.program import TRANSLATIONS, Program
from minicae.inspection.catalogue import cases

ENGINE = Path(explore.__file__).parent / "engine.js"
NODE = shutil.which("node")
EPS = np.finfo(np.float32).eps
RUN = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8")), numbers = unpack(given.numbers);
for (const part of [given.encoder, given.decoder]) connect(part, numbers);
const inputs = unpack(given.x), size = inputs.length / given.labels.length;
const text = (y) => Buffer.from(y.data.buffer).toString("base64");
const answers = given.labels.map((label, n) => {
  const x = tensor(given.input_shape, inputs.subarray(n * size, (n + 1) * size));
  const codes = run(given.encoder, x, label), z = codes.at(-1);
  return {codes: codes.map(text), outputs: run(given.decoder, z, label).map(text)};
});
console.log(JSON.stringify(answers));
"""
needs_node = pytest.mark.skipif(NODE is None, reason="node, which runs the page's JavaScript here, is not installed")


def packed(array):
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode()


def answers(model, x, labels):
    """What the engine makes of samples x: the outputs of every layer, encoder then decoder, [layer][sample]."""
    program = Program(model)
    given = {"encoder": program.encoder, "decoder": program.decoder, "numbers": packed(program.numbers)}
    given |= {"x": packed(x), "labels": np.asarray(labels).tolist(), "input_shape": x.shape[1:]}
    script = ENGINE.read_text() + RUN
    done = subprocess.run([NODE, "-e", script], input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = program.encoder + program.decoder
    samples = [one["codes"] + one["outputs"] for one in json.loads(done.stdout)]
    arrays = [[np.frombuffer(base64.b64decode(text), "<f4") for text in sample] for sample in samples]
    return [np.stack([sample[n] for sample in arrays]).reshape(len(x), *step["shape"]) for n, step in enumerate(steps)]


def close(got, want, terms):
    """Equal but for the rounding of sums of so many terms in float32."""
    want = np.asarray(want, np.float64)
    return np.all(np.abs(got - want) <= EPS * (8 + np.sqrt(terms)) * max(1, np.abs(want).max()))


def model_around(leaves, x):
    """An autoencoder that has these layers as its encoder, with weights as after training, and something for a decoder."""
    split = any(isinstance(leaf, L.SplitLabels) for leaf in leaves)
    shape = (*x.shape[1:-1], x.shape[-1] - split)
    decoder = [L.Flatten(), L.Dense(int(np.prod(shape))), L.Reshape(shape)]
    model = mc.Autoencoder(leaves, decoder, input_shape=x.shape[1:], seed=3, backend="reference")
    rng = np.random.default_rng(5)
    for leaf in model.leaves():
        for array in leaf.states.values():
            array[...] = rng.uniform(0.5, 2, array.shape)
    model.set_weights([array + 0.3 * rng.standard_normal(array.shape) for array in model.get_weights()])
    return model


LAYERS = [case for case in cases() if isinstance(case.subject, L.Layer)]


@needs_node
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", LAYERS, ids=[case.name for case in LAYERS])
def test_every_layer_in_the_page_answers_as_its_kernel_does(case):
    leaves = [from_config(leaf.config()) for leaf in case.subject.leaves()]  # new ones, which no chain holds
    for leaf in leaves:
        if isinstance(leaf, L.Tied):
            leaf.layer = "encoder[0]"
    x = case.x.astype(np.float32)
    model = model_around(leaves, x)
    labels = x[(slice(None), *[0] * (x.ndim - 2), -1)].astype(int)
    given = x[..., :-1] if isinstance(leaves[0], L.SplitLabels) else x
    got = answers(model, given, labels)[len(leaves) - 1]
    assert close(got, model.encode(x), terms=x[0].size)


EXTREMES = [
    *(L.ReLU(), L.LeakyReLU(0.2), L.ELU(0.7), L.Sigmoid(), L.Tanh(), L.Softplus(), L.Softmax()),
    *(L.MaxPooling2D(2, padding="same"), L.UpSampling2D((1, 2), "bilinear", align_corners=True)),
]


@needs_node
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("layer", EXTREMES, ids=repr)
def test_large_numbers_nan_and_images_of_one_row(layer):
    x = np.float32([[-1000, -40, -0.0, 0, 90, 1000], [1, 2, 3, np.nan, 5, 6]])[:, None, :, None]
    if isinstance(layer, L.Softmax):
        x = np.swapaxes(x, 2, 3)
    model = model_around([from_config(layer.config())], x)
    got, want = answers(model, x, [-1, -1])[0], model.run(model.encoder, x, allow_nonfinite=True)
    assert np.array_equal(np.isnan(got), np.isnan(want)) and np.isnan(got).any()
    assert close(got[0], want[0], terms=1) and np.isfinite(got[0]).all()


def test_every_layer_class_is_translated_and_in_these_tests():
    classes = {value for value in vars(L).values() if isinstance(value, type) and value is not L.Layer}
    assert classes - set(TRANSLATIONS) == {L.Chain}
    assert set(TRANSLATIONS) <= {type(leaf) for case in LAYERS for leaf in case.subject.leaves()}


ZOO = {
    "basic": lambda zoo: zoo.basic(backend="reference"),
    "stacked, tied": lambda zoo: zoo.stacked((6, 4, 2), tied=True, backend="reference"),
    "convolutional": lambda zoo: zoo.convolutional((8, 12, 3), (4, 6), code=5, backend="reference"),
    "convolutional, bilinear, maps as code": lambda zoo: zoo.convolutional(
        (8, 8, 1), (4, 2), interpolation="bilinear", last_kernel=1, backend="reference"
    ),
    "logits": lambda zoo: zoo.denoising(input_shape=(6, 6, 1), widths=(9,), loss="bce_logits", backend="reference"),
    "sparse": lambda zoo: zoo.sparse("convolutional", (8, 8, 1), (3, 4), code=7, penalty="kl", backend="reference"),
    "contractive": lambda zoo: zoo.contractive(input_shape=(6, 6, 1), widths=(9,), code=4, backend="reference"),
    "variational": lambda zoo: zoo.variational(input_shape=(6, 6, 1), widths=(9,), code=2, backend="reference"),
    "float64": lambda zoo: zoo.stacked((6, 4, 2), dtype="float64", backend="reference"),
}


@needs_node
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ZOO)
def test_networks_in_the_page_reconstruct_as_in_python(name):
    model = ZOO[name](mc.zoo)
    x = np.random.default_rng(1).random((3, *model.input_shape)).astype(np.float32)
    outputs = answers(model, x, [-1] * len(x))
    encoded = len(model.encoder.leaves())
    assert close(outputs[encoded - 1], model.encode(x), terms=x[0].size)
    assert close(outputs[-1], model.reconstruct(x), terms=x[0].size)


@needs_node
@pytest.mark.parametrize("kind, widths", [("dense", (9,)), ("convolutional", (3,))])
def test_conditional_networks_hear_of_the_class_in_the_page(kind, widths):
    model = mc.zoo.conditional_variational(kind, (8, 8, 1), classes=4, widths=widths, code=3, backend="reference")
    x = np.random.default_rng(1).random((5, 8, 8, 1)).astype(np.float32)
    labels = np.array([0, 1, 3, -1, 2])
    *_, got = answers(model, x, labels)
    assert close(got, model.reconstruct(mc.conditioned(x, labels)), terms=200)
    *_, other = answers(model, x, [1] * 5)
    assert not close(other[0], got[0], terms=200) and close(other[1], got[1], terms=200)


def test_a_layer_of_ones_own_is_refused_by_name():
    class Doubling(L.Layer):
        def build(self, input_shape):
            return input_shape

    model = mc.Autoencoder([L.Dense(2), Doubling()], [L.Dense(3)], input_shape=(3,), backend="reference")
    with pytest.raises(SettingError, match=r"cannot run encoder\[1\], a Doubling"):
        Program(model)
