"""Data sets that are rendered here: white shapes on black, as in dSprites.

Each image is a function of its factors: shape (square, ellipse, heart),
scale (0.5 to 1), orientation (a full turn, without its end), column and row.
Places are one pixel apart, so that a sprite is drawn once and then copied to
all its places. As in dSprites, a square looks the same after a quarter turn
and an ellipse after half a turn.
"""

import contextlib
import glob
import os
from typing import NamedTuple

import numpy as np

from topdis_jax.data.factors import FactorDataset

SHAPES = ('square', 'ellipse', 'heart')
NAMES = ('shape', 'scale', 'orientation', 'x', 'y')
_SCALES = 6
_VERSION = 1  # of the drawing: another one is rendered anew
_SAMPLES = 8  # a pixel is the mean of 8 x 8 points


class Grid(NamedTuple):
    """Size of the images and of the grid: pixels, orientations, places."""
    pixels: int
    orientations: int
    places: int

    @property
    def factor_sizes(self):
        return (len(SHAPES), _SCALES, self.orientations, self.places,
                self.places)


GRIDS = {'sprites': Grid(64, 40, 32), 'sprites_small': Grid(32, 10, 16)}


def load(name):
    """A rendered FactorDataset, from the cache or rendered now.

    The cache is $XDG_CACHE_HOME/topdis_jax, or ~/.cache/topdis_jax.

    Raises:
      OSError: the cache folder cannot be written to.
    """
    grid = GRIDS[name]
    path = os.path.join(cache_folder(), f'{name}-v{_VERSION}.npy')
    if not os.path.exists(path):
        _render_to(path, name, grid)
    return FactorDataset(name, np.load(path, mmap_mode='r'), NAMES,
                         grid.factor_sizes)


def cache_folder():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(
        os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'topdis_jax')


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


def _render_to(path, name, grid):
    """Renders into a file that appears when it is whole."""
    import tqdm
    folder = os.path.dirname(path)
    temporary = f'{path}.{os.getpid()}.tmp'
    sizes = grid.factor_sizes
    shape = (int(np.prod(sizes)), grid.pixels, grid.pixels, 1)
    try:
        os.makedirs(folder, exist_ok=True)
        _remove_leftovers(folder)
        with open(temporary, 'wb') as file:
            np.lib.format.write_array_header_1_0(
                file, {'descr': '|u1', 'fortran_order': False, 'shape': shape})
            # Written piece by piece: a memory map would fill the memory.
            for values in tqdm.tqdm(
                    np.ndindex(*sizes[:3]), total=int(np.prod(sizes[:3])),
                    desc=f'Rendering {name}, once', unit='sprite'):
                places = at_all_places(grid, sprite(grid, *values))
                file.write(np.ascontiguousarray(places))
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno, f'cannot write the data set {name} ({error.strerror}'
            '); set XDG_CACHE_HOME to a folder that can be written to, with '
            f'{np.prod(shape) / 2 ** 20:.0f} MiB free', folder) from error
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def _remove_leftovers(folder):
    """Removes what killed processes left."""
    for leftover in glob.glob(os.path.join(glob.escape(folder), '*.tmp')):
        try:
            os.kill(int(leftover.split('.')[-2]), 0)
        except ProcessLookupError:
            with contextlib.suppress(OSError):
                os.remove(leftover)
        except PermissionError:
            pass  # someone's living process
