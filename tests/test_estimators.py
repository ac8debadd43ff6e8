"""The estimators keep scikit-learn's contract, by its own checks, and what its tools make of them: pipelines, searches,
copies, other processes. What an autoencoder learns is asked on problems small enough to know the answer."""

import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import minicae as mc
from minicae.errors import BackendError, DataError, DivergedError, SettingError, ShapeError

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")

import joblib
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from minicae.estimators import AutoencoderOutlierDetector, AutoencoderTransformer

BOTH = [AutoencoderTransformer, AutoencoderOutlierDetector]
TINY = {"hidden_layer_sizes": (4,), "epochs": 2}
SMALL = {"hidden_layer_sizes": (5,), "epochs": 3, "random_state": 0, "backend": "reference"}


def columns(n=40, features=6, seed=0):
    return np.random.default_rng(seed).random((n, features))


def images(n=12, shape=(8, 8, 1), seed=0):
    return np.random.default_rng(seed).random((n, *shape), np.float32)


@parametrize_with_checks([kind(**TINY) for kind in BOTH])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", BOTH)
def test_clone_and_repr_keep_parameters(kind):
    estimator = kind(n_components=3, hidden_layer_sizes=(7, 5), l1=0.1, random_state=4)
    assert clone(estimator).get_params() == estimator.get_params()
    assert "n_components=3" in repr(estimator) and "epochs" not in repr(estimator)


def test_both_take_the_same_parameters():
    shared = AutoencoderTransformer().get_params()
    assert AutoencoderOutlierDetector().get_params() == shared | {"contamination": 0.1}


def outcome(**changes):
    """What a transformer with these parameters makes of some columns in 0..1."""
    fitted = AutoencoderTransformer(**SMALL | changes).fit(columns())
    return fitted.transform(columns()).tobytes(), fitted.inverse_transform(np.ones((1, fitted.n_components))).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"n_components": 3},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": [5, 4]},
        {"activation": "tanh"},
        {"loss": "bce"},
        {"loss": "mae"},
        {"optimizer": "sgd"},
        {"learning_rate": 0.01},
        {"epochs": 4},
        {"batch_size": 7},
        {"image_shape": (2, 3, 1)},
        {"noise": 0.1},
        {"l1": 0.1},
        {"random_state": 1},
    ],
    ids=str,
)
def test_every_parameter_changes_something(change):
    assert outcome(**change) != outcome()


@pytest.mark.parametrize("random_state", [0, np.int64(7)])
def test_same_random_state_same_bits(random_state):
    assert outcome(random_state=random_state, noise=0.1) == outcome(random_state=random_state, noise=0.1)
    source = np.random.RandomState(5)
    assert outcome(random_state=source) != outcome(random_state=source)
    assert outcome(random_state=np.random.RandomState(5)) == outcome(random_state=np.random.RandomState(5))


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"n_components": 0}, SettingError, "n_components"),
        ({"n_components": 2.5}, SettingError, "n_components"),
        ({"hidden_layer_sizes": (4, -1)}, SettingError, "hidden_layer_sizes"),
        ({"activation": "gelu"}, SettingError, "gelu"),
        ({"loss": "hinge"}, SettingError, "loss must be one of 'mse'"),
        ({"optimizer": ["adam"]}, SettingError, "optimizer must be one of"),
        ({"learning_rate": -1.0}, SettingError, "learning_rate"),
        ({"epochs": 0}, SettingError, "epochs"),
        ({"batch_size": 0}, SettingError, "batch_size"),
        ({"image_shape": (2, 3)}, SettingError, r"\(H, W, C\)"),
        ({"image_shape": 6}, SettingError, r"\(H, W, C\)"),
        ({"image_shape": (2, 2, 1)}, ShapeError, "4 columns, X has 6"),
        ({"image_shape": (2, 3, 1), "hidden_layer_sizes": ()}, SettingError, "hidden_layer_sizes is empty"),
        ({"noise": -0.1}, SettingError, "noise"),
        ({"l1": np.nan}, SettingError, "l1"),
        ({"random_state": "zero"}, ValueError, "zero"),
        ({"verbose": -1}, SettingError, "verbose"),
        ({"backend": "gpu"}, BackendError, "gpu"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", BOTH)
def test_senseless_parameters_are_refused_by_fit(kind, change, error, text):
    with pytest.raises(error, match=text):
        kind(**SMALL | change).fit(columns())


@pytest.mark.parametrize("contamination", [0, 0.6, "auto", np.nan])
def test_contamination_is_a_share(contamination):
    with pytest.raises(SettingError, match="contamination"):
        AutoencoderOutlierDetector(**SMALL, contamination=contamination).fit(columns())


def test_data_that_cannot_be_used_are_refused():
    with pytest.raises(DataError, match="0..1"):
        AutoencoderTransformer(**SMALL, loss="bce").fit(columns() + 1)
    with pytest.raises(ValueError, match="too large for dtype"), np.errstate(over="ignore"):
        AutoencoderTransformer(**SMALL).fit(columns() * 1e39)
    with pytest.raises(ValueError, match="wants"):
        AutoencoderTransformer(**SMALL).fit(columns()).inverse_transform(np.zeros((1, 3)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", BOTH)
def test_divergence_raises(kind):
    with pytest.raises(DivergedError):
        kind(**SMALL, learning_rate=1e20).fit(columns())
    with pytest.raises(DivergedError, match="after the last update"):
        kind(**SMALL | {"epochs": 1}, batch_size=100, learning_rate=1e30).fit(columns())


def test_attributes_after_fit():
    x = columns()
    fitted = AutoencoderTransformer(**SMALL).fit(x)
    assert isinstance(fitted.model_, mc.Autoencoder) and fitted.n_features_in_ == 6
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 3 and np.all(np.diff(fitted.loss_curve_) < 0)
    x_hat = fitted.inverse_transform(fitted.transform(x))
    assert np.isclose(fitted.score(x), -np.square(x - x_hat).mean())
    assert fitted.transform(x).dtype == x_hat.dtype == np.float32


def test_verbose_prints_a_line_an_epoch(capsys):
    AutoencoderTransformer(**SMALL).fit(columns())
    assert capsys.readouterr().out == ""
    AutoencoderTransformer(**SMALL, verbose=True).fit(columns())
    assert capsys.readouterr().out.count("epoch") == 3


def test_a_linear_network_finds_the_plane_of_pca():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6)) + 0.1 * rng.standard_normal((200, 6))
    x -= x.mean(0)
    settings = {"hidden_layer_sizes": (), "learning_rate": 0.03, "epochs": 1500, "batch_size": 200}
    plane = PCA(2).fit(x)
    best = -np.square(x - plane.inverse_transform(plane.transform(x))).mean()
    assert best >= AutoencoderTransformer(**SMALL | settings).fit(x).score(x) > 1.02 * best


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("shape, filters", [((8, 8, 1), (3, 2)), ((5, 7, 3), (2, 3)), ((1, 1, 1), 2)])
def test_images_are_rows_or_arrays(backend, shape, filters):
    x = images(shape=shape)
    estimator = AutoencoderTransformer(**SMALL | {"hidden_layer_sizes": filters, "backend": backend}, loss="bce")
    fitted = clone(estimator).set_params(image_shape=shape).fit(x)
    rows = x.reshape(len(x), -1)
    again = clone(fitted).fit(rows)
    codes = fitted.transform(x)
    assert codes.shape == (12, 2) and np.array_equal(codes, again.transform(rows))
    x_hat = fitted.inverse_transform(codes)
    assert x_hat.shape == rows.shape and x_hat.min() >= 0 and x_hat.max() <= 1
    assert "Conv2D" in repr(fitted.model_) and "Conv2D" not in repr(estimator.fit(rows).model_)
    with pytest.raises(ValueError):
        fitted.transform(x.reshape(len(x), -1, 1, 1)[..., [0, 0]])


def test_grey_images_may_leave_their_channel_out_and_lists_are_arrays():
    x = images()
    fitted = AutoencoderTransformer(2, image_shape=(8, 8, 1), **SMALL).fit(x)
    for same in (x[..., 0], x.tolist(), x[..., 0].tolist(), x.reshape(len(x), -1).tolist()):
        again = AutoencoderTransformer(2, image_shape=(8, 8, 1), **SMALL).fit(same)
        assert np.array_equal(again.transform(same), fitted.transform(x))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("shape, given", [(None, (8, 8)), (None, (8, 8, 1)), ((8, 8, 1), (4, 8)), ((8, 8, 3), (8, 8))])
def test_images_that_do_not_fit_are_told_of_image_shape(kind, listed, shape, given):
    x = images(shape=given)
    with pytest.raises(ShapeError, match=r"image_shape.*; or give columns, X.reshape\(len\(X\), -1\)"):
        kind(image_shape=shape, **SMALL).fit(x.tolist() if listed else x)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("sizes", [(5, 4), ()])
def test_sizes_may_be_an_array(kind, sizes):
    settings = SMALL | {"hidden_layer_sizes": sizes}
    wanted = kind(**settings).fit(columns()).model_.get_weights()
    estimator = clone(kind(**settings | {"hidden_layer_sizes": np.array(sizes, int)}))
    assert isinstance(estimator.get_params()["hidden_layer_sizes"], np.ndarray) and repr(estimator)
    found = clone(estimator.fit(columns())).fit(columns()).model_.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))


def test_backends_agree():
    codes, inverses = zip(*(outcome(backend=backend) for backend in ("cpu", "reference")))
    for pair in (codes, inverses):
        one, two = (np.frombuffer(numbers, np.float32) for numbers in pair)
        assert np.allclose(one, two, rtol=1e-4, atol=1e-5)


def test_logits_come_back_as_data():
    x_hat = AutoencoderTransformer(**SMALL, loss="bce_logits").fit(columns()).inverse_transform([[50.0, -50.0]])
    assert x_hat.min() >= 0 and x_hat.max() <= 1


@pytest.mark.parametrize("contamination", [0.05, 0.2])
def test_outliers_off_the_plane_are_found(contamination):
    rng = np.random.default_rng(0)
    inliers = StandardScaler().fit_transform(make_blobs(190, 2, random_state=0)[0] @ rng.standard_normal((2, 8)))
    inliers += 0.1 * rng.standard_normal((190, 8))
    x = np.concatenate([inliers, rng.standard_normal((10, 8))])  # the same mean and spread in every column
    detector = AutoencoderOutlierDetector(contamination, random_state=0, backend="reference").fit(x)
    assert roc_auc_score([1] * 190 + [0] * 10, detector.score_samples(x)) > 0.99
    assert (detector.predict(x) == -1).sum() == round(contamination * 200)
    assert np.array_equal(detector.decision_function(x) < 0, detector.predict(x) == -1)


def test_pipeline_grid_search_and_cross_validation_in_two_processes():
    x = columns(90)
    pipeline = make_pipeline(StandardScaler(), AutoencoderTransformer(**SMALL | {"backend": "cpu"}))
    grid = {"autoencodertransformer__n_components": [1, 4], "autoencodertransformer__epochs": [1, 8]}
    searches = [GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs, error_score="raise").fit(x) for jobs in (1, 2)]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    assert np.array_equal(one, two) and searches[1].best_params_["autoencodertransformer__epochs"] == 8
    best = searches[1].best_estimator_
    assert best.inverse_transform(best.transform(x)).shape == x.shape
    scores = cross_val_score(AutoencoderTransformer(**SMALL), x, cv=3, n_jobs=2)
    assert np.all(scores < 0) and np.array_equal(scores, cross_val_score(AutoencoderTransformer(**SMALL), x, cv=3))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_fitted_estimator_works_in_other_workers(backend):
    x = columns(300, 60)
    fitted = AutoencoderTransformer(**TINY | {"hidden_layer_sizes": (200,)}, random_state=0).fit(x)
    jobs = (joblib.delayed(fitted.transform)(part) for part in np.split(x, 3))
    with joblib.parallel_config(backend, n_jobs=2):
        assert np.array_equal(np.concatenate(joblib.Parallel()(jobs)), fitted.transform(x))


@pytest.mark.parametrize("kind", BOTH)
def test_pickle_and_joblib(kind, tmp_path):
    x = columns()
    fitted = kind(**SMALL | {"backend": "cpu"}).fit(x)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    copies = [pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "fitted.joblib")]
    copies.append(joblib.load(tmp_path / "fitted.joblib", mmap_mode="r"))  # weights that cannot be written
    before = fitted.model_.reconstruct(x)
    for copy in copies:
        assert np.array_equal(copy.model_.reconstruct(x), before)
        copy.model_.fit(x, epochs=1, verbose=0)
        assert not np.array_equal(copy.model_.reconstruct(x), before)
        assert np.array_equal(fitted.model_.reconstruct(x), before)
    unfitted = pickle.loads(pickle.dumps(clone(fitted)))
    assert not hasattr(unfitted, "model_")


def test_names_of_the_codes():
    names = AutoencoderTransformer(**SMALL).fit(columns()).get_feature_names_out()
    assert names.tolist() == ["autoencodertransformer0", "autoencodertransformer1"]


def test_data_frames_go_in_and_come_out():
    pandas = pytest.importorskip("pandas", reason="data frames are pandas'")
    frame = pandas.DataFrame(columns(), columns=list("abcdef"), index=range(100, 140))
    transformer = AutoencoderTransformer(**SMALL).set_output(transform="pandas").fit(frame)
    codes = transformer.transform(frame)
    assert list(codes.columns) == list(transformer.get_feature_names_out()) and codes.index.equals(frame.index)
    assert transformer.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names should match"):
        transformer.transform(frame[list("fedcba")])


def test_without_scikit_learn_one_line_says_what_to_install():
    program = "import sys; sys.modules['sklearn'] = None; import minicae, minicae.estimators"
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(mc.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: minicae.estimators needs scikit-learn")
    assert last.endswith('pip install "minicae[sklearn]"') and "During handling" not in run.stderr
