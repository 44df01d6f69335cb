"""Directions of a generator whose factors are known."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import blobs
import topdis_jax
from topdis_jax import directions, topology
from topdis_jax.directions import shifts

QUICK = dict(num_directions=1, steps=3, restarts=1, batch_size=16,
             progress=False)


def _normal(dimensions):
    return lambda key, n: jax.random.normal(key, (n, dimensions))


@pytest.fixture(scope='module')
def found():
    """Directions of place and size, which two dead ones hide; true axes."""
    generate, axes = blobs.rotated(['x', 'size'], seed=3, dead=2)
    return directions.find(
        generate, _normal(4), num_directions=2, steps=60, restarts=2,
        batch_size=48, progress=False), axes


def test_known_axes_come_back(found):
    result, axes = found
    # Translations first; each row is one of the two, up to its sign.
    assert np.all(np.abs(np.sum(result.axes * axes, axis=1)) > 0.95)


def test_axes_are_orthonormal(found):
    np.testing.assert_allclose(found[0].axes @ found[0].axes.T, np.eye(2),
                               atol=1e-6)


def test_a_dead_direction_does_not_win(found):
    result, axes = found
    dead = result.axes - (result.axes @ axes.T) @ axes
    assert np.linalg.norm(dead, axis=1).max() < 0.1


def test_what_is_said_of_the_axes(found):
    result, _ = found
    assert result.axes.shape == (2, 4) and result.history.shape == (2, 2, 60)
    assert np.all(np.isfinite(result.history[0]))
    assert np.all(np.isnan(result.history[1]))  # one axis was left
    np.testing.assert_allclose(result.change, 0.4, atol=0.02)
    assert result.divergence[0] < 0.1 < result.divergence[1]
    assert np.all((0 < result.shift) & (result.shift < 3))


def test_all_that_change_the_images():
    generate, _ = blobs.rotated(['x', 'size'], seed=0, dead=1)
    found = directions.find(generate, _normal(3),
                            **QUICK | {'num_directions': None})
    assert found.axes.shape == (2, 3)


def test_the_seed_decides():
    generate, _ = blobs.rotated(['x', 'size', 'angle'], seed=0)
    first, again, other = (
        directions.find(generate, _normal(3), seed=seed, **QUICK)
        for seed in (0, 0, 1))
    for one, two in zip(first, again):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.axes, other.axes)


def test_axes_stay_within_the_leading_components():
    generate, _ = blobs.rotated(['x', 'y', 'size'], seed=1)
    scales = jnp.array([[1.0, 0.5, 0.25]])
    result = directions.find(
        generate, lambda key, n: jax.random.normal(key, (n, 3)) * scales,
        candidates=2, **QUICK)
    assert abs(result.axes[0, 2]) < 0.05


@pytest.mark.parametrize('divergence', [
    'rtd_lite', lambda x, y, mask: jnp.mean(jnp.abs(x - y))])
def test_other_divergences_and_a_sample_of_codes(divergence):
    generate, _ = blobs.rotated(['x', 'size'], seed=0)
    codes = np.random.default_rng(0).normal(size=(100, 2))
    result = directions.find(generate, codes, divergence=divergence, **QUICK)
    assert np.all(np.isfinite(result.divergence))


def test_there_is_no_bar_without_its_program(monkeypatch):
    monkeypatch.delattr(topdis_jax, 'progress', raising=False)
    monkeypatch.setitem(sys.modules, 'topdis_jax.progress', None)
    generate, _ = blobs.rotated(['x', 'size'], seed=0)
    directions.find(generate, _normal(2), **QUICK | {'progress': True})


def test_a_bar_is_shown(capsys):
    generate, _ = blobs.rotated(['x', 'size'], seed=0)
    directions.find(generate, _normal(2), **QUICK | {'progress': True})
    assert 'Finding directions' in capsys.readouterr().err


def _problem(**changes):
    """x and size, unrotated."""
    return shifts.Problem(**dict(
        generate=lambda z: blobs.render(z, ['x', 'size']),
        sample=_normal(2), components=jnp.eye(2), spread=jnp.eye(2),
        divergence='rtd', share=0.3, reach=3.0, batch_size=32) | changes)


def _measured(problem, axis, key):
    return jax.jit(functools.partial(shifts.measure, problem))(axis, key)


def test_a_shift_changes_images_by_the_share():
    axis, key = jnp.array([0.6, 0.8]), jax.random.key(0)
    problem = _problem()
    measured = _measured(problem, axis, key)
    # Anew, from the definition; the key decides the batch and the way.
    key_codes, key_way = jax.random.split(key)
    z = problem.sample(key_codes, 32)
    way = jax.random.rademacher(key_way, (), jnp.float32)
    before, after = (np.asarray(problem.generate(x)).reshape(32, -1) for x in (
        z, z + way * measured.shift * axis[None]))
    dist = np.asarray(topology.pairwise_distances(before))
    mean = dist[~np.eye(32, dtype=bool)].mean()
    change = np.linalg.norm(after - before, axis=1).mean()
    np.testing.assert_allclose(change / mean, 0.3, rtol=1e-3)
    np.testing.assert_allclose(measured.change, change / mean, rtol=1e-4)


def test_a_shift_ends_at_the_reach():
    measured = _measured(_problem(reach=0.2), jnp.array([0.6, 0.8]),
                         jax.random.key(0))
    np.testing.assert_allclose(measured.shift, 0.2, rtol=1e-5)
    assert measured.change < 0.3


def test_the_gradient_sees_that_the_shift_depends_on_the_axis():
    problem = _problem()

    @jax.jit
    def of(angle):
        axis = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        measured = shifts.measure(problem, axis, jax.random.key(1))
        return jnp.stack([measured.shift, measured.change])

    slopes = jax.jit(jax.jacfwd(of))(0.7)
    near = (of(0.71) - of(0.69)) / 0.02
    np.testing.assert_allclose(slopes[0], near[0], rtol=0.05)
    np.testing.assert_allclose(slopes[1], 0, atol=0.01)  # it is the share


def test_the_gradient_of_the_divergence_is_that_of_its_value():
    """But for the quantile, which counts as constant."""
    def divergence(angle, key):
        axis = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        return shifts.measure(_problem(), axis, key).divergence

    keys = jax.random.split(jax.random.key(0), 16)
    of_keys = jax.jit(lambda angle: jnp.mean(jax.lax.map(
        lambda key: divergence(angle, key), keys)))
    slope = jax.grad(of_keys)(0.7)
    near = (of_keys(0.8) - of_keys(0.6)) / 0.2
    np.testing.assert_allclose(slope, near, rtol=0.2)


def test_given_axes_are_measured():
    generate, axes = blobs.rotated(['x', 'size'], seed=3, dead=1)
    measured = directions.measure(
        generate, _normal(3), np.concatenate([2 * axes, -axes]), batch_size=32)
    assert 2 * measured.divergence[0] < measured.divergence[1]
    np.testing.assert_allclose(measured.change, 0.4, atol=0.02)
    # Neither length nor sign matters much.
    np.testing.assert_allclose(measured.shift[:2], measured.shift[2:],
                               rtol=0.1)
    for wrong in (axes[:, :2], 0 * axes, axes[0]):
        with pytest.raises(ValueError, match=r'axes must have shape \[k, 3\]'):
            directions.measure(generate, _normal(3), wrong)


@pytest.mark.parametrize('changes,message', [
    (dict(num_directions=0), 'num_directions must be a whole number'),
    (dict(num_directions=3), 'only 2 directions change the images'),
    (dict(candidates=5), 'candidates must be at most 2'),
    (dict(candidates=0.5), 'candidates must be a whole number'),
    (dict(steps=0), 'steps must be'), (dict(restarts=0), 'restarts must be'),
    (dict(batch_size=2), 'batch_size must be a whole number of at least 3'),
    (dict(share=-1.0), 'share must be positive'),
    (dict(reach=np.inf), 'reach must be positive and finite'),
    (dict(learning_rate=np.nan), 'learning_rate must be positive'),
    (dict(divergence='mtd'), "divergence must be one of .* received 'mtd'"),
    (dict(codes=np.zeros((40, 2, 1), np.float32)), r'codes must have shape '),
    (dict(codes=np.zeros((40, 2), np.float32)), 'codes must differ'),
    (dict(codes=np.full((40, 2), np.nan)), 'codes must be finite'),
    (dict(codes=np.random.rand(9, 2)), 'at least batch_size=16 rows'),
    (dict(codes=lambda key, n: jnp.zeros((7, 2))), r'codes\(key, 10000\) must'),
    (dict(generate=lambda z: z[:3]), r'generate\(codes\) must have shape'),
    (dict(generate=lambda z: z * 0), 'the same image for all codes'),
    (dict(generate=lambda z: z / 0), r'generate\(codes\) must be finite'),
])
def test_wrong_arguments_are_told(changes, message):
    generate, _ = blobs.rotated(['x', 'size'], seed=0)
    arguments = dict(generate=generate, codes=_normal(2)) | QUICK | changes
    with pytest.raises(ValueError, match=message):
        directions.find(**arguments)


@pytest.mark.parametrize('changes,message', [
    (dict(codes=np.zeros((40, 2), int)), 'codes must be floating'),
    (dict(generate=lambda z: (z * 255).astype(jnp.uint8)), 'must be floats')])
def test_wrong_types_are_told(changes, message):
    arguments = dict(generate=lambda z: z, codes=_normal(2)) | QUICK | changes
    with pytest.raises(TypeError, match=message):
        directions.find(**arguments)


def test_shifted_codes_without_an_image_are_told():
    def generate(z):  # not finite where shifts lead
        return jnp.where(jnp.abs(z) > 4.0, jnp.nan, z)

    with pytest.raises(ValueError, match='a smaller reach'):
        directions.find(generate, _normal(2), **QUICK | {'share': 1.2})
