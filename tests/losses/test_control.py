"""ControlVAE's controller against plain Python, and its laws."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses
from topdis_jax.losses import control


def _reference(errors):
    """The published update in float64."""
    integral, output, weights = 0.0, 1.0, []
    for error in errors:
        if output >= 1:
            integral += -0.001 * error
        output = 0.01 / (1 + math.exp(error)) + 1 + integral
        weights.append(max(output, 1.0))
    return weights, integral


def _run(kls, set_point):
    state, weights = losses.pi_init(), []
    for kl in kls:
        weight, state = losses.pi_controller(state, kl, set_point)
        weights.append(float(weight))
    return weights, state


def test_equals_the_published_formula():
    kls = np.random.default_rng(0).normal(12, 8, size=200)
    weights, state = _run(jnp.asarray(kls, jnp.float32), 10.0)
    expected, integral = _reference(10.0 - kls)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    np.testing.assert_allclose(state.integral, integral, atol=1e-5)


def test_never_below_one_and_the_integral_is_frozen_there():
    # KL far below the set point: the weight wants to fall.
    weights, state = _run([0.0] * 100, 18.0)
    assert min(weights) == 1
    frozen = state.integral
    _, after = losses.pi_controller(state, 0.0, 18.0)
    assert after.integral == frozen


def test_holds_a_process_at_its_set_point():
    # A KL that falls as its weight grows.
    state, kl = losses.pi_init(), jnp.asarray(30.0)
    for _ in range(3000):
        weight, state = losses.pi_controller(state, kl, 10.0)
        kl = 30.0 / weight
    np.testing.assert_allclose(kl, 10.0, atol=0.1)


def test_extreme_errors_are_finite():
    for kl in (0.0, 1e6):
        weight, state = losses.pi_controller(losses.pi_init(), kl, 1e3)
        assert np.isfinite(weight) and np.isfinite(state.integral)


def test_set_point_rises_in_stairs():
    steps = jnp.asarray([0, 4999, 5000, 9999, 10_000_000])
    np.testing.assert_allclose(
        losses.pi_set_point(steps), [0.5, 0.5, 0.65, 0.65, 18.0], rtol=1e-6)


def test_messages_and_nan():
    with pytest.raises(ValueError, match='every must be a whole.*received 0'):
        losses.pi_set_point(10, every=0)
    with pytest.raises(ValueError, match='threshold must be above 0'):
        losses.dava_capacity(10, threshold=0)
    assert np.isnan(losses.dava_advance(10, np.nan, 64))
    assert np.isnan(losses.image_accuracy(jnp.full(2, np.nan), jnp.ones(2)))
    weight, _ = losses.pi_controller(losses.pi_init(), np.nan, 1.0)
    assert np.isnan(weight)


def test_weight_is_not_differentiated():
    grad = jax.grad(lambda kl: losses.pi_controller(
        losses.pi_init(), kl, 10.0)[0])(12.0)
    assert grad == 0


def test_dava_capacity_rises_while_the_discriminator_is_fooled():
    step = jnp.zeros(())
    for accuracy, expected in ((0.5, 32), (0.501, 64), (0.505, 64),
                               (0.51, 64), (0.52, 32), (0.9, 0)):
        step = losses.dava_advance(step, jnp.asarray(accuracy), 64)
        assert step == expected
    assert losses.dava_capacity(step) == 0
    assert losses.dava_capacity(jnp.asarray(6_400_000.0)) == 4
    assert losses.dava_capacity(jnp.asarray(1e9)) == 8


@pytest.mark.parametrize('gains', [(0.01, -0.001), (0.02, -0.004)])
def test_from_its_largest_start_on_the_controller_freezes(gains):
    most = control.largest_start(*gains)
    assert most == pytest.approx(-gains[0] / gains[1])
    for start, frozen in ((most + 0.1, True), (most - 0.1, False)):
        state, weights = losses.pi_init(), []
        # Afterwards the KL is as far above the set point as may be.
        for kl in [0.0] + 50 * [1000.0]:
            weight, state = losses.pi_controller(
                state, kl, start, proportional=gains[0], integral=gains[1])
            weights.append(float(weight))
        assert (max(weights) == 1) == frozen
    assert control.largest_start(0.01, 0.0) == math.inf
