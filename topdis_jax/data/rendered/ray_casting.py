"""Ray casting of a lit object in a room, before its colors are chosen.

There is one lamp with a soft shadow; edges between floor and walls are darker.
An image is linear in the colors of floor, wall and object: ray casting gives
their weights. The object is about 2 units high; y points up.
"""

import math

import numpy as np

from topdis_jax.data.rendered import solids

_SAMPLES = 3  # a pixel is the mean of 3 x 3 rays

_ROOM = 3.2  # half of the room's width and depth, centered at the origin
_HEIGHT = 6.0
_EYE_DISTANCE, _EYE_HEIGHT, _EYE_TARGET = 6.6, 2.9, 1.1
_ZOOM = 2.0  # half of the image is 1 / _ZOOM wide at distance 1
# The lamp turns with the camera. It is a ring of points, so that the edge of
# the shadow is soft.
_LAMP, _LAMP_RADIUS, _LAMP_POINTS = np.array([-1.7, 5.4, 3.2]), 0.45, 4
_AMBIENT = 0.42


def weights(pixels: int, shape: str, size: float, turn: float) -> np.ndarray:
    """The weights of the colors of floor, wall and object, and of white.

    Args:
      pixels: the image's height and width.
      shape: one of solids.SHAPES.
      size: half of the object's height.
      turn: angle of the camera around the vertical axis, in radians.

    Returns:
      [pixels, pixels, 4] float32.
    """
    eye, rays = _rays(pixels * _SAMPLES, turn)
    hit, points, normals, parts = _intersect(eye, rays, shape, size)
    light, shine = _light(eye, points, normals, hit, shape, size, turn)
    values = np.zeros((len(rays), 4), np.float32)
    for part in range(3):
        values[:, part] = light * (parts == part)
    values[:, 3] = shine
    samples = values.reshape(pixels, _SAMPLES, pixels, _SAMPLES, 4)
    return samples.mean((1, 3))


def _rays(pixels, turn):
    """Eye [3] and directions [pixels^2, 3], row by row."""
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


def _intersect(eye, rays, shape, size):
    """Where rays end: object hit [n], points [n, 3], normals, parts [n]."""
    distance, normals, parts = _intersect_room(eye, rays)
    near, faces = solids.intersect(eye - [0, size, 0], rays, shape, size)
    hit = near < distance
    distance = np.where(hit, near, distance)
    return (hit, eye + distance[:, None] * rays,
            np.where(hit[:, None], faces, normals), np.where(hit, 2, parts))


def _intersect_room(eye, rays):
    """Distances [n], normals [n, 3] and parts: 0 floor, 1 wall.

    There are no walls behind the eye, which may be outside of the room.
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
    """Brightness [n] of the points' own colors and of the highlights [n]."""
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
    light = (_AMBIENT * _ambient_occlusion(points, normals, hit, size)
             + (1.05 - _AMBIENT) * facing ** 0.8 * lit)
    return light, 0.35 * gloss * lit * (hit & (facing > 0))


def _lit(points, normals, lamp, shape, size):
    """The fraction [n] of the lamp that is visible from the points."""
    angles = 2 * np.pi * (np.arange(_LAMP_POINTS) + 0.5) / _LAMP_POINTS
    start = points + 1e-3 * normals - [0, size, 0]
    seen = np.zeros(len(points))
    for angle in angles:
        place = lamp + _LAMP_RADIUS * np.array(
            [math.cos(angle), 0.0, math.sin(angle)])
        rays = place - [0, size, 0] - start
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        seen += np.isinf(solids.intersect(start, rays, shape, size)[0])
    return seen / _LAMP_POINTS


def _ambient_occlusion(points, normals, hit, size):
    """Factors [n], smaller in the room's corners and beneath the object."""
    x, y, z = points.T
    gaps = np.stack([_ROOM - np.abs(x), np.abs(z + _ROOM), y], axis=1)
    gaps = np.where(np.abs(normals) > 0.5, np.inf, gaps).min(axis=1)
    corner = 1 - 0.35 * np.exp(-gaps / 0.5)
    away = np.sqrt(x ** 2 + z ** 2) / size
    beneath = 1 - 0.45 * np.exp(-np.maximum(away - 0.5, 0) * 2) * (
        normals[:, 1] > 0.5)
    own = 1 - 0.3 * np.exp(-y / (0.5 * size))
    return np.where(hit, own, corner * beneath)
