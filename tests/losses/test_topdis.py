"""The TopDis loss: assembly, masks, degenerate batches, gradients, devices."""

import functools
import warnings

import chex
import jax
from jax.sharding import PartitionSpec as P
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses, topology

RNG = jax.random.key(2)


def _codes(n=24, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(n, d)), jnp.float32)


def _decoder(d=4, pixels=9, seed=1):
    """A smooth function of codes, [m, d] -> [m, 3, pixels / 3]."""
    rng = np.random.default_rng(seed)
    first = jnp.asarray(rng.normal(size=(d, 16)), jnp.float32)
    second = jnp.asarray(rng.normal(size=(16, pixels)), jnp.float32)

    def decode(z):
        images = jax.nn.sigmoid(jnp.tanh(z @ first) @ second)
        return images.reshape(z.shape[0], 3, pixels // 3)

    return decode


class VariantsTest(chex.TestCase):

    @chex.variants(with_jit=True, without_jit=True, with_device=True,
                   without_device=True)
    def test_equals_its_parts_on_the_kept_rows(self):
        z, decode = _codes(), _decoder()
        loss, aux = self.variant(
            lambda z: losses.topdis_loss(decode, z, RNG))(z)
        shifted, valid, dimension = losses.latent_shift(z, RNG)
        kept = np.flatnonzero(valid)
        scaled = [topology.scale_by_quantile(
            topology.pairwise_distances(decode(codes[kept])))
            for codes in (z, shifted)]
        np.testing.assert_allclose(loss, topology.rtd(*scaled), rtol=1e-5)
        assert aux.num_valid == len(kept) < len(z)
        assert aux.dimension == dimension


def test_images_save_a_decoding_and_change_nothing():
    z, decode = _codes(), _decoder()
    rows = []

    def counting(z):
        rows.append(len(z))
        return decode(z)

    one, _ = losses.topdis_loss(counting, z, RNG)
    two, _ = losses.topdis_loss(counting, z, RNG, images=decode(z))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    assert rows == [48, 24]


@pytest.mark.parametrize('seed', range(3))
def test_gradient_equals_finite_differences(seed):
    # The scale is a constant to autodiff; at quantile 0 it is one in truth.
    options = dict(quantile=0.0)
    z, decode = _codes(n=16, seed=seed), _decoder()
    direction = _codes(n=16, seed=seed + 10)

    @jax.jit
    def loss(z):
        return 1e-5 * losses.topdis_loss(decode, z, RNG, **options)[0]

    step = 3e-4
    numeric = (loss(z + step * direction) - loss(z - step * direction)) / (
        2 * step)
    exact = jnp.vdot(jax.grad(loss)(z), direction)
    np.testing.assert_allclose(exact, numeric, rtol=3e-2, atol=1e-3)


def _finite(decode, z, **options):
    (loss, aux), grad = jax.jit(jax.value_and_grad(
        lambda z: losses.topdis_loss(decode, z, RNG, **options),
        has_aux=True))(z)
    assert np.isfinite(loss) and np.all(np.isfinite(grad))
    return float(loss), int(aux.num_valid)


def test_identical_images():
    loss, _ = _finite(lambda z: 0 * z + 0.5, _codes())
    assert loss == 0


def test_identical_codes():
    loss, _ = _finite(_decoder(), jnp.ones((8, 4)))
    assert loss == 0


@pytest.mark.parametrize('n', [1, 2, 3])
def test_few_rows(n):
    _finite(_decoder(), _codes(n=n))


def test_two_valid_rows_and_none():
    z = _codes(n=6)
    column = jnp.asarray([-3.0, -3, -3, 3, 3, 3])
    z = jnp.broadcast_to(column[:, None], z.shape) + 1e-3 * z
    # Two tight groups lie at p = 0.18 and 0.82: a shift of 0.5 keeps one.
    _, valid = _finite(_decoder(), z, shift=0.5)
    assert valid == 3
    _, valid = _finite(_decoder(), z[1:5], shift=0.5)
    assert valid == 2
    assert _finite(_decoder(), z, shift=0.9) == (0, 0)


def _two_of_four(z, rng):
    loss, aux = losses.topdis_loss(jnp.tanh, z, rng, shift=0.5)
    return loss, aux.num_valid


def test_two_valid_rows_have_no_gradient_under_vmap():
    # Where a distance divided by itself rounds to less than 1.
    z = jax.random.normal(jax.random.key(1), (300, 4, 3))
    (loss, valid), grads = jax.jit(jax.vmap(jax.value_and_grad(
        _two_of_four, has_aux=True)))(z, jax.random.split(
            jax.random.key(2), 300))
    few = valid < 3
    assert few.sum() > 100 and valid.dtype == jnp.int32
    assert not np.any(loss[few]) and not np.any(grads[few])


@pytest.mark.parametrize('size', [1e8, 1e23, np.inf, np.nan])
def test_images_that_do_not_take_part_may_be_anything(size):
    z = jax.random.normal(jax.random.key(3), (16, 3))
    weights = jax.random.normal(jax.random.key(4), (3, 8))

    def loss(weights, replaced):
        def decode(z):
            images = jax.nn.sigmoid(z @ weights)
            if replaced is None:
                return images
            rows = jnp.tile(replaced, 2)[:, None]
            return jnp.where(rows, jnp.float32(size), images)

        return losses.topdis_loss(decode, z, jax.random.key(5))[0]

    valid = losses.latent_shift(z, jax.random.key(5))[1]
    assert 3 < valid.sum() < 16
    expected, grads = jax.value_and_grad(loss)(weights, None)
    found, others = jax.value_and_grad(loss)(weights, ~valid)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(others, grads, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('threshold', [2.0, 2.5, 3.0])
def test_nearly_collapsed_images_give_moderate_losses(threshold):
    # Over 90 % of the distances are 0: the published scale is then 1e-5.
    def loss(z, rng, floor):
        return losses.topdis_loss(lambda c: jax.nn.relu(c - threshold), z, rng,
                                  floor=floor)[0]

    both = jax.jit(jax.value_and_grad(loss))
    published = []
    for seed in range(60):
        z, rng = _codes(n=64, seed=seed), jax.random.key(seed)
        value, grad = both(z, rng, 0.05)
        assert 0 <= value < 100
        assert np.all(np.isfinite(grad))
        published.append(both(z, rng, 0.0)[0])
    assert max(published) > 1e4  # so these codes do test something


@pytest.mark.parametrize('option,right,wrong', [
    ('shift', 0.2, 1.2), ('margin', 0.01, 0.7), ('quantile', 0.8, -1.0),
    ('floor', 0.1, 2.0), ('power', 2.0, 0.5)])
def test_traced_options(option, right, wrong):
    z, decode = _codes(), _decoder()

    @jax.jit
    def loss(value):
        return losses.topdis_loss(decode, z, RNG, **{option: value})[0]

    np.testing.assert_allclose(
        loss(right), losses.topdis_loss(decode, z, RNG, **{option: right})[0],
        rtol=1e-4)
    for value in (wrong, np.nan):
        assert np.isnan(loss(value))
        with pytest.raises(ValueError, match=f'{option} must'):
            losses.topdis_loss(decode, z, RNG, **{option: value})


def test_images_of_whole_numbers():
    z, images = _codes(), jnp.ones((24, 9), jnp.uint8)
    for given in (None, images):
        with pytest.raises(TypeError, match='images|decode.*uint8.*255'):
            losses.topdis_loss(lambda z: jnp.ones((len(z), 9), jnp.uint8), z,
                               RNG, images=given)


def test_dead_latent():
    decode = _decoder()
    weights = jnp.asarray([0.0, 0, 0, 1])
    loss, _ = _finite(lambda z: decode(z.at[:, 3].set(0.0)), _codes(),
                      weights=weights)
    assert loss == 0


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_codes_that_are_not_finite_give_nan(bad):
    # They leave no row with a valid shift, which else means 0.
    z = _codes(8).at[3, 1].set(bad)
    for seed in range(3):
        loss, _ = losses.topdis_loss(jnp.tanh, z, jax.random.key(seed))
        assert jnp.isnan(loss)


def test_images_that_are_not_finite_give_nan():
    loss, _ = losses.topdis_loss(lambda z: z / 0, _codes(), RNG)
    assert np.isnan(loss)


@pytest.mark.parametrize('devices', [2, 4])
@pytest.mark.parametrize('reuse', [False, True])
def test_spread_over_devices_equals_one_device(devices, reuse):
    params = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    z = _codes()

    def loss(params, z, axis_name):
        def decode(z):
            return jax.nn.sigmoid(2 * jnp.sin(z @ params))
        return losses.topdis_loss(
            decode, z, RNG, images=decode(z) if reuse else None,
            axis_name=axis_name)[0]

    one, grad = jax.jit(jax.value_and_grad(loss))(params, z, None)
    many, grads = jax.pmap(
        jax.value_and_grad(lambda p, z: loss(p, z, 'd')), axis_name='d',
        in_axes=(None, 0), devices=jax.devices()[:devices])(
            params, z.reshape(devices, -1, 4))
    np.testing.assert_allclose(many, [one] * devices, rtol=1e-4)
    np.testing.assert_allclose(np.mean(grads, axis=0), grad,
                               atol=1e-3 * np.abs(grad).max())


def test_messages():
    z = _codes()
    with pytest.raises(ValueError, match=r'decode.*\[48, ...\].*\(48,\)'):
        losses.topdis_loss(lambda z: z[:, 0], z, RNG)
    with pytest.raises(ValueError, match=r'images .*\(24, 3\)'):
        losses.topdis_loss(_decoder(), z, RNG, images=jnp.ones((24, 3)))
    for bars in (2.7, True, '3'):
        with pytest.raises(ValueError, match='num_bars must be a whole'):
            losses.topdis_loss(_decoder(), z, RNG, num_bars=bars)


@pytest.mark.parametrize('divergence', ['srtd', 'rtd_lite', 'callable'])
@pytest.mark.parametrize('mode', ['pmap', 'shard_map'])
def test_other_divergences_on_many_devices(divergence, mode):
    """Loss and gradient are those of one device."""
    if divergence == 'callable':
        def divergence(dist_x, dist_y, mask):
            kept = mask[:, None] & mask[None, :]
            return jnp.sum(jnp.where(kept, (dist_x - dist_y) ** 2, 0.0))

    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.normal(size=(4, 6)), jnp.float32)
    z = jnp.asarray(rng.normal(size=(16, 4)), jnp.float32)

    def loss(w, z, axis_name=None):
        return losses.topdis_loss(
            lambda z: jax.nn.sigmoid(z @ w), z, jax.random.key(1),
            divergence=divergence, axis_name=axis_name)[0]

    expected = jax.jit(jax.value_and_grad(loss))(w, z)
    spread = jax.value_and_grad(functools.partial(loss, axis_name='d'))
    if mode == 'pmap':
        values, grads = jax.pmap(spread, axis_name='d', in_axes=(None, 0))(
            w, z.reshape(4, 4, 4))
        found = values[0], jnp.mean(grads, axis=0)
    else:
        mesh = jax.sharding.Mesh(np.array(jax.devices()[:4]), ('d',))
        found = jax.jit(jax.shard_map(
            spread, mesh=mesh, in_specs=(P(), P('d')), out_specs=P()))(w, z)
    assert expected[0] > 0
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('divergence', ['rtx', ['rtd'], None])
def test_an_unknown_divergence(divergence):
    match = r"'rtd_lite'\) or a function, received"
    with pytest.raises(ValueError, match=match):
        losses.topdis_loss(jnp.tanh, jnp.ones((4, 2)), jax.random.key(0),
                           divergence=divergence)


@pytest.mark.parametrize('divergence', ['rtd', 'rtd_lite'])
@pytest.mark.parametrize('forms', [(), ('min', 'bad'), 'both'])
def test_unknown_forms(divergence, forms):
    with pytest.raises(ValueError, match="taken from .'min', 'max'., received"):
        losses.topdis_loss(jnp.tanh, jnp.ones((4, 2)), jax.random.key(0),
                           divergence=divergence, forms=forms)


def test_the_loss_of_an_autoencoder():
    """A published scaling, and 0 for codes that are a multiple of the data."""
    x = jax.random.normal(jax.random.key(0), (20, 3, 4))
    z = x.reshape(20, 12)
    np.testing.assert_allclose(losses.rtd_autoencoder_loss(x, z), 0, atol=1e-5)
    np.testing.assert_allclose(
        losses.rtd_autoencoder_loss(x, 4 * z, scale=0.25), 0, atol=1e-5)
    loss, grads = jax.value_and_grad(losses.rtd_autoencoder_loss, argnums=1)(
        x, z[:, :2])
    assert loss > 0 and np.any(grads != 0)
    scale = jax.grad(lambda s: losses.rtd_autoencoder_loss(
        x, z[:, :2], scale=s))(1.0)
    ends = [losses.rtd_autoencoder_loss(x, z[:, :2], scale=1 + s)
            for s in (1e-3, -1e-3)]
    np.testing.assert_allclose(scale, (ends[0] - ends[1]) / 2e-3, rtol=0.05)
    with pytest.raises(ValueError, match='same rows'):
        losses.rtd_autoencoder_loss(x, z[:5])


def test_what_decode_gives_is_told_beside_what_it_was_given():
    z = _codes()
    for images, message in ((None, '48 codes, the 24 given and their shifts'),
                            (_decoder()(z), '24 shifted codes')):
        with pytest.raises(ValueError, match=f'{message}; received .3, 20.'):
            losses.topdis_loss(lambda z: jnp.ones((3, 20)), z, RNG,
                               images=images)


def test_too_few_codes_are_warned_about():
    with pytest.warns(UserWarning, match='received 2 codes.*always 0'):
        loss, _ = losses.topdis_loss(_decoder(), _codes()[:2], RNG)
    assert abs(loss) < 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        losses.topdis_loss(_decoder(), _codes()[:3], RNG)
