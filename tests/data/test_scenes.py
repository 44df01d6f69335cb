"""Rendered rooms: rays meet what they should, every factor is visible."""

import os

import numpy as np
import pytest

from topdis_jax.data import sources
from topdis_jax.data.published import table
from topdis_jax.data.rendered import ray_casting, scenes, solids

SMALL = scenes.GRIDS['scenes_small']


def _image(grid, *factors):
    return scenes.paint(grid, scenes.weights(grid, *factors[3:])[None],
                        *factors[:3])[0]


def test_sizes():
    # Of 3D Shapes, in its order.
    published = table.PUBLISHED['shapes3d']
    assert scenes.GRIDS['scenes'].factor_sizes == published.factor_sizes
    assert scenes.GRIDS['scenes'].shape == (480_000, 64, 64, 3)
    assert scenes.NAMES == published.factor_names
    assert SMALL.shape == (31_104, 32, 32, 3)


def test_images_stand_where_their_factors_say(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    data = sources.load('scenes_small')
    assert data.images.shape == SMALL.shape
    chosen = np.random.default_rng(0).integers(len(data), size=10)
    for index, factors in zip(chosen, data.factors_of(chosen)):
        np.testing.assert_array_equal(
            data.images[index], _image(SMALL, *factors))
    monkeypatch.setattr(scenes, 'render', None)
    assert len(sources.load('scenes_small')) == len(data)
    assert os.listdir(tmp_path / 'topdis_jax') == ['scenes_small-v1.npy']


def test_an_arc_is_a_part_of_the_circle():
    rng = np.random.default_rng(0)
    arc = scenes.GRIDS['scenes_arc']
    for factors in rng.integers(arc.factor_sizes, size=(5, 6)):
        np.testing.assert_array_equal(_image(arc, *factors),
                                      _image(SMALL, *factors))


def test_four_hues_go_around_the_circle():
    four = scenes.GRIDS['scenes_four']
    assert four.shape == scenes.GRIDS['scenes_arc'].shape
    # 0 and 180 degrees are hues of the finer circle too.
    np.testing.assert_array_equal(_image(four, 0, 2, 0, 1, 2, 3),
                                  _image(SMALL, 0, 3, 0, 1, 2, 3))


@pytest.mark.parametrize('name', scenes.GRIDS)
def test_every_factor_is_visible(name):
    grid = scenes.GRIDS[name]
    rng = np.random.default_rng(1)
    for factor, size in enumerate(grid.factor_sizes):
        factors = rng.integers(grid.factor_sizes)
        factors[factor] = rng.integers(size - 1)
        first = _image(grid, *factors).astype(float)
        factors[factor] += 1
        changed = np.abs(_image(grid, *factors) - first).max(-1)
        # Neighboring values differ clearly, in some fiftieth of the image.
        assert np.mean(changed > 12) > 0.02, scenes.NAMES[factor]


@pytest.mark.parametrize('shape', scenes.SHAPES)
def test_rays_meet_the_surface(shape):
    rng = np.random.default_rng(0)
    aim = rng.normal(size=(500, 3))
    eye = 5 * aim / np.linalg.norm(aim, axis=1, keepdims=True)
    rays = -eye + rng.uniform(-0.3, 0.3, (500, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    distance, normals = solids.intersect(eye, rays, shape, 1.0)
    assert np.all(np.isfinite(distance))  # all come near the middle
    points = eye + distance[:, None] * rays
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-9)
    assert np.all(np.sum(normals * rays, axis=1) < 0)  # seen from outside
    x, y, z = points.T
    flat = np.hypot(x, z)
    away = {
        'cube': lambda: np.max(np.abs(points) / [0.86, 1, 0.86], axis=1) - 1,
        'sphere': lambda: np.linalg.norm(points, axis=1) - 1,
        'cylinder': lambda: np.maximum(flat / 0.8, np.abs(y)) - 1,
        'capsule': lambda: np.hypot(
            flat, np.maximum(np.abs(y) - 0.42, 0)) - 0.58}[shape]()
    np.testing.assert_allclose(away, 0, atol=1e-9)


@pytest.mark.parametrize('shape', scenes.SHAPES)
def test_rays_that_miss(shape):
    eye = np.array([0.0, 0.0, 5.0])
    rays = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0.6, -0.8],
                     [0.6, 0, -0.8]], float)
    distance, _ = solids.intersect(eye, rays, shape, 1.0)
    assert np.all(np.isinf(distance))


def test_the_shadow_lies_away_from_the_lamp():
    floor = np.array([[x, 0.0, z] for x in (-1.5, 1.5) for z in (-1.5, 1.5)])
    up = np.tile([0.0, 1.0, 0.0], (4, 1))
    lit = ray_casting._lit(floor, up, np.array([-3.0, 3.0, 3.0]), 'sphere', 1.0)
    np.testing.assert_array_equal(lit, [1, 1, 0, 1])


def test_what_an_image_is_made_of_adds_up():
    drawn = scenes.weights(SMALL, 0, 0, 4)
    assert drawn.shape == (32, 32, 4) and drawn.min() >= 0
    parts = (drawn[..., :3] > 0).mean((0, 1))
    assert np.all(parts > [0.2, 0.2, 0.02]) and parts.sum() < 1.3
