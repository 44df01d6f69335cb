"""Data sets that are rendered here: a lit object in a room, in colour.

The factors are those of 3D Shapes (Burgess & Kim, 2018), in its order: hues
of floor, wall and object, the object's scale, its shape (cube, cylinder,
sphere, capsule) and its orientation, which is the angle from which object and
room are seen, -30 to 30 degrees. The pictures are others: one lamp, its soft
shadow, and a duller corner where floor and wall meet.

Rays are cast once for each scale, shape and orientation. What they meet is
kept as weights of the three colours, in which a picture is linear.
"""

import colorsys
import math
from typing import NamedTuple

import numpy as np

from topdis_jax.data import cache, room
from topdis_jax.data.factors import FactorDataset
from topdis_jax.data.solids import SHAPES

NAMES = ('floor_hue', 'wall_hue', 'object_hue', 'scale', 'shape',
         'orientation')
_VERSION = 1  # of the drawing: another one is rendered anew
_TURN = math.radians(30)
_SCALES = (0.7, 1.3)  # half of the object's height


class Grid(NamedTuple):
    """Size of the images and of the grid: pixels, hues, scales, angles.

    The hues are the first of `circle` equal steps around the colour circle.
    """
    pixels: int
    hues: int
    circle: int
    scales: int
    orientations: int

    @property
    def factor_sizes(self):
        return (self.hues,) * 3 + (self.scales, len(SHAPES),
                                   self.orientations)

    @property
    def shape(self):
        """[N, h, w, c] of all images."""
        return math.prod(self.factor_sizes), self.pixels, self.pixels, 3


# An arc has ends, a circle has none: no one latent can follow it all around.
GRIDS = {'scenes': Grid(64, 10, 10, 8, 15),
         'scenes_small': Grid(32, 6, 6, 4, 9),
         'scenes_arc': Grid(32, 4, 6, 4, 9)}


def load(name):
    """A rendered FactorDataset, from the cache or rendered now.

    Args:
      name: a key of GRIDS.

    Raises:
      OSError: the cache folder cannot be written to, or not be read.
    """
    grid = GRIDS[name]
    images = cache.drawn(f'{name}-v{_VERSION}', grid.shape, name,
                         lambda: _draw(name, grid))
    return FactorDataset(name, images, NAMES, grid.factor_sizes)


def _draw(name, grid):
    """All images, those of three hues at a time, in the order of the grid."""
    from topdis_jax import progress
    views = list(np.ndindex(*grid.factor_sizes[3:]))
    drawn = np.stack([weights(grid, *view) for view in progress.Bar(
        views, unit='view', desc=f'Casting rays of {name}, once')])
    hues = list(np.ndindex(*grid.factor_sizes[:3]))
    with progress.Bar(total=grid.shape[0], unit='image', unit_scale=True,
                      desc=f'Rendering {name}, once') as bar:
        for values in hues:
            yield paint(grid, drawn, *values)
            bar.update(len(views))


def paint(grid, drawn, floor, wall, thing):
    """Images [n, h, w, 3] uint8 of views.

    Args:
      grid: Grid.
      drawn: [n, h, w, 4] of `weights`.
      floor, wall, thing: values of the hues of floor, wall and object.
    """
    palette = np.array([_color(floor, grid.circle, 0.50, 0.95),
                        _color(wall, grid.circle, 0.42, 1.0),
                        _color(thing, grid.circle, 0.85, 1.0),
                        (1.0, 1.0, 1.0)], np.float32)
    return (255 * np.minimum(drawn @ palette, 1) + 0.5).astype(np.uint8)


def _color(hue, circle, saturation, value):
    return colorsys.hsv_to_rgb(hue / circle, saturation, value)


def weights(grid, scale, shape, orientation):
    """What a picture is made of, [h, w, 4] float32; see room.weights.

    Args:
      grid: Grid.
      scale, shape, orientation: values of the factors.
    """
    low, high = _SCALES
    size = low + (high - low) * scale / max(grid.scales - 1, 1)
    turn = _TURN * (2 * orientation / max(grid.orientations - 1, 1) - 1)
    return room.weights(grid.pixels, SHAPES[shape], size, turn)
