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
import os
from typing import NamedTuple

import numpy as np

from topdis_jax.data import cache
from topdis_jax.data.factors import FactorDataset

SHAPES = ('cube', 'cylinder', 'sphere', 'capsule')
NAMES = ('floor_hue', 'wall_hue', 'object_hue', 'scale', 'shape',
         'orientation')
_VERSION = 1  # of the drawing: another one is rendered anew
_SAMPLES = 3  # a pixel is the mean of 3 x 3 rays

_ROOM = 3.2  # half of the room's width and depth, its middle at the origin
_HEIGHT = 6.0
_EYE_DISTANCE, _EYE_HEIGHT, _EYE_TARGET = 6.6, 2.9, 1.1
_ZOOM = 2.0  # half of the picture is 1 / _ZOOM wide at distance 1
_TURN = math.radians(30)
_SCALES = (0.7, 1.3)  # half of the object's height
# The lamp, relative to the eye's direction; a ring of points, for a shadow
# with a soft edge.
_LAMP, _LAMP_RADIUS, _LAMP_POINTS = np.array([-1.7, 5.4, 3.2]), 0.45, 4
_AMBIENT = 0.42


class Grid(NamedTuple):
    """Size of the images and of the grid: pixels, hues, scales, angles."""
    pixels: int
    hues: int
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


GRIDS = {'scenes': Grid(64, 10, 8, 15), 'scenes_small': Grid(32, 6, 4, 9)}


def load(name):
    """A rendered FactorDataset, from the cache or rendered now.

    Args:
      name: a key of GRIDS.

    Raises:
      OSError: the cache folder cannot be written to, or not be read.
    """
    grid = GRIDS[name]
    path = os.path.join(cache.folder(), f'{name}-v{_VERSION}.npy')
    images = cache.keep(
        path, grid.shape, name, lambda: cache.open_array(path, grid.shape),
        lambda: _draw(name, grid))
    return FactorDataset(name, images, NAMES, grid.factor_sizes)


def _draw(name, grid):
    """All images, those of three hues at a time, in the order of the grid."""
    import tqdm
    views = list(np.ndindex(*grid.factor_sizes[3:]))
    drawn = np.stack([weights(grid, *view) for view in tqdm.tqdm(
        views, unit='view', desc=f'Casting rays of {name}, once',
        dynamic_ncols=True)])
    hues = list(np.ndindex(*grid.factor_sizes[:3]))
    with tqdm.tqdm(total=grid.shape[0], unit='image', unit_scale=True,
                   desc=f'Rendering {name}, once',
                   dynamic_ncols=True) as progress:
        for values in hues:
            yield paint(grid, drawn, *values)
            progress.update(len(views))


def paint(grid, drawn, floor, wall, thing):
    """Images [n, h, w, 3] uint8 of views.

    Args:
      grid: Grid.
      drawn: [n, h, w, 4] of `weights`.
      floor, wall, thing: values of the hues of floor, wall and object.
    """
    palette = np.array([_color(floor, grid.hues, 0.50, 0.95),
                        _color(wall, grid.hues, 0.42, 1.0),
                        _color(thing, grid.hues, 0.85, 1.0),
                        (1.0, 1.0, 1.0)], np.float32)
    return (255 * np.minimum(drawn @ palette, 1) + 0.5).astype(np.uint8)


def _color(hue, hues, saturation, value):
    return colorsys.hsv_to_rgb(hue / hues, saturation, value)


def weights(grid, scale, shape, orientation):
    """What a picture is made of: [h, w, 4] float32.

    The weights of the colours of floor, wall and object, and of white.

    Args:
      grid: Grid.
      scale, shape, orientation: values of the factors.
    """
    low, high = _SCALES
    size = low + (high - low) * scale / max(grid.scales - 1, 1)
    turn = _TURN * (2 * orientation / max(grid.orientations - 1, 1) - 1)
    eye, rays = _rays(grid.pixels * _SAMPLES, turn)
    hit, points, normals, parts = _meet(eye, rays, SHAPES[shape], size)
    light, shine = _light(eye, points, normals, hit, SHAPES[shape], size,
                          turn)
    values = np.zeros((len(rays), 4), np.float32)
    for part in range(3):
        values[:, part] = light * (parts == part)
    values[:, 3] = shine
    shown = values.reshape(grid.pixels, _SAMPLES, grid.pixels, _SAMPLES, 4)
    return shown.mean((1, 3))


def _rays(pixels, turn):
    """Eye [3] and directions [pixels^2, 3], line by line; y goes up."""
    eye = _turned(np.array([0.0, _EYE_HEIGHT, _EYE_DISTANCE]), turn)
    ahead = np.array([0.0, _EYE_TARGET, 0.0]) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    places = (2 * (np.arange(pixels) + 0.5) / pixels - 1) / _ZOOM
    rays = (ahead + places[None, :, None] * right
            - places[:, None, None] * up).reshape(-1, 3)
    return eye, rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _turned(points, turn):
    """Points [..., 3] turned about the vertical axis."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([math.cos(turn) * x + math.sin(turn) * z, y,
                     math.cos(turn) * z - math.sin(turn) * x], axis=-1)


def _meet(eye, rays, shape, size):
    """Where rays end: object met [n], points [n, 3], normals, parts [n]."""
    distance, normals, parts = _meet_room(eye, rays)
    near, faces = _meet_object(eye - [0, size, 0], rays, shape, size)
    hit = near < distance
    distance = np.where(hit, near, distance)
    return (hit, eye + distance[:, None] * rays,
            np.where(hit[:, None], faces, normals), np.where(hit, 2, parts))


def _meet_room(eye, rays):
    """Distances [n], normals [n, 3] and parts: 0 floor, 1 wall.

    The walls behind the eye are not there: it may stand outside.
    """
    distance = np.full(len(rays), np.inf)
    normals, parts = np.zeros_like(rays), np.ones(len(rays), np.int8)
    sides = ((1, 0.0, 1.0), (1, _HEIGHT, -1.0), (0, -_ROOM, 1.0),
             (0, _ROOM, -1.0), (2, -_ROOM, 1.0))
    for axis, place, sign in sides:
        facing = rays[:, axis] * sign < 0
        with np.errstate(divide='ignore'):
            far = np.where(facing, (place - eye[axis]) / rays[:, axis], np.inf)
        first = (far > 0) & (far < distance)
        distance[first] = far[first]
        normals[first] = sign * np.eye(3)[axis]
        parts[first] = 0 if axis == 1 and sign > 0 else 1
    return distance, normals, parts


def _meet_object(eye, rays, shape, size):
    """Distances [n] (inf: missed) and normals [n, 3] of an object at 0.

    Args:
      eye: [3] or [n, 3], outside of the object.
      rays: [n, 3], of length 1.
      shape, size: half of its height is size.
    """
    eye = np.broadcast_to(eye, rays.shape)
    if shape == 'cube':
        return _meet_cube(eye, rays, 0.86 * size, size)
    if shape == 'sphere':
        return _meet_ball(eye, rays, size)
    if shape == 'cylinder':
        pieces = [_meet_tube(eye, rays, 0.80 * size, size),
                  *(_meet_disc(eye, rays, 0.80 * size, sign * size)
                    for sign in (1, -1))]
    else:
        radius = 0.58 * size
        pieces = [_meet_tube(eye, rays, radius, size - radius)]
        for sign in (1, -1):
            centre = np.array([0, sign * (size - radius), 0])
            pieces.append(_meet_ball(eye - centre, rays, radius))
    distances, normals = map(np.stack, zip(*pieces))
    first = np.argmin(distances, axis=0)
    rows = np.arange(len(rays))
    return distances[first, rows], normals[first, rows]


def _meet_cube(eye, rays, half, height):
    """A box: the last of the three entries, if before the first exit."""
    sides = np.array([half, height, half])
    safe = np.where(np.abs(rays) < 1e-12, 1e-12, rays)
    a, b = (-sides - eye) / safe, (sides - eye) / safe
    enter, leave = np.minimum(a, b), np.maximum(a, b).min(axis=1)
    axis = enter.argmax(axis=1)
    near = enter.max(axis=1)
    normals = -np.sign(safe) * np.eye(3)[axis]
    return np.where((near < leave) & (near > 0), near, np.inf), normals


def _meet_ball(eye, rays, radius):
    distance = _root(np.ones(len(rays)), np.sum(eye * rays, axis=1),
                     np.sum(eye ** 2, axis=1) - radius ** 2)
    return distance, _at(eye, rays, distance) / radius


def _meet_tube(eye, rays, radius, height):
    """A cylinder's side, without its ends."""
    flat = np.array([1, 0, 1])
    distance = _root(
        np.sum(rays ** 2 * flat, axis=1), np.sum(eye * rays * flat, axis=1),
        np.sum(eye ** 2 * flat, axis=1) - radius ** 2)
    points = _at(eye, rays, distance)
    inside = np.abs(points[:, 1]) <= height
    return np.where(inside, distance, np.inf), points * flat / radius


def _meet_disc(eye, rays, radius, height):
    safe = np.where(np.abs(rays[:, 1]) < 1e-12, 1e-12, rays[:, 1])
    distance = (height - eye[:, 1]) / safe
    points = _at(eye, rays, distance)
    met = (distance > 0) & (points[:, 0] ** 2 + points[:, 2] ** 2
                            <= radius ** 2)
    normals = np.zeros_like(rays)
    normals[:, 1] = math.copysign(1, height)
    return np.where(met, distance, np.inf), normals


def _root(a, b, c):
    """The smaller root of a t^2 + 2 b t + c, inf if none is positive."""
    inside = b * b - a * c
    a = np.maximum(a, 1e-12)
    found = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return np.where((inside > 0) & (found > 0), found, np.inf)


def _at(eye, rays, distance):
    """Points [n, 3] at finite distances; the eye where there is none."""
    return eye + np.where(np.isfinite(distance), distance, 0)[:, None] * rays


def _light(eye, points, normals, hit, shape, size, turn):
    """How bright the points' own colours [n] and the highlights [n] are."""
    lamp = _turned(_LAMP, turn)
    toward = lamp - points
    far = np.linalg.norm(toward, axis=1, keepdims=True)
    toward /= far
    facing = np.maximum(np.sum(toward * normals, axis=1), 0)
    lit = _lit(points, normals, lamp, shape, size)
    back = eye - points
    back /= np.linalg.norm(back, axis=1, keepdims=True)
    middle = toward + back
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    gloss = np.maximum(np.sum(middle * normals, axis=1), 0) ** 40
    light = (_AMBIENT * _open(points, normals, hit, size)
             + (1.05 - _AMBIENT) * facing ** 0.8 * lit)
    return light, 0.35 * gloss * lit * (hit & (facing > 0))


def _lit(points, normals, lamp, shape, size):
    """The part of the lamp [n] that the points see."""
    angles = 2 * np.pi * (np.arange(_LAMP_POINTS) + 0.5) / _LAMP_POINTS
    start = points + 1e-3 * normals - [0, size, 0]
    seen = np.zeros(len(points))
    for angle in angles:
        place = lamp + _LAMP_RADIUS * np.array(
            [math.cos(angle), 0.0, math.sin(angle)])
        rays = place - [0, size, 0] - start
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        seen += np.isinf(_meet_object(start, rays, shape, size)[0])
    return seen / _LAMP_POINTS


def _open(points, normals, hit, size):
    """Duller in the room's corners and beneath the object: [n]."""
    x, y, z = points.T
    gaps = np.stack([_ROOM - np.abs(x), np.abs(z + _ROOM), y], axis=1)
    gaps = np.where(np.abs(normals) > 0.5, np.inf, gaps).min(axis=1)
    corner = 1 - 0.35 * np.exp(-gaps / 0.5)
    away = np.sqrt(x ** 2 + z ** 2) / size
    beneath = 1 - 0.45 * np.exp(-np.maximum(away - 0.5, 0) * 2) * (
        normals[:, 1] > 0.5)
    own = 1 - 0.3 * np.exp(-y / (0.5 * size))
    return np.where(hit, own, corner * beneath)
