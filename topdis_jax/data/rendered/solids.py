"""Intersections of rays with a cube, a cylinder, a sphere or a capsule.

Rays [n, 3] of length 1 start at an eye [3] or at eyes [n, 3] outside of the
solid, whose center is the origin. Distances [n] are inf for rays that miss.
"""

import math

import numpy as np

SHAPES = ('cube', 'cylinder', 'sphere', 'capsule')


def intersect(eye: np.ndarray, rays: np.ndarray, shape: str,
              size: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances [n] (inf: missed) and surface normals [n, 3].

    Args:
      eye: [3] or [n, 3], outside of the solid.
      rays: [n, 3], of length 1.
      shape: one of SHAPES.
      size: half of the solid's height.
    """
    eye = np.broadcast_to(eye, rays.shape)
    if shape == 'cube':
        return _cube(eye, rays, 0.86 * size, size)
    if shape == 'sphere':
        return _ball(eye, rays, size)
    if shape == 'cylinder':
        pieces = [_tube(eye, rays, 0.80 * size, size),
                  *(_disc(eye, rays, 0.80 * size, sign * size)
                    for sign in (1, -1))]
    else:
        radius = 0.58 * size
        pieces = [_tube(eye, rays, radius, size - radius)]
        for sign in (1, -1):
            center = np.array([0, sign * (size - radius), 0])
            pieces.append(_ball(eye - center, rays, radius))
    distances, normals = map(np.stack, zip(*pieces))
    first = np.argmin(distances, axis=0)
    rows = np.arange(len(rays))
    return distances[first, rows], normals[first, rows]


def _cube(eye, rays, half, height):
    """A box: the last of the three entries, if it precedes the first exit."""
    sides = np.array([half, height, half])
    safe = np.where(np.abs(rays) < 1e-12, 1e-12, rays)
    a, b = (-sides - eye) / safe, (sides - eye) / safe
    enter, leave = np.minimum(a, b), np.maximum(a, b).min(axis=1)
    axis = enter.argmax(axis=1)
    near = enter.max(axis=1)
    normals = -np.sign(safe) * np.eye(3)[axis]
    return np.where((near < leave) & (near > 0), near, np.inf), normals


def _ball(eye, rays, radius):
    distance = _root(np.ones(len(rays)), np.sum(eye * rays, axis=1),
                     np.sum(eye ** 2, axis=1) - radius ** 2)
    return distance, _at(eye, rays, distance) / radius


def _tube(eye, rays, radius, height):
    """The side of a cylinder, without its caps."""
    flat = np.array([1, 0, 1])
    distance = _root(
        np.sum(rays ** 2 * flat, axis=1), np.sum(eye * rays * flat, axis=1),
        np.sum(eye ** 2 * flat, axis=1) - radius ** 2)
    points = _at(eye, rays, distance)
    inside = np.abs(points[:, 1]) <= height
    return np.where(inside, distance, np.inf), points * flat / radius


def _disc(eye, rays, radius, height):
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
