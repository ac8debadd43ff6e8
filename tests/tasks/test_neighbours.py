"""Neighbours and clusters: by hand, and against scikit-learn."""

import numpy as np
import pytest

from minicae import tasks
from minicae.errors import DataError, SettingError, ShapeError
from minicae.metrics import adjusted_rand_index
from minicae.tasks import neighbours

LINE = np.array([[0.0], [1], [3], [7]])


def test_nearest_by_hand():
    squares, index = neighbours.nearest(LINE, LINE, 2, itself=True)
    assert index.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert squares.tolist() == [[1, 9], [1, 4], [4, 9], [16, 36]]
    assert neighbours.nearest([[2.2]], LINE, 4)[1].tolist() == [[2, 1, 0, 3]]


def test_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
    want = neighbours.nearest(x, x, 3, itself=True), tasks.trustworthiness(x, z, 4)
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    got = neighbours.nearest(x, x, 3, itself=True), tasks.trustworthiness(x, z, 4)
    assert np.array_equal(want[0][1], got[0][1]) and np.allclose(want[0][0], got[0][0]) and want[1] == got[1]


def test_knn_accuracy_by_hand():
    train, test = LINE, [[0.2], [6.0]]
    assert tasks.knn_accuracy(train, [0, 0, 1, 1], test, [0, 1], k=1) == 1
    assert tasks.knn_accuracy(train, [0, 0, 1, 1], test, [1, 1], k=1) == 0.5
    assert tasks.knn_accuracy(train, [5, 3, 5, 3], test, [3, 3], k=4) == 1  # a tie: the smaller class
    assert tasks.knn_accuracy(train, list("abbb"), test, list("ab"), k=1) == 1


def test_trustworthiness_by_hand():
    x = LINE[:, [0, 0]]
    assert tasks.trustworthiness(x, 3 * x, k=1) == 1
    # the order 0, 7, 1, 3 in the code: of 0 the nearest is 7, rank 3; of 7: 0 or 1; of 1: 3, rank 2; of 3: 1, rank 1
    z = np.array([[0.0], [3], [4.5], [1]])
    # nearest in z: 0 -> 7 (rank 3), 1 -> 3 (rank 2), 3 -> 1 (rank 1), 7 -> 0 (rank 3): excess 2 + 1 + 0 + 2
    assert tasks.trustworthiness(x, z, k=1) == pytest.approx(1 - 2 / (4 * 1 * (8 - 3 - 1)) * 5)


def test_agree_with_scikit_learn():
    manifold = pytest.importorskip("sklearn.manifold")
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 5))
    z, labels = x[:, :2] + 0.5 * rng.standard_normal((80, 2)), rng.integers(0, 3, 80)
    for k in (1, 5, 20):
        assert tasks.trustworthiness(x, z, k) == pytest.approx(manifold.trustworthiness(x, z, n_neighbors=k))
        theirs = KNeighborsClassifier(k).fit(x[:60], labels[:60]).score(x[60:], labels[60:])
        assert tasks.knn_accuracy(x[:60], labels[:60], x[60:], labels[60:], k) == pytest.approx(theirs)


def test_kmeans_finds_what_is_apart():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 30)
    codes = rng.standard_normal((90, 2)) * 0.3 + np.array([[0, 0], [5, 0], [0, 5]])[truth]
    labels, centres, cost = tasks.kmeans(codes, 3)
    assert adjusted_rand_index(truth, labels) == 1 and centres.shape == (3, 2)
    assert cost == pytest.approx(np.square(codes - centres[labels]).sum())
    assert np.allclose(centres, [codes[labels == k].mean(0) for k in range(3)])
    assert np.array_equal(tasks.kmeans(codes, 3)[0], labels)


def test_kmeans_costs_no_more_than_scikit_learns():
    cluster = pytest.importorskip("sklearn.cluster")
    codes = np.random.default_rng(1).standard_normal((200, 3))
    theirs = cluster.KMeans(5, n_init=4, random_state=0).fit(codes).inertia_
    assert tasks.kmeans(codes, 5, restarts=8)[2] <= 1.02 * theirs


def test_kmeans_of_few_or_equal_codes():
    labels, _, cost = tasks.kmeans(LINE, 4)
    assert sorted(labels) == [0, 1, 2, 3] and cost == 0
    assert tasks.kmeans(np.ones((6, 2)), 3)[2] == 0


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: tasks.knn_accuracy(LINE, [0, 0, 1, 1], LINE, [0, 0, 1, 1], k=5), SettingError, "at most 4"),
        (lambda: tasks.knn_accuracy(LINE, [0, 0, 1, 1], LINE[:, [0, 0]], [0] * 4, k=1), ShapeError, "numbers a sample"),
        (lambda: tasks.knn_accuracy(LINE, [2, 2, 2, 2], LINE, [0] * 4, k=1), DataError, "y_train are all 2"),
        (lambda: tasks.knn_accuracy(LINE, [0, 0, 1], LINE, [0] * 4, k=1), ShapeError, r"y_train must be (4,)"),
        (lambda: tasks.knn_accuracy(LINE, [0, 0.5, 1, 1], LINE, [0] * 4, k=1), DataError, "dtype float64"),
        (lambda: tasks.knn_accuracy(LINE[:0], [], LINE, [0] * 4, k=1), DataError, "too small"),
        (lambda: tasks.trustworthiness(LINE, LINE, k=2), SettingError, "below half the 4 samples"),
        (lambda: tasks.trustworthiness(LINE, LINE[:3], k=1), ShapeError, "as many samples"),
        (lambda: tasks.trustworthiness(LINE * np.nan, LINE, k=1), DataError, "4 values that are not finite"),
        (lambda: tasks.trustworthiness(LINE[:, 0], LINE, k=1), ShapeError, "one row a sample"),
        (lambda: tasks.kmeans(LINE, 5), SettingError, "at most the 4 samples"),
        (lambda: tasks.kmeans(LINE, 2, restarts=0), SettingError, "restarts must be at least 1"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("offset", [1e6, 1e9])
def test_distances_do_not_depend_on_where_the_origin_is(offset):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200, 3)).round(3)
    labels = z[:, 0] > 0
    there = z + offset
    assert neighbours.knn_accuracy(there, labels, there[:50], labels[:50]) == neighbours.knn_accuracy(
        z, labels, z[:50], labels[:50]
    )
    assert neighbours.trustworthiness(there, z[:, :2]) == pytest.approx(
        neighbours.trustworthiness(z, z[:, :2]), abs=1e-3
    )
