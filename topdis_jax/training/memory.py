"""What a training step needs of a device's memory, before it is compiled."""

from collections.abc import Iterator, Sequence
import contextlib
import math
import os
from typing import Any

import jax
import jax.numpy as jnp

from topdis_jax.training import families, state as states
from topdis_jax.training.keys import SettingsError

_FLOAT = 4  # bytes
# Of distances, alive together: XLA plans 11 to 12 for a CPU, of both clouds,
# scaled and not, of their smaller and larger entries, and of the gradients.
_MATRICES = 10
_FULL = ('RESOURCE_EXHAUSTED', 'out of memory', 'bad_alloc')


def check(config: Any, image_shape: Sequence[int]) -> None:
    """Raises SettingsError if no step of a configuration can fit.

    Args:
      config: see training.config; sound, see config.check.
      image_shape: (h, w, c) of the data set.
    """
    devices = jax.device_count()
    least = needed(config, image_shape, devices=devices)
    if jax.default_backend() == 'cpu':  # all share the machine's
        least *= jax.local_device_count()
    there = available()
    if there is not None and least > there:
        raise SettingsError(
            f'a training step of config.train.batch_size '
            f'{config.train.batch_size} takes at least {_gib(least)} of '
            f'memory, and there are {_gib(there)}; give a smaller '
            '--config.train.batch_size'
            + (_share(config) if config.topdis.weight > 0 else ''))


def _share(config):
    size = config.train.batch_size
    return (f' ({_gib(_matrices(size))} of it for {_MATRICES} matrices of '
            f'{size} x {size} distances, of the topological loss)')


def needed(config: Any, image_shape: Sequence[int], *,
           topdis: bool | None = None, devices: int = 1) -> int:
    """Least bytes that a step takes on each device; a lower bound.

    The state with its gradient, the batch, what the layers give for the
    backward pass, and the loss's matrices of distances.

    Args:
      config, image_shape: see `check`.
      topdis: whether the step has the topological loss; None: if any has.
      devices: how many share the batch.
    """
    if topdis is None:
        topdis = config.topdis.weight > 0
    model = states.make_model(config, image_shape)
    objective = families.make_objective(config, dataset_size=1)
    state = jax.eval_shape(
        lambda: states.create_state(config, model, objective))
    rows = config.train.batch_size // devices
    pixels = rows * math.prod(image_shape)
    return (_bytes(state) + _bytes(state.params)
            + len(objective.batches) * pixels + _FLOAT * pixels
            + _layers(model, state.params, rows)
            + (_matrices(config.train.batch_size) if topdis else 0))


def available() -> int | None:
    """Bytes of a device's memory, or None where nothing says so."""
    if jax.default_backend() != 'cpu':
        return (jax.local_devices()[0].memory_stats() or {}).get('bytes_limit')
    sizes = [os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')]
    # A container's, of either version of Linux's control groups.
    for path in ('/sys/fs/cgroup/memory.max',
                 '/sys/fs/cgroup/memory/memory.limit_in_bytes'):
        with contextlib.suppress(OSError, ValueError):  # 'max': none
            with open(path) as file:
                sizes.append(int(file.read()))
    return min(sizes)


@contextlib.contextmanager
def translating_errors(config: Any) -> Iterator[None]:
    """Turns memory that runs out within into a SettingsError."""
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not any(
                sign.lower() in text.lower() for sign in _FULL):
            raise
        raise SettingsError(
            'the memory is full. Give a smaller --config.train.batch_size '
            f'(now {config.train.batch_size}), if it was a training step, or '
            f'--config.eval.batch_size (now {config.eval.batch_size}), if it '
            f'was a score: {" ".join(text.split())[:200]}') from error


def _layers(model, params, rows):
    """Bytes of what all layers give for `rows` images."""
    images = jax.ShapeDtypeStruct((rows, *model.image_shape), jnp.float32)
    codes = jax.ShapeDtypeStruct((rows, model.latents), jnp.float32)
    total = 0
    for method, inputs in (('encode', images), ('decode', codes)):
        _, kept = jax.eval_shape(
            lambda params, x, method=method: model.apply(
                {'params': params}, x, method=method,
                capture_intermediates=_is_layer, mutable='intermediates'),
            params, inputs)
        total += _bytes(kept)
    return total


def _is_layer(module, method):
    """Whether a method of a module is that of a layer, not of a network."""
    return method == '__call__' and 'kernel' in (
        module.variables.get('params') or ())


def _matrices(size):
    return _MATRICES * _FLOAT * size ** 2


def _bytes(tree):
    return sum(math.prod(x.shape) * x.dtype.itemsize
               for x in jax.tree.leaves(tree))


def _gib(size):
    return f'{size / 2 ** 30:.1f} GiB'
