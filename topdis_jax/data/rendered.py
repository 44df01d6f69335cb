"""Data sets that are rendered here: white shapes on black, as in dSprites.

Each image is a function of its factors: shape (square, ellipse, heart),
scale (0.5 to 1), orientation (a full turn, without its end), column and row.
Places are one pixel apart, so that a sprite is drawn once and then copied to
all its places. As in dSprites, a square looks the same after a quarter turn
and an ellipse after half a turn. Upright sprites have no orientation.
"""

import math
from typing import NamedTuple

import numpy as np

from topdis_jax.data import cache
from topdis_jax.data.factors import FactorDataset

SHAPES = ('square', 'ellipse', 'heart')
NAMES = ('shape', 'scale', 'orientation', 'x', 'y')
_SCALES = 6
_VERSION = 1  # of the drawing: another one is rendered anew
_SAMPLES = 8  # a pixel is the mean of 8 x 8 points


class Grid(NamedTuple):
    """Size of the images and of the grid: pixels, orientations, places."""
    pixels: int
    orientations: int  # 1: upright, and no factor
    places: int

    @property
    def factors(self):
        """{name: size}, the slowest first."""
        sizes = (len(SHAPES), _SCALES, self.orientations, self.places,
                 self.places)
        return {name: size for name, size in zip(NAMES, sizes) if size > 1}

    @property
    def factor_sizes(self):
        return tuple(self.factors.values())

    @property
    def shape(self):
        """[N, h, w, c] of all images."""
        return math.prod(self.factor_sizes), self.pixels, self.pixels, 1


GRIDS = {'sprites': Grid(64, 40, 32), 'sprites_small': Grid(32, 10, 16),
         'sprites_upright': Grid(32, 1, 16)}


def load(name):
    """A rendered FactorDataset, from the cache or rendered now.

    The cache is $XDG_CACHE_HOME/topdis_jax, or ~/.cache/topdis_jax. A file
    there that is damaged (a power cut, say) is rendered again.

    Args:
      name: a key of GRIDS.

    Raises:
      OSError: the cache folder cannot be written to, or not be read.
    """
    grid = GRIDS[name]
    images = cache.drawn(f'{name}-v{_VERSION}', grid.shape, name,
                         lambda: _draw(name, grid))
    return FactorDataset(name, images, tuple(grid.factors),
                         grid.factor_sizes)


def sprite(grid, shape, scale, orientation):
    """One sprite [b, b] uint8, in the middle of the box that it moves with.

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
    """Whether points are in a shape, which lies in the unit circle."""
    if shape == 'square':
        return np.maximum(abs(u), abs(v)) <= np.sqrt(0.5)
    if shape == 'ellipse':
        return u ** 2 + (2 * v) ** 2 <= 1
    # The heart curve (x^2 + y^2 - 1)^3 = x^2 y^3, brought into the circle.
    x, y = 1.3 * u, 1.3 * v + 0.2
    return (x ** 2 + y ** 2 - 1) ** 3 <= x ** 2 * y ** 3


def at_all_places(grid, drawn):
    """A sprite [b, b] at its places: [places, places, pixels, pixels]."""
    wide = np.zeros((grid.pixels + grid.places - 1,) * 2, np.uint8)
    first = grid.places - 1
    wide[first:first + len(drawn), first:first + len(drawn)] = drawn
    windows = np.lib.stride_tricks.sliding_window_view(
        wide, (grid.pixels, grid.pixels))
    # Column first; a window that begins later shows the sprite further left.
    return windows[::-1, ::-1].transpose(1, 0, 2, 3)


def _draw(name, grid):
    """All images [places, places, h, w] at a time, in the order of the grid."""
    from topdis_jax import progress
    sizes = len(SHAPES), _SCALES, grid.orientations
    for values in progress.Bar(
            np.ndindex(*sizes), total=math.prod(sizes), unit='sprite',
            desc=f'Rendering {name}, once'):
        yield at_all_places(grid, sprite(grid, *values))
