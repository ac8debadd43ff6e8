"""The benchmark of a GPU where there is none: it says so, loses little to what fails, and refuses what is wrong."""

import contextlib
import types

import numpy as np
import pytest

from benchmarks import __main__ as program
from benchmarks import report
from benchmarks.libraries import Unavailable, gpu
from benchmarks.networks import Training, write_digits
from benchmarks.passes import Elementwise, Resizing
from benchmarks.problems import Convolution, Product
from benchmarks.rows import Row
from benchmarks.session import validated
from benchmarks.timing import Contestant
from benchmarks.topics import cuda
from minicae.kernels import reference

PROBLEMS = [
    Product(6, 5, 4),
    *(Convolution(direction, 2, 5, 3, 4) for direction in ("forward", "backward_input", "backward_weight")),
    *(Elementwise(operation, 2, 3, 4) for operation in Elementwise.PASSES),
    *(
        Resizing(f"{kind}_{direction}", 2, 3, 4)
        for kind in ("maxpool2d", "upsample_nearest", "upsample_bilinear")
        for direction in ("forward", "backward")
    ),
]


@pytest.fixture
def referee(session):
    return cuda.Referee(session)


@pytest.fixture
def possible(monkeypatch):
    """As if there were a GPU."""
    monkeypatch.setattr(cuda, "missing", lambda quick: "")


@pytest.fixture
def brief(possible, monkeypatch):
    """One kernel, one case."""
    monkeypatch.setattr(gpu, "names", lambda: ["add"])
    monkeypatch.setattr(cuda, "cases", lambda session: [cuda.Case(Product(4, 3, 2), (cuda.OURS, cuda.THEIRS))])


def test_without_a_gpu_it_is_one_line_and_no_failure(monkeypatch, capsys, tmp_path):
    def missing(name):
        raise cuda.BackendError("no GPU was found")

    monkeypatch.setattr(cuda.kernels, "backend", missing)
    assert program.main(["cuda", "--save", "--out", str(tmp_path / "results")]) == 0
    assert capsys.readouterr().out == "cuda is left out: no GPU was found\n"
    assert not (tmp_path / "results").exists()


def test_the_simulator_is_for_small_sizes(monkeypatch):
    monkeypatch.setattr(cuda.kernels, "backend", lambda name: None)
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert "--quick" in cuda.missing(False) and not cuda.missing(True)


def test_every_kernel_is_checked(referee):
    rows = list(cuda.checked(referee))
    assert {row.contestant for row in rows} == set(reference.__all__) - {"conv2d_algorithm"}
    assert all(row.note == "right" and 0 <= row.error < 1000 for row in rows)


@pytest.mark.parametrize("wrong", [1e-2, np.nan])
def test_a_wrong_kernel_is_named(referee, monkeypatch, wrong):
    def add(x, other, y):
        np.add(x, other, out=y)
        y[-1, -1, -1, -1] += wrong

    def faulty(name):
        return types.SimpleNamespace(add=add, scale=lambda x, factor: 1 / 0, pad2d=reference.pad2d)

    monkeypatch.setattr(gpu.kernels, "hosted", faulty)
    monkeypatch.setattr(gpu, "names", lambda: ["add", "scale", "pad2d"])
    ended = []
    monkeypatch.setattr(type(referee.session), "end", lambda self, name: ended.append(name))
    rows = list(cuda.checked(referee))
    assert rows[0].note.startswith("wrong: error") and rows[0].error is None
    assert rows[1].note == "ZeroDivisionError: division by zero" and rows[2].note == "right"
    assert ended == [cuda.DEVICE]  # by the division: after a wrong number the process can be asked again


def test_a_process_that_takes_too_long_is_ended():
    contestant = Contestant("NumPy", 1)
    contestant.patience = 1e-3
    with pytest.raises(Unavailable, match="its process ended"):
        contestant.request("prepare", Product(2000, 2000, 2000))
    contestant.close()


def test_who_fails_is_ended(referee, monkeypatch):
    closed = []
    monkeypatch.setattr(type(referee.session.contestant(cuda.THEIRS)), "close", lambda self: closed.append(self.name))
    rows = list(referee.compare(cuda.Case(Product(4, 3, 2), (cuda.OURS, cuda.THEIRS))))
    assert [row.note for row in rows][1] == "PyTorch CUDA is not here" and closed == ["PyTorch CUDA"]
    assert rows[0].median > 0 and rows[0].ratio == 1 and rows[0].share is None
    assert rows[0].note.startswith("off by ")


def test_what_no_longer_fits_is_left_out(referee):
    referee.end -= cuda.SECONDS
    rows = list(referee.compare(cuda.Case(Product(4, 3, 2), (cuda.OURS, cuda.THEIRS))))
    assert [(row.contestant, row.note) for row in rows] == [(cuda.OURS, "left out: the time is over")]


@pytest.mark.parametrize("problem", [Product(40, 400, 30), Convolution("backward_weight", 2, 8, 4, 3)])
def test_tf32_is_noticed(problem):
    """Operands that are rounded to ten bits behind the point, as TF32 does; the products are exact."""
    arrays = problem.arrays()
    want = problem.wanted()[0]
    rounded = {
        name: (a.view(np.uint32) + 0x1000 & 0xFFFFE000).astype(np.uint32).view(np.float32) for name, a in arrays.items()
    }
    object.__setattr__(problem, "arrays", lambda: rounded)
    with pytest.raises(Unavailable, match="is TF32 on"):
        cuda._in_float32(problem, [one.astype(np.float32) for one in problem.wanted()[0]], want)
    assert cuda._in_float32(problem, [one.astype(np.float32) for one in want], want).startswith("off by")


def test_a_batch_of_repeated_images_has_the_answer_of_the_images(tmp_path):
    path = str(tmp_path / "few.npy")
    write_digits(path, 2)
    few, many = (Training("step", "5-4-3-2-3-4-5", batch, path).wanted()[0] for batch in (2, 16))
    for one, other in zip(few, many):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_results_are_saved_as_they_come(stubs, brief, monkeypatch, tmp_path, capsys):
    saved = []
    save = report.save
    monkeypatch.setattr(report, "save", lambda *a: saved.append((len(a[2]), a[3].get("complete"))) or save(*a))
    assert program.main(["cuda", "--quick", "--save", "--threads", "2", "--out", str(tmp_path)]) == 0
    assert saved == [(1, False), (3, False), (3, None)]
    rows, machine, content = report.load(tmp_path, "cuda")
    assert content["device"]["device"] == "NVIDIA Nothing" and machine["date"] and "complete" not in machine
    assert "multiply-adds" not in capsys.readouterr().out  # the processor's peak is not of interest


def test_a_case_that_breaks_costs_only_itself(session, brief, monkeypatch):
    broken = Product(4, 3, 2)
    object.__setattr__(broken, "wanted", lambda: 1 / 0)
    cases = [cuda.Case(broken, (cuda.OURS,)), cuda.Case(Product(4, 3, 2), (cuda.OURS,))]
    monkeypatch.setattr(cuda, "cases", lambda session: cases)
    _, first, second = cuda.rows(session)
    assert first.note == "ZeroDivisionError: division by zero" and second.median > 0


def test_the_table_of_the_readme(tmp_path):
    step, product, conv = "step convolutional, batch 128", "4096x4096 times 4096x4096", "forward 128x28x28x1 to 64"
    costs = {"flops": 10**9, "bound": "fma"}
    rows = [
        Row(cuda.KERNELS, "add", error=0.5, note="right"),
        Row(step, cuda.OURS, 4.0, 3.9, 30, ratio=1.0, **costs),
        Row(step, cuda.THEIRS, 6.0, 5.9, 30, ratio=1.5, **costs),
        Row(step, cuda.GRAPH, note="out of memory"),
        Row(product, cuda.OURS, 10.0, 9.0, 30, ratio=1.0, peak=160.0, **costs),
        Row(conv, cuda.OURS, 10.0, 9.0, 30, ratio=1.0, peak=200.0, **costs),
        Row("relu_forward 512x28x28x64", cuda.OURS, 1.0, 1.0, 30, nbytes=8 * 10**6, peak=10.0, bound="copy"),
    ]
    device = {"device": {"device": "NVIDIA Nothing", "driver": "1.2"}}
    assert "nothing is saved" in report.readme_table(tmp_path)
    report.save(tmp_path, "cuda", rows, {"date": "2026-01-02"}, device)
    text = report.readme_table(tmp_path)
    assert "| NVIDIA Nothing | minicae | PyTorch | PyTorch graph |" in text
    assert f"| {step} | 4.00 ms | 1.5 x |  |" in text
    assert f"| {product} | 10 ms, 62% of cuBLAS |  |  |" in text
    assert (
        "| convolutions, of PyTorch's speed | 50% to 50% |" in text
        and "| passes, of the device's copy | 80% to 80% |" in text
    )
    assert "driver 1.2; 2026-01-02." in text and "1 kernels agreed" in text and "not finished" not in text
    report.save(tmp_path, "cuda", rows, {"date": "2026-01-02", "complete": False}, device)
    assert "The run was not finished." in report.readme_table(tmp_path)
    report.save(tmp_path, "cuda", rows[:1], {"date": "2026-01-02"}, device)
    assert "nothing is saved" in report.readme_table(tmp_path)


def test_a_graph_begins_where_the_training_began(monkeypatch, tmp_path):
    """The capture is a stand-in that calls the update again; what is around it must leave weights and moments alone."""
    torch = pytest.importorskip("torch")
    from benchmarks.libraries import _torch_gpu
    from benchmarks.libraries import torch as library

    captured = []

    class Graph:
        def replay(self):
            self.loss.copy_(self.update(self.x))

    @contextlib.contextmanager
    def capture(graph):
        captured.append(graph)
        yield

    stream = types.SimpleNamespace(wait_stream=lambda other: None)
    for name, value in {
        "Stream": lambda: stream, "current_stream": lambda: stream, "stream": contextlib.nullcontext,
        "CUDAGraph": Graph, "graph": capture,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    path = str(tmp_path / "digits.npy")
    write_digits(path, 4)
    problem = Training("step", "5-4-3-2-3-4-5", 4, path)
    network, _, batches = library._network(problem, torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=network.learning_rate)
    before = [w.detach().clone() for w in network.parameters()]

    def update(x):
        optimizer.zero_grad()
        loss = network.loss(network(x), x)
        loss.backward()
        optimizer.step()
        return loss.detach()

    x = torch.zeros_like(batches[0])
    replay = _torch_gpu.graphed(update, network, optimizer, x)
    assert all(torch.equal(w, old) for w, old in zip(network.parameters(), before))
    assert all(not v.any() for state in optimizer.state.values() for v in state.values())
    Graph.update, Graph.x, Graph.loss = staticmethod(update), x, torch.zeros(())
    losses = []
    for batch in batches[:2]:
        replay(batch)
        losses.append(float(Graph.loss))
    plain = library._step(problem, torch.contiguous_format).run
    assert len(captured) == 1 and losses == pytest.approx([plain(), plain()], rel=1e-5)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.title)
def test_pytorch_agrees_with_the_definition(problem):
    pytest.importorskip("torch")
    from benchmarks.libraries import torch as library

    task = getattr(library, problem.operation)(problem)
    assert validated(problem, task.result(), problem.wanted()) <= 64
    assert library.clock(task)() > 0


def test_pytorch_without_a_gpu_is_one_line():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    from benchmarks.libraries import torch as library

    with pytest.raises(Unavailable, match="this PyTorch finds no GPU"):
        library.begin(1, device="cuda")


def test_wrong_results_of_a_step_are_refused(tmp_path):
    path = str(tmp_path / "digits.npy")
    write_digits(path, 2)
    problem = Training("step", "5-4-3-2-3-4-5", 2, path)
    answer = problem.wanted()
    got = [np.array(one, np.float32) for one in answer[0]]
    assert validated(problem, got, answer) < 10 and cuda._in_float32(problem, got, answer[0]) == ""
