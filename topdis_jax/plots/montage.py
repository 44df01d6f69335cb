"""Montages: images side by side in one picture, with labels."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.image import AxesImage
import numpy as np


def tile(pictures: np.ndarray) -> np.ndarray:
    """Images [rows, columns, h, w, c] in [0, 1] as one RGB image [H, W, 3].

    Gray lines separate them.
    """
    rows, columns, height, width, channels = pictures.shape
    gap = _gap(height)
    cells = np.full((rows, height + gap, columns, width + gap, 3), 0.6)
    cells[:, :height, :, :width] = np.clip(pictures, 0, 1).transpose(
        0, 2, 1, 3, 4)
    whole = cells.reshape(rows * (height + gap), columns * (width + gap), 3)
    return whole[:-gap, :-gap]


def _gap(height):
    """Pixels between two images of this height, both ways."""
    return max(height // 24, 1)


def show(axes: Axes, pictures: np.ndarray) -> AxesImage:
    """Shows images [rows, columns, h, w, c], tiled; returns the artist."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes.imshow(tile(pictures))


def label_rows(axes: Axes, pictures: np.ndarray,
               labels: Sequence[str]) -> None:
    """Labels the rows of a montage of images [rows, columns, h, w, c]."""
    height = pictures.shape[2]
    _label_cells(axes.yaxis, height, _gap(height), labels)


def label_columns(axes: Axes, pictures: np.ndarray,
                  labels: Sequence[str]) -> None:
    """Labels the columns of a montage of images [rows, columns, h, w, c]."""
    height, width = pictures.shape[2:4]
    _label_cells(axes.xaxis, width, _gap(height), labels)


def _label_cells(axis, pixels, gap, labels):
    axis.set_ticks([i * (pixels + gap) + (pixels - 1) / 2
                    for i in range(len(labels))], labels, fontsize=9)
