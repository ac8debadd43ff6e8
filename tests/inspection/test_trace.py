"""A trace is what the model does, layer by layer, and leaves the model as it was."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DataError, MinicaeError, SettingError, ShapeError
from minicae.layers.fusion import UpsampledConvolution

BACKENDS = "reference", "cpu"


def images(n, shape, seed=0):
    return np.random.default_rng(seed).random((n, *shape))


def convolutional(backend, dtype="float64"):
    encoder = [
        L.Conv2D(5, 3, activation="relu"),
        L.MaxPooling2D(2),
        L.Conv2D(4, 3, activation="tanh"),
        L.BatchNormalization(),
    ]
    decoder = [L.Conv2DTranspose(3, 3, activation="elu"), L.UpSampling2D(2), L.Conv2D(1, 3, activation="sigmoid")]
    model = mc.Autoencoder(encoder, decoder, input_shape=(8, 6, 1), dtype=dtype, backend=backend)
    model.compile(loss="bce")
    return model


def variants(backend, dtype="float64"):
    settings = {"dtype": dtype, "backend": backend}
    small = {"input_shape": (6, 6, 1), "widths": (12,), "code": 4, **settings}
    x = images(5, (6, 6, 1), 1)
    yield "convolutional", convolutional(backend, dtype), images(4, (8, 6, 1))
    yield "tied", mc.zoo.stacked((6, 4, 3), tied=True, **settings), images(5, (6,))
    yield "denoising", mc.zoo.denoising(**small), x
    yield "sparse", mc.zoo.sparse(**small), x
    yield "contractive", mc.zoo.contractive(**small), x
    yield "exact", mc.zoo.contractive(estimator="exact", **small), x
    yield "variational", mc.zoo.variational(**small), x
    labelled = mc.conditioned(x, np.arange(5) % 3)
    yield "conditional", mc.zoo.conditional_variational(classes=3, **small), labelled
    tied = [L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(2)]
    yield "tied convolution", mc.Autoencoder(
        tied, [L.UpSampling2D(2, "bilinear"), L.Tied(tied[0])], input_shape=(6, 6, 1), **settings
    ), x  # fmt: skip
    inner = mc.Sequential([L.Dense(3, "relu"), L.Dropout(0.3)])
    yield "nested", mc.Sequential([inner, L.Dense(6)], input_shape=(6,), **settings), images(5, (6,))


CASES = [(backend, name) for backend in BACKENDS for name, *_ in variants("reference")]


def case(backend, name):
    return next((model, x) for found, model, x in variants(backend) if found == name)


def passed(model, x, training):
    """(y, dx, gradients) by the model's own forward and backward, with its loss."""
    y = model.forward(x, training).copy()
    target = np.ascontiguousarray(model.without_labels(x)) if hasattr(model, "without_labels") else x
    loss = model.loss if model.trainer is not None else mc.losses.MeanSquaredError()
    value, dy = loss(y, target)
    dx = model.backward(dy.copy()).copy()
    return value, y, dx, model.get_gradients()


def close(got, wanted):
    """Equal but for rounding in float64."""
    return got.shape == wanted.shape and np.all(np.abs(got - wanted) <= 1e-11 * (1e-3 + np.abs(wanted).max()))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("backend, name", CASES)
def test_a_trace_is_the_pass_of_the_model(backend, name, training):
    model, x = case(backend, name)
    trace = mc.trace(model, x, training=training)  # first: the pass of the model moves its random streams
    value, y, dx, gradients = passed(model, x, training)
    assert np.isclose(trace.loss, value, rtol=1e-12, atol=0)
    assert np.isclose(trace.penalty, model.penalty, rtol=1e-9, atol=1e-15)
    assert close(trace.output, y) and close(trace.dx, dx)
    found = [array for step in reversed(trace.backward) for array in step.gradients.values()]
    assert len(found) == len(gradients) and all(map(close, found, gradients))


def test_a_fused_pair_is_traced_as_two_layers():
    model = convolutional("cpu")
    assert any(isinstance(step, UpsampledConvolution) for step in model.steps())
    trace = mc.trace(model, images(2, (8, 6, 1)))
    assert trace["decoder[1]"].output.shape == trace["decoder[2]"].input.shape == (2, 8, 6, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_fusion_the_bits_are_those_of_the_model(backend):
    layers = [L.Conv2D(5, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten(), L.Dense(7, "sigmoid")]
    model = mc.Sequential(layers, input_shape=(6, 6, 2), backend=backend)
    x = images(3, (6, 6, 2)).astype("float32")
    assert np.array_equal(mc.trace(model, x, images(3, (7,))).output, model.forward(x))


def test_steps_chain_forward_and_backward():
    model, x = convolutional("reference"), images(4, (8, 6, 1))
    trace = mc.trace(model, x)
    leaves = model.leaves()
    assert len(trace) == 14 and [step.direction for step in trace] == 7 * ["forward"] + 7 * ["backward"]
    assert [step.name for step in trace.forward] == [leaf.name for leaf in leaves]
    assert [step.layer for step in trace.forward] == leaves == [step.layer for step in reversed(trace.backward)]
    assert np.array_equal(trace[0].input, x)
    for one, following in zip(trace.forward, trace.forward[1:]):
        assert np.array_equal(one.output, following.input)
    for one, following in zip(trace.backward, trace.backward[1:]):
        assert np.array_equal(one.output, following.input)
    for step in trace:
        assert step.twin.twin is step and step.twin.name == step.name and step.twin.direction != step.direction
        assert step.seconds > 0
        assert step.input.shape == step.twin.output.shape and step.output.shape == step.twin.input.shape
    assert set(trace[0].parameters) == set(trace[0].twin.gradients) == {"w", "b"} and trace[0].gradients == {}
    assert np.array_equal(trace[0].parameters["w"], model.get_weights()[0])


def test_steps_are_found_by_number_and_by_name():
    trace = mc.trace(convolutional("reference"), images(1, (8, 6, 1)))
    assert trace["encoder[1]"] is trace[1] and trace[-1] is trace["encoder[0]"].twin
    assert trace[1:3] == trace.steps[1:3] and list(trace) == list(trace.steps)
    for wrong in ("encoder[9]", 14, 1.5, None):
        with pytest.raises(SettingError) as caught:
            trace[wrong]
        assert "\n" not in str(caught.value)


def state(model):
    """Everything that a pass could move."""
    leaves = model.leaves()
    parts = [model.parameters.values, model.parameters.gradients]
    parts += [array for leaf in leaves for array in leaf.states.values()]
    streams = [leaf.rng.bit_generator.state for leaf in leaves if leaf.random] + [model.rng.bit_generator.state]
    moments = {name: array.copy() for name, array in model.optimizer.state.items()}
    charged = [leaf.penalty for leaf in leaves]
    memory = [model.saved.count, *(leaf.saved.count for leaf in leaves), leaves[-1].saved.y]
    return copy.deepcopy((parts, streams, moments, model.optimizer.steps, charged, memory, model.epochs))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["convolutional", "denoising", "contractive", "variational"])
def test_the_model_stays_as_it_was(name, training):
    model, x = case("cpu", name)
    model.train_on_batch(x)
    y = model.predict(x)
    before = state(model)
    trace = mc.trace(model, x[:2], training=training)
    np.testing.assert_equal(state(model), before)
    assert np.array_equal(model.predict(x), y)
    for step in trace:
        for array in (step.input, step.output, *step.parameters.values(), *step.gradients.values()):
            array[...] = 7  # copies all of them
    assert np.array_equal(model.predict(x), y)


def test_training_draws_the_noise_of_the_next_step():
    model, x = case("cpu", "denoising")
    plain, noisy = mc.trace(model, x), mc.trace(model, x, training=True)
    assert np.array_equal(plain["encoder[0]"].output, x) and not np.array_equal(noisy["encoder[0]"].output, x)
    assert np.array_equal(noisy.output, mc.trace(model, x, training=True).output)


def test_a_part_and_a_single_layer_can_be_traced():
    model, x = convolutional("reference"), images(3, (8, 6, 1))
    codes = mc.trace(model.encoder, x, np.zeros((3, 4, 3, 4)))
    assert len(codes) == 8 and np.allclose(codes.output, model.encode(x))
    layer = L.Dense(4, "tanh")
    layer.setup((4,), dtype="float64", backend="reference")
    v = images(3, (4,))
    trace = mc.trace(layer, v)
    assert np.allclose(trace.output, np.tanh(v @ layer.w)) and np.isclose(
        trace.loss, np.square(trace.output - v).mean()
    )


def test_loss_and_target_can_be_given():
    model, x = case("reference", "nested")
    y = np.ones((5, 6))
    trace = mc.trace(model, x, y, loss="mae")
    assert np.isclose(trace.loss, np.abs(trace.output - 1).mean())
    assert np.allclose(trace.backward[0].input, np.sign(trace.output - 1) / 30)


def test_nan_can_be_followed():
    model, x = convolutional("reference"), images(2, (8, 6, 1))
    model.compile(loss="mse")
    x[0, 0, 0] = np.nan
    trace = mc.trace(model, x)
    assert np.isnan(trace["encoder[0]"].output[0]).any() and not np.isnan(trace["encoder[0]"].output[1]).any()
    assert "nan" in str(trace)


def test_print_is_a_table_of_numbers_that_can_be_checked():
    model = mc.Sequential([L.Dense(1, kernel_initializer="ones"), L.ReLU()], input_shape=(2,), backend="reference")
    text = str(mc.trace(model, [[1, 2], [-3, -4.0]], [[0], [0]]))
    lines = text.splitlines()
    assert lines[0] == "Sequential, 2 samples of 2, MeanSquaredError(), outside training"
    assert lines[1] == "loss 4.5, penalty 0"
    relu = next(line for line in lines if line.startswith("1  sequential[1] ReLU()")).split()
    assert relu[3:9] == ["1", "1.5", "1.5", "0", "3", "50%"]  # outputs 3 and 0
    dense = next(line for line in lines if line.startswith("3  sequential[0] Dense")).split()
    assert dense[3:7] == ["2", "1.5", "3", "4.5"] and dense[7:10] == ["mean", "|db|", "3"]  # dy 3 and 0, x 1 and 2
    assert "Trace(" in repr(mc.trace(model, [[1, 2.0]], [[0]]))
    assert repr(mc.trace(model, [[1, 2.0]], [[0]])[0]).startswith("Step(forward sequential[0] Dense(1")


@pytest.mark.parametrize(
    "call, kind",
    [
        (lambda: mc.trace(mc.Sequential([L.Dense(2)]), [[1.0]]), SettingError),
        (lambda: mc.trace(mc.Sequential([], input_shape=(2,)), [[1.0, 2]]), SettingError),
        (lambda: mc.trace("model", [[1.0]]), SettingError),
        (lambda: mc.trace(convolutional("reference"), images(2, (8, 6, 1)), training=1), SettingError),
        (lambda: mc.trace(convolutional("reference"), images(2, (8, 6, 1)), loss="mean"), SettingError),
        (lambda: mc.trace(convolutional("reference"), images(0, (8, 6, 1))), DataError),
        (lambda: mc.trace(convolutional("reference"), images(2, (6, 8, 1))), ShapeError),
        (lambda: mc.trace(convolutional("reference"), images(2, (8, 6, 1)), np.ones((2, 3))), ShapeError),
        (lambda: mc.trace(convolutional("reference").encoder, images(2, (8, 6, 1))), ShapeError),
        (lambda: mc.trace(convolutional("reference"), np.ones((2, 8, 6, 1), np.uint8)), DataError),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line(call, kind):
    with pytest.raises(MinicaeError) as caught:
        call()
    assert isinstance(caught.value, kind) and "\n" not in caught.value.message


def test_a_trace_draws_a_row_a_layer():
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    trace = mc.trace(convolutional("reference"), images(2, (8, 6, 1)))
    assert trace.plot(ax, n=1, count=2) is ax
    said = {text.get_text() for text in ax.texts}
    assert {"input ", "encoder[0] Conv2D", "decoder[2] Conv2D", "4x3x4, the first 2"} <= said
    assert len(ax.images) == 2 * 8
    assert np.array_equal(ax.images[2].get_array()[:, :6].filled(), trace[0].output[1, :, :, 0])
    assert np.array_equal(ax.images[3].get_array()[:, :6].filled(), trace[0].twin.input[1, :, :, 0])
