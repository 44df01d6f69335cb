"""Rendered scenes: a lit object in a room, in color, as in 3D Shapes.

The factors are those of 3D Shapes (Burgess & Kim, 2018), in its order: hues
of floor, wall and object, the object's scale, its shape (cube, cylinder,
sphere, capsule) and its orientation: the angle of the camera, -30 to 30
degrees. The images differ from those of 3D Shapes: they have one lamp, its
soft shadow, and darker edges between floor and walls.

Rays are cast once for each scale, shape and orientation. An image is linear
in the three colors; the result of the rays is stored as their weights.
"""

from collections.abc import Iterator
import colorsys
import math
from typing import NamedTuple

import numpy as np

from topdis_jax.data.rendered import ray_casting
from topdis_jax.data.rendered.solids import SHAPES

NAMES = ('floor_hue', 'wall_hue', 'object_hue', 'scale', 'shape',
         'orientation')
VERSION = 1  # of the images; a new version is rendered again
_TURN = math.radians(30)
_SCALES = (0.7, 1.3)  # half of the object's height


class Grid(NamedTuple):
    """Size of the images and of the grid of factors.

    Attributes:
      pixels: height and width of an image.
      hues: number of hues; the first of `circle` equal steps around the
        color circle.
      circle: number of steps of the whole circle.
      scales, orientations: numbers of values.
    """
    pixels: int
    hues: int
    circle: int
    scales: int
    orientations: int

    @property
    def factor_names(self) -> tuple[str, ...]:
        return NAMES

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        return (self.hues,) * 3 + (self.scales, len(SHAPES),
                                   self.orientations)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, h, w, c) of all images."""
        return math.prod(self.factor_sizes), self.pixels, self.pixels, 3


# An arc has ends. A circle has none, so that no single latent can encode it.
GRIDS = {'scenes': Grid(64, 10, 10, 8, 15),
         'scenes_small': Grid(32, 6, 6, 4, 9),
         'scenes_arc': Grid(32, 4, 6, 4, 9),
         'scenes_four': Grid(32, 4, 4, 4, 9)}


def render(name: str, grid: Grid) -> Iterator[np.ndarray]:
    """Yields all images in order, one combination of hues at a time."""
    from topdis_jax import progress
    views = list(np.ndindex(*grid.factor_sizes[3:]))
    color_weights = np.stack([weights(grid, *view) for view in progress.Bar(
        views, unit='view', desc=f'Casting rays of {name}, once')])
    hues = list(np.ndindex(*grid.factor_sizes[:3]))
    with progress.Bar(total=grid.shape[0], unit='image', unit_scale=True,
                      desc=f'Rendering {name}, once') as bar:
        for values in hues:
            yield paint(grid, color_weights, *values)
            bar.update(len(views))


def paint(grid: Grid, color_weights: np.ndarray, floor: int, wall: int,
          thing: int) -> np.ndarray:
    """Colors views: images [n, h, w, 3] uint8.

    Args:
      grid: Grid.
      color_weights: [n, h, w, 4], from `weights`.
      floor, wall, thing: values of the hues of floor, wall and object.
    """
    palette = np.array([_color(floor, grid.circle, 0.50, 0.95),
                        _color(wall, grid.circle, 0.42, 1.0),
                        _color(thing, grid.circle, 0.85, 1.0),
                        (1.0, 1.0, 1.0)], np.float32)
    colors = np.minimum(color_weights @ palette, 1)
    return (255 * colors + 0.5).astype(np.uint8)


def _color(hue, circle, saturation, value):
    return colorsys.hsv_to_rgb(hue / circle, saturation, value)


def weights(grid: Grid, scale: int, shape: int,
            orientation: int) -> np.ndarray:
    """Casts the rays of one view: the colors' weights [h, w, 4] float32.

    See ray_casting.weights.

    Args:
      grid: Grid.
      scale, shape, orientation: values of the factors.
    """
    low, high = _SCALES
    size = low + (high - low) * scale / max(grid.scales - 1, 1)
    turn = _TURN * (2 * orientation / max(grid.orientations - 1, 1) - 1)
    return ray_casting.weights(grid.pixels, SHAPES[shape], size, turn)
