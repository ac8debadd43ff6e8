"""What a user can do wrong with layers and models, each with an error of minicae's own and nothing lost."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import CheckpointError, DataError, DivergedError, MinicaeError, SettingError, ShapeError

ALONE = [
    *(L.Conv2D(2, 3), L.Conv2DTranspose(2, 3), L.MaxPooling2D(), L.AveragePooling2D(), L.UpSampling2D(), L.ReLU()),
    *(L.BatchNormalization(), L.ZeroPadding2D(), L.Dropout(0.5), L.GaussianNoise(), L.L1Penalty(), L.Softmax()),
]


@pytest.mark.parametrize("layer", ALONE, ids=repr)
def test_backward_of_a_layer_alone_is_checked_and_leaves_dy_as_it_was(layer):
    layer = copy.deepcopy(layer)
    layer.setup((6, 8, 3))
    with pytest.raises(ShapeError, match="forward pass before"):
        layer.backward(np.ones((4, *layer.output_shape), "f4"))
    y = layer.forward(np.random.default_rng(0).random((4, 6, 8, 3), "f4"), training=True)
    for shape in ((40, *y.shape[1:]), (4, *y.shape[1:-1], 7), (4, 1, *y.shape[2:])):
        with pytest.raises(ShapeError, match="shape of the output"):
            layer.backward(np.ones(shape, "f4"))
    dy = np.random.default_rng(1).integers(-3, 4, y.shape)
    dy.flags.writeable = False
    first = layer.backward(dy).copy()
    assert first.shape == (4, 6, 8, 3)
    np.testing.assert_array_equal(layer.backward(dy.tolist()), first)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_subclasses_of_arrays_are_arrays():
    x = np.matrix(np.random.default_rng(0).random((200, 3)).astype("f4"))
    value, dy = mc.losses.MeanSquaredError()(x, x + 1)
    assert value == pytest.approx(1) and type(dy) is np.ndarray and dy.shape == (200, 3)
    model = mc.Sequential([L.Dense(2)], 3)
    np.testing.assert_array_equal(model.forward(x), model.forward(np.asarray(x)))


def test_nested_autoencoders_keep_their_weights_apart(tmp_path):
    model = mc.Sequential([mc.Autoencoder([L.Dense(2)], [L.Dense(4)]) for _ in range(2)], input_shape=4)
    x = np.random.default_rng(0).random((5, 4), "f4")
    names = [entry.name for entry in model.parameters]
    assert len(set(names)) == len(names)
    np.testing.assert_array_equal(mc.load(model.save(tmp_path / "m")).predict(x), model.predict(x))


def test_an_empty_part_at_the_end_changes_no_gradient():
    x = np.random.default_rng(0).random((6, 4), "f4")
    found = []
    for tail in ([], [mc.Sequential([])]):
        model = mc.Sequential([L.Dense(3), L.Dense(4, "sigmoid"), *tail], 4)
        model.compile("bce")
        model.train_on_batch(x)
        found.append(np.concatenate([gradient.ravel() for gradient in model.get_gradients()]))
    np.testing.assert_array_equal(*found)


def test_layers_can_be_used_again_after_a_model_was_refused():
    first, second = L.Dense(4), L.Dense(4)
    with pytest.raises(SettingError):
        mc.Sequential([first, 5])
    with pytest.raises(ShapeError):
        mc.Sequential([first], (3, 3, 1))
    with pytest.raises(ShapeError, match="decoder ends with"):
        mc.Autoencoder([first], [second], 5)
    model = mc.Autoencoder([first], [second], 4)
    with pytest.raises(SettingError, match="already part"):
        mc.Sequential([first], 4)
    mc.Sequential([copy.deepcopy(first)], 4)
    with pytest.raises(SettingError, match="already part"):
        mc.Sequential([copy.deepcopy(model).encoder.layers[0]], 4)


def test_weights_of_a_built_model_are_not_lost_by_nesting_it():
    with pytest.raises(SettingError, match="weights of its own"):
        mc.Autoencoder(mc.Sequential([L.Dense(2)], 4), [L.Dense(4)], 4)


def test_divergence_goes_back_to_weights_with_a_finite_loss_and_gradient():
    x = np.random.default_rng(0).random((64, 4), "f4")
    model = mc.Sequential([L.Dense(4)], 4)
    model.compile("mse", mc.optimizers.SGD(1e18))
    with pytest.raises(DivergedError, match="last step whose loss and gradient were finite"):
        model.fit(x, epochs=50, batch_size=64, verbose=0)
    assert np.isfinite(model.evaluate(x))
    model.backward(model.loss(model.forward(x, training=True), x)[1])
    assert all(np.isfinite(gradient).all() for gradient in model.get_gradients())


def test_cross_entropy_of_outputs_that_are_no_probabilities():
    x = np.random.default_rng(0).random((8, 4), "f4")
    model = mc.Sequential([L.Dense(4)], 4)
    model.compile("bce")
    for verb in (model.evaluate, model.train_on_batch):
        with pytest.raises(DataError, match="end the model with a sigmoid, or use loss='bce_logits'"):
            verb(x)


def test_metrics_and_optimizers_are_checked_when_compiled():
    model = mc.Sequential([L.Dense(4)], 4)
    model.compile(metrics="mae")
    assert "mae" in model.fit(np.ones((8, 4), "f4"), epochs=1, verbose=0).history
    for metrics in (None, ["mae", "mae"], [lambda y, t: y, lambda y, t: y]):
        with pytest.raises(SettingError):
            model.compile(metrics=metrics)
    model.compile(metrics=[lambda y, target: y - target])
    with pytest.raises(SettingError, match="one number an image"):
        model.evaluate(np.ones((8, 4), "f4"))
    optimizer = mc.optimizers.Adam()
    model.compile(optimizer=optimizer)
    with pytest.raises(SettingError, match="another model"):
        mc.Sequential([L.Dense(4)], 4).compile(optimizer=optimizer)


def test_numbers_that_float32_cannot_hold_are_refused():
    model = mc.Sequential([L.Dense(4)], 4)
    with pytest.raises(DataError, match="8 values"):
        model.predict(np.full((2, 4), 1e300))


def test_a_layer_that_does_not_keep_its_argument_is_named_and_not_saved(tmp_path):
    class Scale(L.Layer):
        def __init__(self, factor):
            self._factor = factor

        def build(self, input_shape):
            return input_shape

        def forward(self, x, training=False):
            return self._factor * self.admit(x)

        def backward(self, dy):
            return self._factor * dy

    model = mc.Sequential([Scale(2.0)], 4)
    assert "Scale(?)" in repr(model) and mc.gradcheck(Scale(2.0), np.ones((2, 3))).ok
    with pytest.raises(SettingError, match=r"keep its argument 'factor' as self.factor"):
        model.save(tmp_path / "m")


def test_a_users_class_never_takes_a_name_from_minicae(tmp_path):
    path = mc.Sequential([L.Dense(4)], 4).save(tmp_path / "m")

    class Dense(L.Layer):
        pass

    assert type(mc.load(path).layers[0]) is L.Dense is not Dense
    with pytest.raises(CheckpointError):
        mc.load(tmp_path / "none")


@pytest.mark.parametrize("layer", [L.Dense(3), L.Conv2D(3, 1)])
def test_an_array_that_was_fine_is_looked_at_again(layer):
    """The same object, changed in place between two calls, must not reach the kernels."""
    shape = (4,) if isinstance(layer, L.Dense) else (4, 4, 4)
    layer.setup(shape)
    x = np.ones((8, *shape), np.float32)
    layer.forward(x)
    x.shape = (8, *shape[1:], 2, 2)
    with pytest.raises(MinicaeError):
        layer.forward(x)
    x.shape = (8, *shape)
    x.dtype = np.int32
    layer.forward(x)  # converted, as whole numbers are
    with pytest.raises(MinicaeError):
        layer.forward(None)


@pytest.mark.parametrize("layer", [L.Dense(3), L.Conv2D(3, 1)])
def test_backward_comes_after_forward(layer):
    with pytest.raises(MinicaeError, match="forward pass"):
        layer.backward(np.ones((1, 3), np.float32))
