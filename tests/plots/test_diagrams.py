"""Drawings: what is written in them is computed here by hand."""

import numpy as np
import pytest

import minicae as mc
from minicae import plots


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_architecture_says_shapes_and_parameters_of_every_layer(ax):
    model = mc.zoo.convolutional()
    plots.architecture(model, ax)
    said = words(ax)
    for leaf in model.leaves():
        assert leaf.name in said and repr(leaf) in said
    assert {"28x28x64", "14x14x128", "7x7x256 = the code", "295,168", "640", "encoder", "decoder"} <= set(said)
    bars = [patch for patch in ax.patches if patch.get_fill()]
    numbers = [784, *(int(np.prod(leaf.output_shape)) for leaf in model.leaves())]
    widths = [bar.get_width() for bar in bars]
    assert np.allclose(np.divide(widths, widths[0]), np.log1p(numbers) / np.log1p(784))
    assert len(ax.patches) == len(bars) + 1  # the frame around the code


def test_architecture_of_a_chain_has_no_code(ax):
    plots.architecture(mc.Sequential([mc.layers.Dense(3), mc.layers.ReLU()], input_shape=(4,)), ax)
    assert not any("code" in text for text in words(ax)) and "15" in words(ax)


@pytest.mark.parametrize(
    "height, width, kernel, strides, padding", [(4, 4, (3, 3), 1, "valid"), (4, 5, (2, 3), (2, 1), "same")]
)
def test_im2col_is_the_matrix_whose_product_is_the_convolution(ax, height, width, kernel, strides, padding):
    plots.im2col(height, width, kernel, strides, padding, filters=2, row=1, ax=ax)
    image = np.arange(1, height * width + 1, dtype=np.float64).reshape(1, height, width, 1)
    w = np.random.default_rng(0).standard_normal((*kernel, 1, 2))
    y = mc.ops.conv2d_forward(image, w, stride=strides, padding=padding, backend="reference")
    said = words(ax)
    cells = [text for text in ax.texts if text.get_text().isdigit()]
    columns = sorted({round(text.get_position()[0], 3) for text in cells})
    across = columns[-kernel[0] * kernel[1] :]  # the matrix of patches is right of the image
    matrix = sorted(
        ((text.get_position()[1], text.get_position()[0], int(text.get_text())) for text in cells
         if round(text.get_position()[0], 3) in across),
    )  # fmt: skip
    patches = np.array([number for *_, number in matrix]).reshape(-1, len(across))
    assert np.allclose(patches @ w.reshape(-1, 2), y.reshape(-1, 2))
    OH, OW = y.shape[1:3]
    assert f"patches\n{OH}·{OW} x {kernel[0]}·{kernel[1]}" in said and said.count(f"y{OH - 1}{OW - 1}") == 2


def test_im2col_marks_the_patch_of_the_row(ax):
    plots.im2col(5, 5, 2, strides=2, row=3, ax=ax)
    image, patch, output = (frame for frame in ax.patches if not frame.get_fill())
    assert (image.get_x(), image.get_y() + 2.5, image.get_width(), image.get_height()) == (2, 2, 2, 2)
    assert patch.get_y() + 2 == output.get_y() + 2 == 3 and patch.get_width() == 4 and output.get_width() == 2
