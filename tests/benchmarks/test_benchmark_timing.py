"""Turns are rotated, drift cancels, and a contestant that fails becomes a line."""

import numpy as np
import pytest

from benchmarks.libraries import CONTESTANTS, Unavailable
from benchmarks.problems import Product
from benchmarks.timing import Contestant, Plan, rotated, take_turns

ROUNDS = Plan(4, 0.0, 0.0)


def test_everybody_is_first_equally_often():
    orders = [rotated("abc", turn) for turn in range(6)]
    assert [order[0] for order in orders] == list("abcabc")
    assert all(sorted(order) == list("abc") for order in orders)
    assert rotated([], 3) == []


def test_turns_are_taken_round_by_round():
    asked = []
    take_turns({name: lambda seconds, name=name: asked.append(name) or [1.0] for name in "ab"}, ROUNDS)
    assert "".join(asked) == "abbaabba"


def test_drift_cancels_in_ratios():
    slowness = {"a": iter([1, 2, 4, 8]), "b": iter([1, 2, 4, 8])}
    bursts = {
        "a": lambda seconds: [1.0 * next(slowness["a"])] * 3,
        "b": lambda seconds: [3.0 * next(slowness["b"])] * 3,
    }
    turns = take_turns(bursts, ROUNDS, "a")
    assert turns["a"].ratio == 1 and turns["b"].ratio == 3
    assert turns["b"].times == [3.0] * 3 + [6.0] * 3 + [12.0] * 3 + [24.0] * 3


def test_who_fails_takes_no_part_from_then_on():
    times = iter([[1.0]])

    def fail(seconds):
        for one in times:
            return one
        raise Unavailable("out of breath")

    turns = take_turns({"a": fail, "b": lambda seconds: [2.0]}, ROUNDS, "b")
    assert turns["a"].note == "out of breath" and turns["a"].times == [1.0]
    assert len(turns["b"].rounds) == 4 and turns["b"].ratio == 1


@pytest.fixture
def contestant():
    """Starts worker processes, and ends them."""
    started = []

    def start(name):
        started.append(Contestant(name, 1))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_worker_prepares_answers_and_times(contestant):
    worker, problem = contestant("NumPy"), Product(4, 3, 2)
    assert worker.request("prepare", problem) == ""
    (got,) = worker.request("result")
    np.testing.assert_allclose(got, problem.wanted()[0][0], rtol=1e-5)
    assert min(worker.request("burst", 0.0)) > 0
    worker.process.kill()
    with pytest.raises(Unavailable, match="its process ended"):
        worker.request("result")


def test_a_missing_library_is_one_line(contestant, monkeypatch):
    monkeypatch.setitem(CONTESTANTS, "nobody", ("nothing_of_that_name", {}))
    with pytest.raises(Unavailable, match="ModuleNotFoundError: No module named") as caught:
        contestant("nobody").request("prepare", Product(4, 3, 2))
    assert "\n" not in str(caught.value)
