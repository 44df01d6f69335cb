"""config.published: what the authors' release does otherwise."""

import jax
import numpy as np
import optax
import pytest

from experiments.configs import base, sprites
from tests.helpers import training_cases as cases
from topdis_jax.training import config as configs
from topdis_jax.training import families, loop, state as states, steps
from topdis_jax.training import workfolder

# Read off the release's programs.
SECOND_BATCH = {'vae', 'beta_vae', 'factor_vae'}
FROM_DELAY = {'beta_tcvae', 'control_vae'}


def _published(family, **changes):
    return cases.config(family, published=True, **changes)


@pytest.mark.parametrize('published', [False, True])
def test_keys_that_it_sets(published):
    config = sprites.get_config()
    config.published = published
    configs.resolve(config)
    options = config.topdis
    assert (options.margin, options.floor, options.fresh) == (
        (0.0, 0.0, True) if published else (1e-3, 0.05, False))
    before = config.to_json()
    assert configs.resolve(config).to_json() == before


@pytest.mark.parametrize('key,value,message', [
    ('margin', 0.01, 'config.topdis.margin must be 0.0 with config.published.*'
     '0.001.*published=False, received 0.01'),
    ('floor', 0.1, 'config.topdis.floor must be 0.0.*0.05.*received 0.1')])
def test_a_value_that_would_be_lost(key, value, message):
    config = base.get_config()
    config.topdis[key] = value
    configs.resolve(config)
    config.published = True
    with pytest.raises(configs.SettingsError, match=message):
        configs.resolve(config)


@pytest.mark.parametrize('orthogonalize', [False, True])
@pytest.mark.parametrize('family', ['beta_vae', 'factor_vae', 'beta_tcvae'])
def test_the_batch_that_is_shifted(family, orthogonalize):
    config = _published(family, topdis__orthogonalize=orthogonalize)
    state, step = cases.make(config)
    step = jax.jit(step)
    one, other = cases.batch(), cases.batch(seed=1)

    def topdis(images, second):
        batch = {'images': images['images'], 'second': second['second']}
        return float(step(state, batch)[1]['topdis'])

    changes = {'images': topdis(other, one) != topdis(one, one),
               'second': topdis(one, other) != topdis(one, one)}
    shifted = 'second' if family in SECOND_BATCH else 'images'
    assert changes == {name: name == shifted for name in changes}


@pytest.mark.parametrize('family', families.FAMILIES)
def test_the_first_step_with_the_loss(family):
    for published, early in ((False, False), (True, family in FROM_DELAY)):
        config = cases.config(family, published=published, topdis__delay=7)
        on = [step for step in range(1, 12) if loop._has_topdis(config, step)]
        assert on[0] == (7 if early else 8) and on[-1] == 11


@pytest.mark.parametrize('published,expected', [
    (False, [0.5, 0.5, 0.5, 0.65]), (True, [0.5, 0.5, 0.65, 0.65])])
def test_the_set_point_of_control_vae(published, expected):
    config = cases.config('control_vae', published=published,
                          objective__kl_rise_every=3)
    state, step = cases.make(config, topdis=False)
    step, found = jax.jit(step), []
    for _ in expected:
        state, metrics = step(state, cases.batch())
        found.append(metrics['set_point'])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def _initial(family, published):
    config = base.get_config(family)
    config.published = published
    model = states.make_model(config, (32, 32, 1))
    return states.create_state(
        config, model, families.make_objective(config, dataset_size=1000))


def test_control_vae_begins_with_kaiming():
    # Kernel -> inputs of one output.
    inputs = {('encoder', 'conv_1'): 16 * 32, ('encoder', 'top'): 16 * 64,
              ('encoder', 'out'): 128, ('decoder', 'latents'): 10}
    params, plain = (_initial('control_vae', published).params
                     for published in (True, False))
    for (part, layer), fan_in in inputs.items():
        kernel = params[part][layer]['kernel']
        assert np.std(kernel) == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
        assert np.std(plain[part][layer]['kernel']) == pytest.approx(
            0.02, rel=0.1)
        assert not np.any(params[part][layer]['bias'])
    for tree in (params, plain):  # transposed: PyTorch's, of 16 * 32 outputs
        kernel = np.asarray(tree['decoder']['conv_1']['kernel'])
        assert 0.95 * 512 ** -0.5 < np.abs(kernel).max() < 512 ** -0.5


def test_the_discriminator_of_dava_begins_as_in_pytorch():
    layers = _initial('dava', True).carry['params']['encoder']
    for name, fan_in in (('conv_1', 16 * 32), ('top', 16 * 64), ('out', 128)):
        bound = fan_in ** -0.5
        kernel, bias = (np.asarray(layers[name][part])
                        for part in ('kernel', 'bias'))
        assert np.abs(kernel).max() <= bound and np.abs(bias).max() <= bound
        # Of a uniform distribution.
        assert np.std(kernel) == pytest.approx(bound / 3 ** 0.5, rel=0.15)
        assert np.any(bias)
    plain = _initial('dava', False).carry['params']['encoder']
    assert np.std(plain['conv_1']['kernel']) == pytest.approx(0.02, rel=0.1)


def _topdis_codes(monkeypatch, log_sigma):
    """(codes of the objective, of TopDis) for means 0 and an encoder that
    gives this log sigma."""
    config = _published('beta_tcvae', topdis__fresh=True)
    state, _ = cases.make(config)
    out = state.params['encoder']['out']
    out['kernel'] = np.zeros_like(out['kernel'])
    out['bias'] = np.repeat([0.0, log_sigma], 3).astype(np.float32)
    taken = []

    def loss(decode, z, *args, **options):
        taken.append(z)
        return 0.0, None

    monkeypatch.setattr(steps.losses, 'topdis_loss', loss)
    model = states.make_model(config, cases.SHAPE)
    terms = steps.LossTerms(
        config, model, families.make_objective(config, 1000), state,
        cases.batch(), jax.random.key(0), None)
    forward = terms.forward(state.params)
    terms.topdis(state.params, forward)
    return np.asarray(forward.z), np.asarray(taken[0])


def test_the_deviations_of_beta_tcvae(monkeypatch):
    units = _topdis_codes(monkeypatch, 0.0)
    found = _topdis_codes(monkeypatch, np.log(4.0))
    # exp(log sigma), and the release's slip: exp(log sigma / 2).
    for unit, codes, deviation in zip(units, found, (4, 2)):
        np.testing.assert_allclose(codes, deviation * unit, rtol=1e-5)


def _decoder_of_dava(published):
    """What one step changes, and the optimizer's momentum after it."""
    config = cases.config('dava', published=published,
                          objective__decoder_weight=0.0)
    state, step = cases.make(config, topdis=False,
                             optimizer=optax.sgd(1.0, momentum=0.9))
    batch = cases.batch(image_shape=cases.SHAPES['dava'])
    after, _ = jax.jit(step)(state, batch)
    bias = after.params['decoder']['out']['bias']
    momentum = after.opt_state[0].trace['decoder']['out']['bias']
    return np.subtract(state.params['decoder']['out']['bias'], bias), momentum


def test_the_decoder_of_dava_without_an_adversarial_term():
    """Published, one update with g; else two, of which each is an update."""
    (once, grad), (twice, momentum) = map(_decoder_of_dava, (True, False))
    assert np.abs(grad).max() > 1e-3
    np.testing.assert_allclose(once, grad, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(momentum, 1.9 * grad, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(twice, 2.9 * grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('family', families.FAMILIES)
def test_runs_of_versions_without_its_keys(family):
    config = base.get_config(family)
    added = ('published', 'model.channels', 'objective.discriminator_width')
    new = workfolder.flatten(config)
    old = {key: value for key, value in new.items() if key not in added}
    assert workfolder.differences(old, new) == []
    assert workfolder.differences(old, {**new, 'published': True})
    del config.published, config.model.channels
    if family == 'dava':
        del config.objective.discriminator_width
    states.make_model(config, (64, 64, 1))
    families.make_objective(config, 1000)
