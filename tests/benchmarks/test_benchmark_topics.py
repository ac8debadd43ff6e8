"""Every topic yields rows, contestants that are missing included; results are saved, and the README's table made of them."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as program
from benchmarks import figures, report, topics
from benchmarks.problems import Product
from benchmarks.rows import Row, table
from benchmarks.topics import start


@pytest.fixture
def no_programs(monkeypatch):
    monkeypatch.setattr(start, "_seconds", lambda program, cache, threads: 0.5)


@pytest.mark.parametrize("name", topics.NAMES)
def test_topics_yield_rows(session, no_programs, name):
    topic = __import__(f"benchmarks.topics.{name}", fromlist=["rows"])
    rows = list(topic.rows(session))
    assert topic.TITLE and rows
    for row in rows:
        assert isinstance(row, Row) and row.case and row.contestant
        assert (row.median is None) == (row.count == 0) and (row.count or row.note)
        assert not row.note.startswith("wrong")
        json.dumps(vars(row), allow_nan=False)
    assert any(row.median and row.contestant for row in rows)
    if name not in ("start", "scale", "quality"):
        assert any(row.note in ("PyTorch is not here", "PyTorch CUDA is not here") for row in rows)
    assert table([row for row in rows if row.case == rows[0].case])


def test_compare_gives_shares_ratios_and_errors(session):
    ours, _, theirs = session.compare(Product(40, 30, 20), ["minicae", "minicae im2col", "PyTorch"])
    assert ours.ratio == 1 and ours.error < 10 and ours.peak == 100.0
    assert ours.gflops == pytest.approx(2 * 40 * 30 * 20 / ours.median / 1e6)
    assert ours.share == pytest.approx(ours.gflops / 100)
    assert theirs.median is None and theirs.share is None


def test_a_wrong_contestant_gets_no_time(session, monkeypatch, capsys):
    from benchmarks.libraries import Task, minicae

    monkeypatch.setattr(minicae, "gemm", lambda problem: Task(lambda: None, lambda: [np.zeros((problem.M, problem.N))]))
    (row,) = session.compare(Product(4, 3, 2), ["minicae"])
    assert row.median is None and row.note.startswith("wrong: error") and row.share is None


def test_the_program_saves_and_makes_the_table(stubs, no_programs, tmp_path, capsys):
    arguments = ["--quick", "--save", "--threads", "2", "--out", str(tmp_path)]
    assert program.main(["step", "start", *arguments]) == 0
    said = capsys.readouterr().out
    assert "100 GFLOP/s" in said and "=== step" in said and "=== start" in said
    saved, machine, content = report.load(tmp_path, "step")
    assert saved[0].contestant == "minicae" and machine["threads"] == 2 and content["profile"]
    for name in ("step.png", "roofline.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert report.load(tmp_path, "conv") == ([], {}, {})
    assert "nothing is saved" in report.readme_table(tmp_path)  # quick times are none


def test_a_wrong_result_is_an_exit_code(stubs, monkeypatch, capsys):
    monkeypatch.setattr(program, "_measured", lambda session, name, keep: [Row("case", "who", note="wrong: error nan")])
    assert program.main(["gemm", "--quick"]) == 1


def test_the_table_of_the_readme(tmp_path, capsys):
    assert "nothing is saved" in report.readme_table(tmp_path)
    about = report.machine(2)
    case = "step convolutional, batch 64"
    step = [
        Row(case, "minicae", 100.0, 90.0, 9, ratio=1.0),
        Row(case, "PyTorch", 350.0, 300.0, 9, ratio=3.5),
        Row(case, "PyTorch compile (channels_last)", 210.0, 200.0, 9, ratio=2.1),
        Row(case, "JAX", note="is not here"),
    ]
    start_rows = [
        Row("start", "minicae: import and first step, compiled before", 0.5, 0.4, 5, "s", 1.0),
        Row("start", "import torch", 1.5, 1.0, 5, "s", 3.0),
    ]
    conv = [
        Row(f"forward {n}", "minicae", 1.0, 1.0, 3, flops=n * 10**6, peak=100.0, bound="fma", ratio=1.0)
        for n in (60, 90)
    ]
    scale = [
        Row("an epoch over a file", "1,000 images", 100.0, 100.0, 1, ratio=1.0),
        Row("an epoch over a file", "100,000 images", 104.0, 104.0, 1, ratio=1.04),
        Row("speed-up", "minicae, 1 thread", 190.0, 190.0, 3, ratio=1.9),
    ]
    case = "anomalies, MNIST"
    quality = [Row(case, "PCA, 32", 0.9514, count=1, unit="AUC"), Row(case, "dense", 0.97, count=1, unit="AUC")]
    saved = ("step", step), ("start", start_rows), ("conv", conv), ("scale", scale), ("quality", quality)
    for name, rows in saved:
        report.save(tmp_path, name, rows, about, {})
    assert program.main(["table", "--out", str(tmp_path), "--threads", "1"]) == 0
    text = capsys.readouterr().out
    assert "| training step, convolutional network, batch 64 | 100 ms | 3.5 x | 2.1 x |" in text
    assert "| import and first step (the others: import alone) | 0.50 s | 3 x |" in text
    assert "| anomalies, MNIST | AUC |\n| --- | --- |\n| PCA, 32 | 0.951 |\n| dense | 0.97 |" in text
    assert "60% to 90% |" in text and "changes by +4%" in text and "1.90 times" in text
    assert about["processor"] in text and about["date"] in text and "JAX" not in text


def test_every_kernel_is_in_the_figures():
    rows = [
        {"layer": "encoder[0]", "kernel": "conv2d_forward", "calls": 1, "ms": 2.0, "flops": 10**9, "nbytes": 10**7},
        {"layer": "encoder[1]", "kernel": "maxpool2d_forward", "calls": 1, "ms": 1.0, "flops": 0, "nbytes": 10**7},
        {"layer": "optimizer", "kernel": "adam_step", "calls": 1, "ms": 0.5, "flops": 0, "nbytes": 10**6},
    ]
    content = {"profile": rows, "step_ms": 4.0, "title": "step", "peak": 500.0, "copy": 20.0}
    bars = figures.step(content).axes[0]
    assert len(bars.patches) == 3 and bars.get_xlabel() == "milliseconds"
    roof = figures.roofline(content).axes[0]
    assert {text.get_text() for text in roof.texts} >= {"forward  encoder[0]", "maxpool2d_forward", "adam_step"}
    assert figures._points(rows)[0][:2] == (100.0, 500.0)
