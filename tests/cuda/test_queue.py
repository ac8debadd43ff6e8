"""Launches that wait for each other: what goes out, when, and as what."""

import pickle
import threading

import numpy as np
import pytest

from minicae import kernels
from minicae.kernels.cuda import _launch, _queue
from minicae.later import Later


@pytest.fixture
def module():
    return kernels.backend("cuda")


def there(module, *numbers):
    array = module.empty((len(numbers),), np.float32)
    module.upload(np.float32(numbers), array)
    return array


@pytest.fixture
def made(monkeypatch):
    """How many launches were made one by one, each time that some were."""
    counts, make = [], _queue.make

    def counted(launches):
        launches = list(launches)
        counts.append(len(launches))
        make(launches)

    monkeypatch.setattr(_queue, "make", counted)
    return counts


def test_a_list_is_a_graph_from_its_second_time_on(module):
    x, y, graphs, found = there(module, 1, 2), there(module, 0, 0), {}, []
    for _ in range(4):
        with module.together(graphs):
            module.add(x, y, y)
            module.clip_by_value(y, 7.0)
        found.append(list(map(type, graphs.values())))
    assert module.download(y).tolist() == [4, 7]
    assert found == [[type(None)], [_queue.Graph], [_queue.Graph], [_queue.Graph]]


def test_nothing_goes_out_before_the_end(module, made):
    x, y = there(module, 1, 2), there(module, 0, 0)
    made.clear()
    with module.together({}):
        module.add(x, x, y)
        module.add(x, y, y)
        assert made == []
    assert made == [2] and module.download(y).tolist() == [3, 6]
    module.add(x, y, y)
    assert made == [2, 1]


def test_numbers_that_change_make_no_other_list(module):
    x, graphs = there(module, 1, -1), {}
    for factor in (2.0, 3.0, 5.0, 7.0):
        with module.together(graphs):
            module.scale(x, factor)
            module.scale(x, 0.5)
    assert module.download(x).tolist() == [2 * 3 * 5 * 7 / 16, -2 * 3 * 5 * 7 / 16]
    assert len(graphs) == 1


def test_other_numbers_arrays_and_sizes_make_another_list(module):
    x, y, graphs = there(module, 8, 8), there(module, 8, 8), {}
    for array, limit in ((x, 4.0), (x, 4.0), (x, 3.0), (y, 3.0), (y, 2.0), (y[:1], 1.0), (x, 4.0)):
        with module.together(graphs):
            module.clip_by_value(array, limit)
    assert module.download(x).tolist() == [3, 3] and module.download(y).tolist() == [1, 2]
    assert [graph is None for graph in graphs.values()] == [True, True, True, True, False]


def test_what_is_written_from_here_is_not_read_too_early_nor_too_late(module):
    x, y, z = there(module, 1, 2), there(module, 0, 0), there(module, 0, 0)
    for _ in range(3):
        with module.together({}):
            module.upload(np.float32([1, 2]), x)
            module.add(x, x, y)
            module.upload(np.float32([9]), x[1:])  # a part of what waits to be read
            module.add(x, x, z)
        assert module.download(y).tolist() == [2, 4] and module.download(z).tolist() == [2, 18]


def test_reading_lets_what_waits_go_out(module):
    x, y = there(module, 1, 2), there(module, 0, 0)
    with module.together({}):
        module.add(x, x, y)
        assert module.download(y).tolist() == [2, 4]
        module.add(y, x, y)
    assert module.download(y).tolist() == [3, 6]


def test_a_failure_leaves_nothing_behind(module, made):
    x = there(module, 1, 2)
    made.clear()
    with pytest.raises(ZeroDivisionError), module.together({}):
        module.scale(x, 2.0)
        raise ZeroDivisionError
    assert made == [] and module.download(x).tolist() == [1, 2]
    module.scale(x, 3.0)
    assert module.download(x).tolist() == [3, 6]


def test_a_list_within_a_list_is_part_of_it(module, made):
    x, graphs, inner = there(module, 1), {}, {}
    made.clear()
    with module.together(graphs):
        module.scale(x, 2.0)
        with module.together(inner):
            module.scale(x, 3.0)
        module.scale(x, 5.0)
    assert made == [3] and not inner and len(graphs) == 1 and module.download(x).tolist() == [30]


def test_only_some_lists_are_remembered(module):
    graphs = {}
    arrays = [there(module, 1) for _ in range(_queue.MOST + 2)]
    for array in arrays:
        for _ in range(2):
            with module.together(graphs):
                module.scale(array, 2.0)
    assert len(graphs) == _queue.MOST and all(graphs.values())
    assert [module.download(array)[0] for array in arrays] == [4.0] * len(arrays)


def test_more_numbers_than_there_is_room_for(module, made):
    x = there(module, 1)
    made.clear()
    with module.together({}):
        for _ in range(_queue.ROOM + 1):
            module.scale(x, -1.0)
    assert made == [_queue.ROOM, 1] and module.download(x).tolist() == [-1]


def test_another_thread_waits_its_turn(module):
    x, y, done = there(module, 1), there(module, 1), []

    def other():
        module.scale(y, 2.0)
        done.append(module.download(y)[0])

    with module.together({}):
        module.scale(x, 2.0)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        assert not done
        assert len(_queue.QUEUE.waiting) == 1
    thread.join()
    assert done == [2.0] and module.download(x).tolist() == [2]


@pytest.mark.parametrize("copied", [True, False], ids=["a copy", "an empty one"])
def test_an_array_of_another_thread_waits_its_turn(module, copied):
    """What is uploaded on no stream would spoil a capture; and arrays are counted."""
    kept, x, done = pickle.dumps(there(module, 1, 2)), there(module, 1), []
    make = (lambda: pickle.loads(kept)) if copied else (lambda: module.empty((2,), np.float32))
    with module.together({}):
        module.scale(x, 2.0)
        thread = threading.Thread(target=lambda: done.append(make()))
        thread.start()
        thread.join(0.2)
        assert not done
    thread.join()
    (array,) = done
    assert array.shape == (2,) and (not copied or module.download(array).tolist() == [1, 2])


def test_threads_have_working_memory_of_their_own():
    found = []
    thread = threading.Thread(target=lambda: found.append(_launch.scratch("here", np.float32, 4)))
    thread.start()
    thread.join()
    mine = _launch.scratch("here", np.float32, 4)
    assert found[0] is not mine and _launch.scratch("here", np.float32, 4) is mine


def test_pinned_memory_is_told_from_other(module):
    whole = module.pinned((4, 2), np.float32)
    assert _queue.is_pinned(whole) and _queue.is_pinned(whole[1:3]) and not _queue.is_pinned(whole[1:3].copy())
    whole[...] = np.arange(8).reshape(4, 2)
    array = module.empty((3, 2), np.float32)
    module.upload(whole[:3], array)
    assert np.array_equal(module.download(array), whole[:3])


def test_optimizers_leave_alone_what_is_not_finite(module):
    values, kept = there(module, 1, 2), there(module, 5, 5)
    good, bad, costs = there(module, 1, 1), there(module, 1, np.nan), there(module, 3)
    rate = 0.5, 0.0, False
    assert module.keep_if_finite(good, values, kept, (costs,))
    module.sgd_step(values, good, None, *rate)
    assert module.download(values).tolist() == [0.5, 1.5] and module.download(kept).tolist() == [1, 2]
    found = module.keep_if_finite(bad, values, kept)
    module.sgd_step(values, bad, None, *rate)
    assert isinstance(found, Later) and not found
    module.upload(np.float32([np.inf]), costs)
    assert not module.keep_if_finite(good, values, kept, (costs,))
    module.sgd_step(values, good, None, *rate)
    module.adam_step(values, good, there(module, 0, 0), there(module, 0, 0), 0.1, 0.9, 0.99, 1e-8, 0.1, 1)
    assert module.download(values).tolist() == [0.5, 1.5] and module.download(kept).tolist() == [1, 2]
    assert module.keep_if_finite(good, values, kept)
    module.sgd_step(values, good, None, *rate)
    assert module.download(values).tolist() == [0, 1]
