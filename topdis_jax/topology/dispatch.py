"""Which engine computes barcodes, and how the host's engine is called."""

import functools

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from topdis_jax.topology import native, persistence, persistence_xla

ENGINES = ('auto', 'host', 'xla')
# Engine 'auto' on accelerators: more points are the host's.
_XLA_POINTS = 256
# More points are a callback's, which shares barcodes out over threads.
_NATIVE_POINTS = 512


def choose(engine, n, capacity):
    """The function (lower, upper, mask, num_bars) -> Entries of an engine.

    Args:
      engine: 'auto', 'host' or 'xla'.
      n: points of a cloud.
      capacity: see `rtd.relative_barcode`.

    Raises:
      ValueError: unknown engine.
    """
    if engine not in ENGINES:
        raise ValueError(
            f'engine must be one of {ENGINES}, received {engine!r}')
    if resolve_engine(engine, n) == 'host':
        return host_entries
    return functools.partial(persistence_xla.barcode_entries,
                             capacity=capacity)


def resolve_engine(engine, n):
    """'host' or 'xla', where 'auto' is asked for n points."""
    if engine != 'auto':
        return engine
    on_cpu = jax.default_backend() == 'cpu'
    return 'host' if on_cpu or n > _XLA_POINTS else 'xla'


def host_entries(lower, upper, mask, num_bars):
    """persistence.Entries by the compiled engine."""
    batch = lower.shape[:-2]
    shapes = persistence.Entries(
        birth_edges=jax.ShapeDtypeStruct((*batch, num_bars, 2), jnp.int32),
        death_edges=jax.ShapeDtypeStruct((*batch, num_bars, 2), jnp.int32),
        capped=jax.ShapeDtypeStruct((*batch, num_bars), jnp.bool_),
        count=jax.ShapeDtypeStruct(batch, jnp.int32))

    def custom_call(*matrices):
        return native.barcode_entries(*matrices, shapes)

    def callback(*matrices):
        return jax.pure_callback(host, shapes, *matrices,
                                 vmap_method='expand_dims')

    def host(*matrices):
        # NumPy alone from here on: JAX inside a callback waits for itself.
        return persistence.barcode_entries(*map(np.asarray, matrices),
                                           num_bars)

    small = lower.shape[-1] <= _NATIVE_POINTS
    return lax.platform_dependent(
        lower, upper, mask, cpu=custom_call if small else callback,
        default=callback)
