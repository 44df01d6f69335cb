"""A lit object in a room, by ray casting: what a picture is made of.

One lamp and its soft shadow, and a duller corner where floor and wall meet.
What the rays meet is kept as weights of three colours, in which a picture is
linear. Lengths are such that the object is some 2 high; y goes up.
"""

import math

import numpy as np

from topdis_jax.data import solids

_SAMPLES = 3  # a pixel is the mean of 3 x 3 rays

_ROOM = 3.2  # half of the room's width and depth, its middle at the origin
_HEIGHT = 6.0
_EYE_DISTANCE, _EYE_HEIGHT, _EYE_TARGET = 6.6, 2.9, 1.1
_ZOOM = 2.0  # half of the picture is 1 / _ZOOM wide at distance 1
# The lamp, relative to the eye's direction; a ring of points, for a shadow
# with a soft edge.
_LAMP, _LAMP_RADIUS, _LAMP_POINTS = np.array([-1.7, 5.4, 3.2]), 0.45, 4
_AMBIENT = 0.42


def weights(pixels, shape, size, turn):
    """The weights of the colours of floor, wall and object, and of white.

    Args:
      pixels: the picture's height and width.
      shape: one of solids.SHAPES.
      size: half of the object's height.
      turn: the angle that object and room are seen from.

    Returns:
      [pixels, pixels, 4] float32.
    """
    eye, rays = _rays(pixels * _SAMPLES, turn)
    hit, points, normals, parts = _meet(eye, rays, shape, size)
    light, shine = _light(eye, points, normals, hit, shape, size, turn)
    values = np.zeros((len(rays), 4), np.float32)
    for part in range(3):
        values[:, part] = light * (parts == part)
    values[:, 3] = shine
    shown = values.reshape(pixels, _SAMPLES, pixels, _SAMPLES, 4)
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
    near, faces = solids.meet(eye - [0, size, 0], rays, shape, size)
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
        seen += np.isinf(solids.meet(start, rays, shape, size)[0])
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
