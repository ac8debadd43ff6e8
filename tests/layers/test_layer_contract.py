"""What every layer promises, held against one case or more of each class and each activation, in both backends."""

import copy
import inspect
import json

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses, ops, optimizers, schedules
from minicae.config import from_config
from minicae.inspection import catalogue

CASES = {case.name: case for case in catalogue.cases()}
LAYER_CASES = {name: case for name, case in CASES.items() if isinstance(case.subject, L.Layer)}
NAMESPACE = {name: getattr(module, name) for module in (L, losses) for name in dir(module) if name[0].isupper()}


def classes(module, family):
    return {
        cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, family) and cls is not family
    }


def model_of(case, backend, dtype="float64"):
    """The case as a model of its own."""
    layer = copy.deepcopy(case.subject)
    layers = layer.layers if isinstance(layer, L.Chain) else [layer]
    for one in layers:
        vars(one).pop("_held", None)
    name = backend.__name__.split(".")[-1]
    return mc.Sequential(layers, case.x.shape[1:], seed=3, dtype=dtype, backend=name)


def upstream(y):
    return np.random.default_rng(5).standard_normal(y.shape)


@pytest.fixture(params=LAYER_CASES.values(), ids=LAYER_CASES)
def case(request):
    return request.param


def test_every_layer_class_is_in_the_catalogue():
    present = {type(leaf) for case in LAYER_CASES.values() for leaf in case.subject.leaves()}
    assert {getattr(L, name) for name in L.__all__} - {L.Layer, L.Chain} == present


def test_every_loss_and_activation_is_in_the_catalogue():
    assert classes(losses, losses.Loss) == {type(case.subject) for case in CASES.values()} & classes(
        losses, losses.Loss
    )
    assert set(ops.ACTIVATIONS) <= {getattr(case.subject, "activation", None) for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_differences(name, backend):
    case = CASES[name]
    report = mc.gradcheck(case.subject, case.x, case.y, backend=backend.__name__.split(".")[-1])
    assert report.ok, report
    for row in report.rows:
        assert row.kinks == 0, report
        assert row.checked == min(100, np.prod(row.shape)), report
        assert row.error < 1e-7, report


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_are_those_promised(case, backend, dtype):
    model = model_of(case, backend, dtype)
    for training in (False, True):
        y = model.forward(case.x, training)
        assert y.shape == (len(case.x), *model.output_shape) and y.dtype == dtype
        dx = model.backward(upstream(y))
        assert dx.shape == case.x.shape and dx.dtype == dtype
        assert np.isfinite(y).all() and np.isfinite(dx).all()


def test_repr_makes_the_layer_again(case):
    again = eval(repr(case.subject), dict(NAMESPACE, Chain=L.Chain)) if not isinstance(case.subject, L.Chain) else None
    leaves = [again] if again else [eval(repr(leaf), dict(NAMESPACE)) for leaf in case.subject.leaves()]
    for leaf, original in zip(leaves, case.subject.leaves(), strict=True):
        assert leaf.config() == original.config() and repr(leaf) == repr(original)


@pytest.mark.parametrize("name", CASES)
def test_configuration_survives_json(name):
    subject = CASES[name].subject
    for one in subject.leaves() if isinstance(subject, L.Layer) else [subject]:
        again = from_config(json.loads(json.dumps(one.config())))
        assert type(again) is type(one) and again.config() == one.config()
        assert set(one.config()) == {"class", *type(one).argument_names()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("training", [False, True])
def test_an_empty_batch_gives_an_empty_array(case, backend, training):
    model = model_of(case, backend)
    states = [array.copy() for leaf in model.leaves() for array in leaf.states.values()]
    y = model.forward(case.x[:0], training)
    assert y.shape == (0, *model.output_shape)
    assert model.backward(y.copy()).shape == case.x[:0].shape
    assert all((gradient == 0).all() for gradient in model.get_gradients())
    after = [array for leaf in model.leaves() for array in leaf.states.values()]
    assert all(np.array_equal(a, b) for a, b in zip(states, after, strict=True))


def test_backward_twice_gives_the_same(case, backend):
    model = model_of(case, backend)
    g = upstream(model.forward(case.x, training=True))
    first = [model.backward(g).copy(), *model.get_gradients()]
    second = [model.backward(g), *model.get_gradients()]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_neither_input_nor_upstream_is_written(case, backend):
    model, x = model_of(case, backend), case.x.copy()
    y = model.forward(x, training=True)
    g = upstream(y)
    before = g.copy()
    model.backward(g)
    assert np.array_equal(x, case.x) and np.array_equal(g, before)


def test_predict_gives_a_fresh_array(case, backend):
    model = model_of(case, backend)
    first = model.predict(case.x)
    kept = first.copy()
    second = model.predict(case.x + 1)
    assert not np.shares_memory(first, second) and not np.shares_memory(first, case.x)
    assert np.array_equal(first, kept)


def test_an_image_does_not_depend_on_its_batch(case, backend):
    model = model_of(case, backend)
    together = model.predict(case.x)
    alone = np.concatenate([model.predict(case.x[i : i + 1]) for i in range(len(case.x))])
    if backend.__name__.endswith("cpu"):
        assert np.array_equal(together, alone)
    assert np.allclose(together, alone, rtol=1e-13, atol=1e-13)  # NumPy's matmul may add in another order


@pytest.mark.parametrize("name", [name for name, case in LAYER_CASES.items() if case.subject.random])
def test_noise_is_the_identity_outside_training(name, backend):
    case = LAYER_CASES[name]
    model = model_of(case, backend)
    y = model.predict(case.x)
    assert np.array_equal(y, case.x[..., : y.shape[-1]])
    assert not np.array_equal(model.forward(case.x, training=True), y)


def test_strided_fortran_and_foreign_arrays_give_the_same(case, backend):
    model = model_of(case, backend)
    want = model.predict(case.x)
    strided = np.repeat(case.x, 2, axis=-1)[..., ::2]
    readonly = case.x.copy()
    readonly.flags.writeable = False
    for x in (strided, np.asfortranarray(case.x), case.x.astype(">f8"), readonly, case.x.tolist()):
        assert np.array_equal(model.forward(x), want)


def test_optimizers_and_schedules_survive_json():
    for cls in classes(optimizers, optimizers.Optimizer):
        for rate in (0.5, schedules.CosineDecay(0.1, 10), schedules.ExponentialDecay(0.1, 10, 0.5)):
            optimizer = cls(rate)
            again = from_config(json.loads(json.dumps(optimizer.config())))
            assert repr(again) == repr(optimizer) and again.rate == optimizer.rate
