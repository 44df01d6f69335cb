"""Data sets that are rendered here: white shapes on black, as in dSprites.

Each image is a function of its factors: shape (square, ellipse, heart),
scale (0.5 to 1), orientation (a full turn, without its end), column and row.
Places are one pixel apart, so that a sprite is drawn once and then copied to
all its places. As in dSprites, a square looks the same after a quarter turn
and an ellipse after half a turn.
"""

import contextlib
import fcntl
import glob
import math
import os
from typing import NamedTuple
import uuid

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

    @property
    def shape(self):
        """[N, h, w, c] of all images."""
        return math.prod(self.factor_sizes), self.pixels, self.pixels, 1


GRIDS = {'sprites': Grid(64, 40, 32), 'sprites_small': Grid(32, 10, 16)}


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
    path = os.path.join(cache_folder(), f'{name}-v{_VERSION}.npy')
    images = _open(path, grid)
    if images is None:
        _render_to(path, name, grid)
        images = _open(path, grid)
    return FactorDataset(name, images, NAMES, grid.factor_sizes)


def cache_folder():
    """$XDG_CACHE_HOME/topdis_jax, or ~/.cache/topdis_jax."""
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


def _open(path, grid):
    """A file's images as a memory map; None if absent or not whole."""
    try:
        images = np.load(path, mmap_mode='r')
    except (FileNotFoundError, NotADirectoryError, ValueError, EOFError):
        return None
    return images if images.shape == grid.shape else None


def _render_to(path, name, grid):
    """Renders into a file that appears when it is whole."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        _remove_leftovers(folder)
        with _locked_temporary(path) as file:
            _render(file, name, grid)
            file.flush()
            os.replace(file.name, path)
    except OSError as error:
        raise OSError(
            error.errno, f'cannot write the data set {name} ({error.strerror}'
            '); set XDG_CACHE_HOME to a folder that can be written to, with '
            f'{math.prod(grid.shape) / 2 ** 20:.0f} MiB free',
            folder) from error


def _render(file, name, grid):
    """Writes all images as .npy, in the order of the grid."""
    import tqdm
    np.lib.format.write_array_header_1_0(
        file, {'descr': '|u1', 'fortran_order': False, 'shape': grid.shape})
    # Sprite by sprite: a memory map would fill the memory.
    sizes = grid.factor_sizes[:3]
    for values in tqdm.tqdm(
            np.ndindex(*sizes), total=math.prod(sizes), unit='sprite',
            desc=f'Rendering {name}, once', dynamic_ncols=True):
        places = at_all_places(grid, sprite(grid, *values))
        file.write(np.ascontiguousarray(places))


@contextlib.contextmanager
def _locked_temporary(path):
    """An open file beside `path`, gone at the end unless it was renamed.

    Its lock ends with its process. That tells what a killed process left from
    a rendering under way, in another container or on another machine too,
    where a process number would not.
    """
    temporary = f'{path}.{uuid.uuid4().hex}.tmp'
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, temporary)
        while not os.path.exists(temporary):
            file = stack.enter_context(open(temporary, 'wb'))
            # Another process may have taken it for a leftover before this.
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _remove_leftovers(folder):
    """Removes what killed renderings left."""
    for leftover in glob.glob(
            os.path.join(glob.escape(folder), '*-v*.npy.*.tmp')):
        # For writing: some network file systems lock nothing else.
        with contextlib.suppress(OSError), open(leftover, 'r+b') as file:
            # Fails while another process holds the lock.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.remove(leftover)


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
