"""Rendered sprites: white shapes on black, as in dSprites.

Each image is a function of its factors: shape (square, ellipse, heart),
scale (0.5 to 1), orientation (a full turn, without its end), column and row.
Positions are one pixel apart, so that a sprite is rendered once and copied to
all its positions. As in dSprites, a square looks the same after a quarter turn
and an ellipse after half a turn. Upright sprites have no orientation.
"""

from collections.abc import Iterator
import math
from typing import NamedTuple

import numpy as np

SHAPES = ('square', 'ellipse', 'heart')
NAMES = ('shape', 'scale', 'orientation', 'x', 'y')
_SCALES = 6
VERSION = 1  # of the images; a new version is rendered again
_SAMPLES = 8  # a pixel is the mean of 8 x 8 points


class Grid(NamedTuple):
    """Size of the images and of the grid of factors.

    Attributes:
      pixels: height and width of an image.
      orientations: number of angles; 1: upright, and not a factor.
      places: number of positions along each axis.
    """
    pixels: int
    orientations: int
    places: int

    @property
    def factors(self) -> dict[str, int]:
        """{name: size}; the last one varies fastest."""
        sizes = (len(SHAPES), _SCALES, self.orientations, self.places,
                 self.places)
        return {name: size for name, size in zip(NAMES, sizes) if size > 1}

    @property
    def factor_names(self) -> tuple[str, ...]:
        return tuple(self.factors)

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        return tuple(self.factors.values())

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, h, w, c) of all images."""
        return math.prod(self.factor_sizes), self.pixels, self.pixels, 1


GRIDS = {'sprites': Grid(64, 40, 32), 'sprites_small': Grid(32, 10, 16),
         'sprites_upright': Grid(32, 1, 16)}


def sprite(grid: Grid, shape: int, scale: int,
           orientation: int) -> np.ndarray:
    """Renders one sprite [b, b] uint8, centered in its bounding box.

    Args:
      grid: Grid; b = pixels - places + 1.
      shape, scale, orientation: values of the factors.
    """
    box = grid.pixels - grid.places + 1
    points = (np.arange(box * _SAMPLES) + 0.5) / _SAMPLES - box / 2
    radius = (box / 2 - 1) * (0.5 + 0.5 * scale / (_SCALES - 1))
    y, x = np.meshgrid(-points / radius, points / radius, indexing='ij')
    turn = 2 * np.pi * orientation / grid.orientations
    u = np.cos(turn) * x + np.sin(turn) * y
    v = np.cos(turn) * y - np.sin(turn) * x
    inside = _inside(SHAPES[shape], u, v)
    parts = inside.reshape(box, _SAMPLES, box, _SAMPLES)
    return np.round(255 * parts.mean((1, 3))).astype(np.uint8)


def _inside(shape, u, v):
    """Whether points are inside a shape, which fits into the unit circle."""
    if shape == 'square':
        return np.maximum(abs(u), abs(v)) <= np.sqrt(0.5)
    if shape == 'ellipse':
        return u ** 2 + (2 * v) ** 2 <= 1
    # The heart curve (x^2 + y^2 - 1)^3 = x^2 y^3, scaled into the circle.
    x, y = 1.3 * u, 1.3 * v + 0.2
    return (x ** 2 + y ** 2 - 1) ** 3 <= x ** 2 * y ** 3


def at_all_places(grid: Grid, box: np.ndarray) -> np.ndarray:
    """Copies a sprite [b, b] to all places: [places, places, h, w] uint8."""
    wide = np.zeros((grid.pixels + grid.places - 1,) * 2, np.uint8)
    first = grid.places - 1
    wide[first:first + len(box), first:first + len(box)] = box
    windows = np.lib.stride_tricks.sliding_window_view(
        wide, (grid.pixels, grid.pixels))
    # Column first; a window further right shows the sprite further left.
    return windows[::-1, ::-1].transpose(1, 0, 2, 3)


def render(name: str, grid: Grid) -> Iterator[np.ndarray]:
    """Yields all images, [places, places, h, w] uint8 at a time, in order."""
    from topdis_jax import progress
    sizes = len(SHAPES), _SCALES, grid.orientations
    for values in progress.Bar(
            np.ndindex(*sizes), total=math.prod(sizes), unit='sprite',
            desc=f'Rendering {name}, once'):
        yield at_all_places(grid, sprite(grid, *values))
