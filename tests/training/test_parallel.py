"""A step on one device and on several: what goes in, what comes out."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import training_cases as cases
from topdis_jax.topology.engines import native
from topdis_jax.training import parallel

COUNTS = (1, 4)  # fake devices: one of them, all of them


@pytest.fixture(params=COUNTS)
def count(request, monkeypatch):
    if request.param == 1:
        monkeypatch.setattr(parallel, 'axis_name', lambda: None)
    return request.param


def _add(state, batch):
    total = jnp.sum(batch['images'].astype(jnp.float32))
    if parallel.axis_name() is not None:
        total = jax.lax.psum(total, parallel.axis_name())
    return jax.tree.map(lambda x: x + total, state), {'total': total}


def test_a_step_is_that_of_the_whole_batch(count):
    state = {'a': np.arange(3, dtype=np.float32), 'b': np.float32(5)}
    batch = parallel.shared({'images': np.arange(8, dtype=np.uint8)})
    new, metrics = parallel.jitted(_add)(parallel.on_all(state), batch)
    assert parallel.number(metrics['total']) == 28
    new = parallel.on_host(new)
    np.testing.assert_array_equal(new['a'], [28, 29, 30])
    assert new['b'] == 33 and new['b'].shape == ()


def test_steps_leave_what_was_given_and_taken_alone(count):
    """A step writes where its state was: others must not look there."""
    state = {'a': np.zeros(10_000, np.float32)}
    given = {'a': jnp.zeros(10_000, jnp.float32)}
    batch = parallel.shared({'images': np.ones(8, np.uint8)})
    step = parallel.jitted(_add)
    for first in (state, given):
        placed = parallel.on_all(first)
        taken = parallel.on_host(placed)
        new, _ = step(placed, batch)
        later, _ = step(new, batch)
        assert placed['a'].is_deleted()  # the memory is indeed used again
        assert not np.any(first['a']) and not np.any(taken['a'])
        assert np.all(parallel.on_host(later)['a'] == 16)


def test_batches_lie_on_their_devices(count):
    images = np.arange(16, dtype=np.uint8).reshape(8, 2)
    shared = parallel.shared({'images': images})['images']
    assert shared.shape == ((8, 2) if count == 1 else (count, 8 // count, 2))
    np.testing.assert_array_equal(np.reshape(shared, (8, 2)), images)
    assert len(shared.addressable_shards) == count
    for device, shard in zip(jax.local_devices(), shared.addressable_shards):
        assert shard.device == device


def test_a_batch_that_devices_cannot_share_is_refused():
    with pytest.raises(ValueError, match='6 cannot be shared equally by 4'):
        parallel.shared({'images': np.zeros((6, 2), np.uint8)})


@pytest.mark.parametrize('family,changes', [
    ('vae', {'topdis__fresh': True}), ('vae', {'topdis__orthogonalize': True}),
    ('beta_vae', {'topdis__orthogonalize': True, 'model__hidden': (128,),
                  'model__decoder_hidden': (128, 128)}),
    ('beta_vae', {'published': True, 'topdis__orthogonalize': True}),
    ('factor_vae', {}), ('beta_tcvae', {}), ('dava', {})], ids=str)
def test_spread_over_devices_equals_one_device(family, changes):
    config = cases.config(family, **changes)
    shape = cases.SHAPES.get(family, cases.SHAPE)
    state, step = cases.make(config)
    one, metrics = jax.jit(step)(state, cases.batch(image_shape=shape))
    state, step = cases.make(config, axis_name='batch')
    many, each = jax.pmap(step, axis_name='batch', in_axes=(None, 0))(
        state, cases.batch(devices=4, image_shape=shape))
    for name, value in metrics.items():
        np.testing.assert_allclose(each[name], [value] * 4, rtol=2e-3,
                                   atol=1e-3)
    # Adam's first step has the size of the rate, whatever the gradient.
    chex.assert_trees_all_close(
        jax.tree.map(lambda x: np.asarray(x)[3], many.params), one.params,
        atol=0.02 * config.train.learning_rate, rtol=1e-4)


@pytest.mark.parametrize('devices', [1, 2, 4])
@pytest.mark.parametrize('orthogonalize', [False, True])
def test_four_barcodes_a_step_on_any_number_of_devices(
        monkeypatch, devices, orthogonalize):
    call, received = native.lower, []

    def counting(ctx, operands):
        received.append(math.prod(ctx.avals_out[-1].shape))
        return call(ctx, operands)

    monkeypatch.setattr(native, 'lower', counting)
    state, step = cases.make(cases.config(
        topdis__engine='host', topdis__orthogonalize=orthogonalize),
        axis_name='batch')
    step = jax.pmap(step, axis_name='batch', in_axes=(None, 0),
                    devices=jax.devices()[:devices])
    text = step.lower(state, cases.batch(devices=devices)).compile().as_text()
    assert text.count('custom_call_target="topdis_jax_barcodes"') == 1
    assert set(received) == {4 // devices}
