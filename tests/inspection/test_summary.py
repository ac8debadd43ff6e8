"""The table of a model, its numbers worked out by hand."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L


def test_a_small_network_by_hand():
    encoder = [L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.Conv2D(2, 5, strides=2, padding="valid")]
    model = mc.Sequential([*encoder, L.Flatten(), L.Dense(3)], (16, 12, 2))
    text = model.summary(print_fn=None)
    rows = [line.split() for line in text.splitlines()]
    assert rows[2] == ["input", "16x12x2"]
    # parameters: 3 * 3 * 2 * 4 + 4; FLOPs: 2 * (16 * 12 * 4) * (3 * 3 * 2); memory: 16 * 12 * 4 * 4 bytes
    assert rows[3][-7:] == ["16x12x4", "76", "0.028", "3.0", "KiB", "3x3", "im2col"]
    # field: 3 + (2 - 1) * 1; jump 2
    assert rows[4][-5:] == ["8x6x4", "0.001", "768", "B", "4x4"]
    # 5 * 5 * 4 * 2 + 2; output (8 - 5) // 2 + 1 = 2, (6 - 5) // 2 + 1 = 1; field: 4 + (5 - 1) * 2 = 12
    assert rows[5][-7:] == ["2x1x2", "202", "0.001", "16", "B", "12x12", "im2col"]
    assert rows[6][-4:] == ["4", "16", "B", "12x12"]
    assert rows[7][-6:] == ["3", "15", "0.000", "12", "B", "all"]
    flops = 2 * 16 * 12 * 4 * 18 + 8 * 6 * 4 * 4 + 2 * 2 * 1 * 2 * 25 * 4 + 2 * 4 * 3
    assert model.flops == flops
    assert rows[-1][:3] == ["293", "parameters", "(1.1"] and f"{flops / 1e6:.3f} MFLOP" in text
    assert f"{(3072 + 768 + 16 + 16 + 12) / 1024:.1f} KiB of activations" in text
    assert "float32 on the cpu backend" in text


@pytest.mark.filterwarnings("ignore:overcomplete")
def test_the_convolutional_network():
    model = mc.zoo.convolutional()
    text = model.summary(print_fn=None)
    assert "739,073 parameters (2.8 MiB)" in text
    # two FLOPs for each of 9 taps, channels in, channels out and pixels; one for each comparison of a 2x2 maximum
    convolutions = 2 * 9 * (784 * (64 + 64) + 196 * (64 * 128 + 128 * 64) + 49 * 2 * 128 * 256)
    assert model.flops == convolutions + 4 * (196 * 64 + 49 * 128)
    for name, shape in zip((leaf.name for leaf in model.leaves()), ("28x28x64", "14x14x64", "14x14x128")):
        (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
        assert shape in line.split()
    # 3 -> 4 -> 8 -> 10 -> 18 (jump 4) -> 26 -> upsampled to jump 2 -> 30, which is more than the image
    fields = [line.split()[-2] for line in text.splitlines() if "Conv2D" in line]
    assert fields == ["3x3", "8x8", "18x18", "26x26", "28x28", "28x28"]


def test_the_receptive_field_is_what_a_gradient_reaches():
    layers = [L.Conv2D(1, 3), L.AveragePooling2D(2), L.Conv2D(1, (3, 1), dilation=(2, 1)), L.AveragePooling2D(2)]
    model = mc.Sequential(layers, (40, 40, 1), dtype="float64")
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    y = model.forward(np.zeros((1, 40, 40, 1)))
    dy = np.zeros_like(y)
    dy[0, 5, 5, 0] = 1
    touched = model.backward(dy)[0, :, :, 0] != 0
    seen = f"{touched.any(1).sum()}x{touched.any(0).sum()}"
    assert model.summary(print_fn=None).splitlines()[-3].split()[-1] == seen


def test_it_prints_and_returns_the_same(capsys):
    model = mc.Sequential([L.Dense(2)], 3)
    text = model.summary()
    assert capsys.readouterr().out == text + "\n"
    collected = []
    model.summary(print_fn=collected.append)
    assert collected == [text]
