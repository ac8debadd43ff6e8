"""The door: what it converts, what it refuses and in which words, and that what it lets in comes out right."""

import numpy as np
import pytest

from minicae import ops
from minicae.errors import BackendError, DataError, MinicaeError, SettingError, ShapeError

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((2, 5, 6, 3)), RNG.standard_normal((3, 2, 3, 4)), RNG.standard_normal(4)
XD, WD = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 4))
WT = RNG.standard_normal((3, 2, 4, 3))
DPRE = RNG.standard_normal((2, 5, 6, 4))
CALLS = {
    "conv2d_forward": lambda x=X, w=W, **o: ops.conv2d_forward(x, w, B, **o),
    "conv2d_transpose_forward": lambda x=X, w=WT, **o: ops.conv2d_transpose_forward(x, w, B, **o),
    "conv2d_backward_input": lambda x=DPRE, w=W, **o: ops.conv2d_backward_input(x, w, (5, 6), **o),
    "conv2d_backward_weight": lambda x=X, w=DPRE, **o: ops.conv2d_backward_weight(x, w, (3, 2), **o)[0],
    "dense_forward": lambda x=XD, w=WD, **o: ops.dense_forward(x, w, B, **o),
    "maxpool2d_forward": lambda x=X, **o: ops.maxpool2d_forward(x, **o)[0],
    "avgpool2d_forward": lambda x=X, **o: ops.avgpool2d_forward(x, **o),
    "upsample_forward": lambda x=X, **o: ops.upsample_forward(x, **o),
    "activation_forward": lambda x=X, **o: ops.activation_forward(x, "tanh", **o),
}
WITH_OUT = [
    "conv2d_forward",
    "conv2d_transpose_forward",
    "conv2d_backward_input",
    "dense_forward",
    "activation_forward",
]
DEFAULT_X = {name: XD if "dense" in name else DPRE if "backward_input" in name else X for name in CALLS}


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param], DEFAULT_X[request.param]


def test_every_operation_is_here():
    public = {name for name in vars(ops) if name.endswith(("_forward", "_backward_input", "_backward_weight"))}
    assert public == set(CALLS)


def test_backends_agree_and_results_are_fresh(call):
    run, x = call
    y = run(backend="cpu")
    assert np.allclose(y, run(backend="reference"), rtol=1e-12, atol=1e-12)
    assert not np.shares_memory(y, run(backend="cpu")) and not np.shares_memory(y, x)


def test_however_the_array_is_held(call):
    run, x = call
    readonly = x.copy()
    readonly.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float64).reshape(x.shape)
    for same in (
        np.asfortranarray(x),
        np.repeat(x, 2, 0)[::2],
        x[..., ::-1][..., ::-1],
        x.astype(">f8"),
        readonly,
        unaligned,
    ):
        assert np.array_equal(run(same), run())
    assert np.array_equal(run(x.tolist()), run())


def test_dtypes(call):
    run, x = call
    assert run(x.astype(np.float32)).dtype == np.float32 and run().dtype == np.float64
    whole = (x > 0).astype(np.int64)
    want = run(whole.astype(np.float32))
    for kind in (np.int8, np.int64, np.uint32, bool, np.float16):
        assert np.array_equal(run(whole.astype(kind)), want)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda x: x.astype(complex), "complex128: float32 or float64 is wanted"),
        (lambda x: x.astype(object), "object"),
        (lambda x: x.astype(str), "<U"),
        (lambda x: np.ma.masked_greater(x, 0), "masked array"),
        (lambda x: np.zeros(x.shape, np.uint8), r"0 to 255: give \w+.astype\('float32'\) / 255"),
        (lambda x: [[1], [2, 3]], "is no array"),
        (lambda x: type("Sparse", (), {"toarray": None})(), r"sparse matrix: give \w+.toarray\(\)"),
        (lambda x: None, "object"),
        (lambda x: "abc", "dtype <U3"),
    ],
)
def test_arrays_of_the_wrong_kind(call, spoil, message):
    run, x = call
    with pytest.raises(DataError, match=message):
        run(spoil(x))


def test_the_wrong_number_of_axes():
    for name, run in CALLS.items():
        if name != "activation_forward":
            for shape in ((), (3,), (2, 3, 4), (1, 2, 3, 4, 5)):
                with pytest.raises(ShapeError, match=rf"{name}: \w+ has {len(shape)} axes, [24] are wanted"):
                    run(np.zeros(shape))


@pytest.mark.parametrize(
    "run, message",
    [
        (lambda: CALLS["conv2d_forward"](X[..., :2]), "conv2d_forward: x has C=2 channels, w expects C=3"),
        (
            lambda: CALLS["conv2d_transpose_forward"](X, W),
            "conv2d_transpose_forward: x has C=3 channels, w expects C=4",
        ),
        (lambda: CALLS["dense_forward"](XD[:, :2]), "dense_forward: x has C=2 columns, w expects C=3"),
        (lambda: ops.conv2d_forward(X, W, B[:3]), "conv2d_forward: b must have 4 numbers"),
        (lambda: ops.dense_forward(XD, WD, B[:3]), "dense_forward: b must have 4 numbers"),
        (lambda: ops.conv2d_forward(X, W[:0]), "conv2d_forward: w is empty"),
        (lambda: ops.conv2d_forward(X, W[..., :0]), "conv2d_forward: w is empty"),
        (lambda: CALLS["conv2d_backward_input"](DPRE[:, :4]), r"dpre must be \(N, \(5, 6\), 4\) for this input"),
        (lambda: CALLS["conv2d_backward_weight"](X, DPRE[:1]), r"dpre must be \(N, \(5, 6\), F\)"),
        (lambda: CALLS["conv2d_backward_weight"](X, DPRE[:, :, :5]), r"dpre must be \(N, \(5, 6\), F\)"),
        (lambda: ops.conv2d_forward(X, np.zeros((7, 2, 3, 1)), padding="valid"), "covers 7 pixels .* has only 5"),
        (lambda: ops.conv2d_forward(X, W, dilation=4, padding="valid"), "covers 9 pixels .* has only 5"),
        (lambda: ops.conv2d_transpose_forward(X, WT, padding=9), "removes the whole output"),
        (lambda: ops.maxpool2d_forward(X, 2, padding=2), "would lie in the padding"),
        (lambda: ops.avgpool2d_forward(X, 7), "covers 7 pixels"),
    ],
)
def test_shapes_that_do_not_fit(run, message):
    with pytest.raises(ShapeError, match=message):
        run()


def test_transposed_weights_have_letters_of_their_own():
    with pytest.raises(ShapeError, match=r"w transposed \(KH=3, KW=2, F=3, C=4\)"):
        ops.conv2d_transpose_forward(X, W)


@pytest.mark.parametrize(
    "run, message",
    [
        (lambda: ops.conv2d_forward(X, W, stride=0), "stride must be at least 1"),
        (lambda: ops.conv2d_forward(X, W, stride=(1, 2, 3)), "stride must be one number or a pair"),
        (lambda: ops.conv2d_forward(X, W, dilation=1.5), "dilation must be a whole number"),
        (lambda: ops.conv2d_forward(X, W, padding="SAME"), "padding must be 'same', 'valid' or pixels"),
        (lambda: ops.conv2d_forward(X, W, padding=-1), "padding must be at least 0"),
        (lambda: ops.conv2d_forward(X, W, activation="softmax"), "there is no activation 'softmax'"),
        (lambda: ops.conv2d_forward(X, W, activation=["relu"]), "there is no activation"),
        (lambda: ops.conv2d_forward(X, W, activation="elu", alpha=-1), "alpha of elu must be"),
        (lambda: ops.activation_forward(X, "elu", alpha="1"), "alpha of elu must be"),
        (lambda: ops.conv2d_backward_input(DPRE, W, 5.5), "input_size must be a whole number"),
        (lambda: ops.conv2d_backward_weight(X, DPRE, 0), "kernel_size must be at least 1"),
        (lambda: ops.maxpool2d_forward(X, 0), "window must be at least 1"),
        (lambda: ops.upsample_forward(X, 0), "size must be at least 1"),
        (lambda: ops.upsample_forward(X, interpolation="cubic"), "'nearest' or 'bilinear'"),
        (lambda: ops.upsample_forward(X, align_corners=True), "align_corners"),
    ],
)
def test_settings_that_mean_nothing(run, message):
    with pytest.raises(SettingError, match=message):
        run()


def test_unknown_backends(call):
    for name in ("gpu", "", None, "reference.conv"):
        with pytest.raises(BackendError, match="choose one of 'reference', 'cpu', 'cuda'"):
            call[0](backend=name)


@pytest.mark.parametrize("name", WITH_OUT)
def test_out(name, backend):
    run, x = CALLS[name], DEFAULT_X[name]
    backend = backend.__name__.split(".")[-1]
    want = run(backend=backend)
    out = np.full(want.shape, np.nan)
    assert run(out=out, backend=backend) is out and np.array_equal(out, want)
    memory = np.zeros(want.size + x.size)
    overlapping = memory[: x.size].reshape(x.shape)
    overlapping[...] = x
    readonly = np.empty_like(want)
    readonly.flags.writeable = False
    for bad, message in (
        (out[:1], "out must be an array of shape"),
        (out.tolist(), "out must be an array of shape"),
        (3, "out must be an array of shape"),
        (out.astype(np.float32), "out must be float64, C-contiguous and writable"),
        (np.asfortranarray(out), "C-contiguous"),
        (readonly, "writable"),
        (memory[x.size // 2 : x.size // 2 + want.size].reshape(want.shape), "out overlaps an array that is read"),
    ):
        with pytest.raises(MinicaeError, match=message):
            run(overlapping, out=bad, backend=backend)
    assert np.array_equal(overlapping, x)


def test_an_empty_batch_gives_an_empty_array(backend):
    for name, run in CALLS.items():
        if name != "conv2d_backward_weight":
            y = run(DEFAULT_X[name][:0], backend=backend.__name__.split(".")[-1])
            assert y.shape == (0, *run().shape[1:])


def test_a_nan_stays_visible(backend):
    x = X.copy()
    x[1, 2, 3, 1] = np.nan
    for name, run in CALLS.items():
        if DEFAULT_X[name] is X:
            y = run(x, backend=backend.__name__.split(".")[-1])
            assert np.isnan(y).any() and (name == "conv2d_backward_weight" or not np.isnan(y[0]).any()), name
    for activation in ops.ACTIVATIONS:
        assert np.isnan(ops.activation_forward([np.nan], activation, backend=backend.__name__.split(".")[-1])).all()


@pytest.mark.parametrize("bad", [None, "float16", 3, object(), "x", np.int32, [np.float32]])
def test_dtypes_that_mean_nothing(bad):
    with pytest.raises(SettingError, match="dtype must be 'float32' or 'float64', got"):
        ops.dtype_of(bad)
