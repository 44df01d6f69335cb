"""A step on the devices there are: pmap over several, jit on one.

One device needs no leading axis and no sums over devices. The numbers are the
same, but a CPU copies all parameters for the one and all gradients for the
other, which together take up to two thirds of a step (MLP, 3 million
parameters).
"""

from collections.abc import Callable
from typing import Any

from flax import jax_utils
import jax
import jax.numpy as jnp
import numpy as np

from topdis_jax.data import pipeline

_AXIS = 'batch'


def axis_name() -> str | None:
    """The axis over which batches are spread, or None on one device."""
    return _AXIS if jax.device_count() > 1 else None


def jitted(step: Callable) -> Callable:
    """step(state, batch) for what `on_all` and `shared` give.

    The state that it is given is used up.
    """
    if axis_name() is None:
        return jax.jit(step, donate_argnums=0)
    return jax.pmap(step, axis_name=_AXIS, donate_argnums=0)


def on_all(state: Any) -> Any:
    """A state of arrays [...], on all devices: [devices, ...] if several."""
    if axis_name() is None:
        return jax.tree.map(jnp.array, state)  # copies, which may be used up
    return jax_utils.replicate(state)


def on_host(state: Any) -> Any:
    """What `on_all` was given, as NumPy arrays of their own memory."""
    if axis_name() is None:
        return jax.tree.map(np.array, state)
    # Of one device of this process: another's values cannot be read here.
    return jax.tree.map(
        lambda x: np.array(x.addressable_data(0)).reshape(x.shape[1:]), state)


def number(x: jax.Array) -> float:
    """A scalar that all devices agree on, as a Python float."""
    return float(np.asarray(x.addressable_data(0)).squeeze())


def shared(batch: Any) -> Any:
    """Images [b, ...] of this process, shared by its devices.

    Waits until they are where a step wants them: [devices, b / devices, ...]
    if there are several.
    """
    if axis_name() is None:
        return jax.block_until_ready(jax.device_put(batch))
    mesh = jax.sharding.Mesh(np.array(jax.local_devices()), (_AXIS,))
    sharding = jax.sharding.NamedSharding(
        mesh, jax.sharding.PartitionSpec(_AXIS))
    parts = jax.tree.map(
        lambda images: pipeline.shard(images, jax.local_device_count()), batch)
    return jax.block_until_ready(jax.device_put(parts, sharding))
