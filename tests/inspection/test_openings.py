"""One number opened: opened one by one, all outputs of a layer together give its y, its dx, its dw and its db."""

import itertools

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import MinicaeError, SettingError

LAYERS = {
    "conv": (L.Conv2D(2, 3, activation="tanh"), (4, 5, 2)),
    "conv, stride": (L.Conv2D(2, (2, 3), strides=(2, 1), padding="valid", activation="elu"), (5, 6, 2)),
    "conv, dilation": (L.Conv2D(3, 3, dilation=2, padding=(2, 1, 0, 3), use_bias=False), (5, 5, 1)),
    "transposed": (L.Conv2DTranspose(2, 3, strides=2, activation="sigmoid"), (3, 4, 3)),
    "transposed, valid": (L.Conv2DTranspose(2, 3, strides=(1, 3), dilation=(2, 1), padding="valid"), (3, 2, 2)),
    "transposed, cut": (L.Conv2DTranspose(1, 4, strides=2, padding=(1, 1, 2, 0)), (3, 3, 2)),
    "dense": (L.Dense(4, "softplus"), (3,)),
    "dense, no bias": (L.Dense(2, "leaky_relu", use_bias=False), (5,)),
    "max": (L.MaxPooling2D(2), (4, 6, 2)),
    "max, overlapping": (L.MaxPooling2D(3, 2, "same"), (5, 4, 2)),
    "average": (L.AveragePooling2D((2, 3), 1, "same"), (3, 4, 2)),
    "average, padding counts": (L.AveragePooling2D(3, 2, "same", count_padding=True), (4, 4, 1)),
    "nearest": (L.UpSampling2D((2, 3)), (3, 2, 2)),
    "bilinear": (L.UpSampling2D((2, 3), "bilinear"), (3, 4, 2)),
    "bilinear, corners": (L.UpSampling2D(2, "bilinear", align_corners=True), (3, 2, 1)),
    "bilinear of one pixel": (L.UpSampling2D(2, "bilinear", align_corners=True), (1, 1, 1)),
}


def traced(layer, shape, n=2):
    """A trace of a layer alone, with a random bias and a random gradient."""
    rng = np.random.default_rng(0)
    model = mc.Sequential([layer], input_shape=shape, dtype="float64", backend="reference")
    for entry in model.parameters:
        entry.value[...] = rng.standard_normal(entry.value.shape)
    return mc.trace(model, rng.standard_normal((n, *shape)), rng.standard_normal((n, *layer.output_shape)))


@pytest.fixture(scope="module", params=LAYERS)
def opened_all(request):
    """(step, [opening of every output])."""
    layer, shape = LAYERS[request.param]
    step = traced(layer, shape)[0]
    sizes = step.output.shape if step.output.ndim == 4 else (step.output.shape[0], 1, 1, step.output.shape[1])
    return step, [step.open(*index) for index in itertools.product(*map(range, sizes))]


def scattered(step, opened, values):
    """dx made of what every opened output sends to the pixels it was read from."""
    dx = np.zeros(step.input.shape)
    for one, sent in zip(opened, values):
        for p, q in itertools.product(range(len(one.rows)), range(len(one.columns))):
            i, j = one.rows[p], one.columns[q]
            if min(i, j) >= 0:
                dx[one.index[0], i, j, slice(None) if sent.ndim == 3 else one.index[3]] += sent[p, q]
    return dx


def test_all_outputs_together_are_y_and_dx(opened_all):
    step, opened = opened_all
    assert np.array_equal([one.output for one in opened], step.output.ravel())
    assert np.array_equal([one.dy for one in opened], step.twin.input.ravel())
    if step.input.ndim == 2:
        dx = np.zeros(step.input.shape)
        for one in opened:
            dx[one.index[0]] += one.dpatch
    else:
        sent = [one.dpatch if hasattr(one, "dpatch") else one.dvalues for one in opened]
        dx = scattered(step, opened, sent)
    assert np.allclose(dx, step.twin.output, rtol=1e-11, atol=1e-13)


def test_what_was_read_is_x_and_the_parts_add_up(opened_all):
    step, opened = opened_all
    for one in opened:
        x = step.input[one.index[0]]
        if step.input.ndim == 2:
            assert np.array_equal(one.patch, x)
            continue
        read = one.patch if hasattr(one, "patch") else one.values
        x = x if read.ndim == 3 else x[..., one.index[3]]
        for p, q in itertools.product(range(len(one.rows)), range(len(one.columns))):
            if min(one.rows[p], one.columns[q]) >= 0:
                assert np.array_equal(read[p, q], x[one.rows[p], one.columns[q]])
            else:
                assert not read[p, q].any() if hasattr(one, "patch") else np.isnan(read[p, q])
        if not hasattr(one, "patch"):
            assert np.isclose(np.nansum(one.values * one.shares), one.output) and one.shares.sum() <= 1 + 1e-12


def test_all_outputs_together_are_the_gradients_of_the_weights(opened_all):
    step, opened = opened_all
    if not step.parameters:
        assert not any(hasattr(one, "dweights") for one in opened)
        return
    dw, transposed = np.zeros(step.parameters["w"].shape), isinstance(step.layer, L.Conv2DTranspose)
    db = np.zeros(step.output.shape[-1])
    for one in opened:
        f = one.index[-1]
        (dw.swapaxes(2, 3) if transposed else dw)[..., f] += one.dweights
        db[f] += one.dpre
        assert np.isclose(one.before, np.vdot(one.patch, one.weights) + one.bias)
    assert np.allclose(dw, step.twin.gradients["w"], rtol=1e-11, atol=1e-13)
    assert "b" not in step.twin.gradients or np.allclose(db, step.twin.gradients["b"], rtol=1e-11, atol=1e-13)


def test_all_of_them_print_and_draw(opened_all):
    from matplotlib.figure import Figure

    step, opened = opened_all
    one = opened[-1]
    assert f"{one.output:.6g}" in str(one) and one.where in repr(one) and one.where in str(one)
    ax = Figure().subplots()
    assert one.plot(ax) is ax and one.where in ax.get_title() and len(ax.images) % 3 == 0


def test_a_step_opens_from_both_directions():
    step = traced(L.Dense(2), (3,))[0]
    assert str(step.open(n=1, f=1)) == str(step.twin.open(n=1, f=1))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_tied_layers_open_with_the_weights_they_share(backend):
    dense = mc.zoo.stacked((5, 3), tied=True, backend=backend)
    x = np.random.default_rng(0).random((2, 5)).astype("float32")
    one = mc.trace(dense, x)["decoder[0]"].open(n=1, f=2)
    assert np.allclose(one.weights, dense.encoder.layers[0].w[2]) and np.isclose(one.before, one.output)
    first = L.Conv2D(3, 3, strides=2, activation="relu")
    decoder = [L.Tied(first, "sigmoid")]
    conv = mc.Sequential([first, *decoder], input_shape=(6, 6, 2), backend=backend)
    one = mc.trace(conv, np.random.default_rng(0).random((1, 6, 6, 2)))["sequential[1]"].open(i=3, j=4, f=1)
    assert np.allclose(one.weights, first.w[:, :, 1])


@pytest.mark.parametrize("channels", [3, 32])
def test_float32_of_the_fast_backend_adds_up(channels):
    layer = L.Conv2D(32, 3, activation="relu")
    model = mc.Sequential([layer], input_shape=(14, 14, channels))
    x = np.random.default_rng(0).standard_normal((2, 14, 14, channels)).astype("float32")
    step = mc.trace(model, x, np.zeros((2, 14, 14, 32)))[0]
    for index in itertools.product((0, 1), (0, 7, 13), (0, 5, 13), (0, 31)):
        one = step.open(*index)
        assert np.isclose(max(one.before, 0), one.output, rtol=1e-3, atol=1e-4)


def test_numbers_that_do_not_add_up_are_an_error():
    step = traced(L.Conv2D(2, 3), (4, 4, 1))[0]
    step.output[0, 1, 2, 1] += 1e-6
    with pytest.raises(MinicaeError, match="its parts make"):
        step.open(i=1, j=2, f=1)
    step = traced(L.MaxPooling2D(2), (4, 4, 1))[0]
    step.output[0, 1, 0, 0] -= 1e-6
    with pytest.raises(MinicaeError, match="its parts make"):
        step.open(i=1)


def test_the_first_of_equal_maxima_is_the_source():
    model = mc.Sequential([L.MaxPooling2D(2)], input_shape=(2, 2, 1), dtype="float64")
    one = mc.trace(model, np.full((1, 2, 2, 1), 5.0), np.ones((1, 1, 1, 1)))[0].open()
    assert one.source == (0, 0) and one.dvalues.tolist() == [[8.0, 0.0], [0.0, 0.0]]  # dy = 2 (5 - 1)


def test_a_nan_is_opened_and_not_compared():
    model = mc.Sequential([L.Dense(2)], input_shape=(2,), backend="reference")
    one = mc.trace(model, [[np.nan, 1.0]], [[0, 0]])[0].open(f=1)
    assert np.isnan(one.total) and "nan" in str(one)


def test_numbers_that_can_be_checked_by_hand():
    model = mc.Sequential([L.Conv2D(1, 2, padding="valid", activation="relu")], (2, 2, 1), backend="reference")
    model.set_weights([np.array([1.0, 2, 3, -4]).reshape(2, 2, 1, 1), np.array([0.5])])
    one = mc.trace(model, np.array([5.0, 6, 7, 8]).reshape(1, 2, 2, 1), np.zeros((1, 1, 1, 1)))[0].open()
    assert str(one).splitlines() == [
        "sequential[0] Conv2D(1, 2, padding='valid', activation='relu'): output[n=0, i=0, j=0, f=0] = 6.5",
        "input pixels: rows 0, 1 x columns 0, 1",
        "    patch      weights      products",
        "    5  6        1   2         5   12",
        "    7  8        3  -4        21  -32",
        "sum of 4 products   6",
        "bias                0.5",
        "their sum           6.5",
        "relu                6.5",
        "backward: dy = 13, before the activation 13; times the weights it goes to the inputs, times the inputs to the weights",
    ]


@pytest.mark.parametrize(
    "index, said",
    [
        ({"n": 2}, "n must be from 0 to 1"),
        ({"i": 4}, "i must be from 0 to 3"),
        ({"j": 5}, "j must be from 0 to 4"),
        ({"f": 2}, "f must be from 0 to 1"),
        ({"i": -1}, "i must be at least 0"),
        ({"f": 0.5}, "f must be a whole number"),
    ],
)
def test_an_index_outside_the_output_is_refused_in_one_line(index, said):
    step = traced(L.Conv2D(2, 3), (4, 5, 1))[0]
    with pytest.raises(SettingError, match=said) as caught:
        step.open(**index)
    assert "\n" not in str(caught.value)


def test_vectors_have_no_rows():
    with pytest.raises(SettingError, match="i must be from 0 to 0"):
        traced(L.Dense(2), (3,))[0].open(i=1)


@pytest.mark.parametrize("layer", [L.ReLU(), L.Flatten(), L.BatchNormalization(), L.ZeroPadding2D(1)])
def test_other_layers_do_not_open(layer):
    with pytest.raises(SettingError, match="does not open"):
        traced(layer, (3, 3, 1))[0].open()


def test_wide_matrices_are_printed_one_below_the_other():
    opened = traced(L.Conv2D(1, 9), (9, 9, 1))[0].open()
    lines = str(opened).splitlines()
    assert [lines[at].strip() for at in (2, 12, 22)] == ["patch", "weights", "products"]
    assert max(len(line) for line in lines[2:32]) < 120
    assert len(str(traced(L.Conv2D(1, 3), (9, 9, 1))[0].open()).splitlines()) == 2 + 4 + 4


def test_one_of_a_kind_is_not_said_in_the_plural():
    assert "sum of 1 product " in str(traced(L.Dense(1), (1,))[0].open())
    assert "from 1 pixel)" in repr(traced(L.UpSampling2D(2), (2, 2, 1))[0].open())
    assert "1 sample of 3" in str(traced(L.Dense(1), (3,), n=1))
