"""Memory: what cannot fit is told before it is compiled."""

import jax
import jax.numpy as jnp
import pytest

from experiments.configs import sprites
from tests.helpers import training_cases as cases
from topdis_jax.training import config as configs
from topdis_jax.training import families, memory
from topdis_jax.training import state as states, steps

SHAPE = (32, 32, 1)


def _planned(config, topdis):
    """Bytes that XLA plans for a step on one device."""
    model = states.make_model(config, SHAPE)
    family = families.make_objective(config, 1000)
    state = jax.eval_shape(lambda: states.create_state(config, model, family))
    step = steps.make_step(config, model, family,
                           states.make_optimizer(config), topdis=topdis)
    batch = {'images': jax.ShapeDtypeStruct(
        (config.train.batch_size, *SHAPE), jnp.uint8)}
    found = jax.jit(step, donate_argnums=0).lower(state, batch).compile(
        ).memory_analysis()
    return found.temp_size_in_bytes + found.argument_size_in_bytes


@pytest.mark.parametrize('size', [256, 4096])
@pytest.mark.parametrize('topdis', [False, True])
def test_the_estimate_is_below_what_is_planned_and_not_far(size, topdis):
    config = sprites.get_config()
    config.train.batch_size = size
    least = memory.needed(config, SHAPE, topdis=topdis)
    planned = _planned(config, topdis)
    assert 0.5 * planned < least < planned


def test_a_batch_that_cannot_fit_names_both_sizes(monkeypatch):
    monkeypatch.setattr(memory, 'available', lambda: 8 * 2 ** 30)
    monkeypatch.setattr(jax, 'device_count', lambda: 1)
    monkeypatch.setattr(jax, 'local_device_count', lambda: 1)
    config = sprites.get_config()
    memory.check(config, SHAPE)
    config.train.batch_size = 40_000
    with pytest.raises(configs.SettingsError) as error:
        memory.check(config, SHAPE)
    message = str(error.value)
    assert '\n' not in message
    assert 'batch_size 40000' in message and 'are 8.0 GiB' in message
    assert '40000 x 40000 distances' in message
    config.topdis.weight = 0.0
    memory.check(config, SHAPE)


def test_devices_share_the_rows():
    config = sprites.get_config()
    config.train.batch_size = 4096
    one, four = (memory.needed(config, SHAPE, topdis=False, devices=devices)
                 for devices in (1, 4))
    assert one / 4 < four < one


def test_the_machines_memory_is_known():
    assert 2 ** 28 < memory.available() < 2 ** 50


@pytest.mark.parametrize('error', [
    MemoryError(), jax.errors.JaxRuntimeError(
        'RESOURCE_EXHAUSTED: Out of memory allocating 5 bytes')])
def test_memory_that_runs_out_is_one_line(error):
    config = cases.config()
    with pytest.raises(configs.SettingsError,
                       match=r'^the memory is full.*batch_size \(now 16\)'
                       ) as told, memory.translating_errors(config):
        raise error
    assert '\n' not in str(told.value)
    with pytest.raises(jax.errors.JaxRuntimeError), \
            memory.translating_errors(config):
        raise jax.errors.JaxRuntimeError('INTERNAL: another')
