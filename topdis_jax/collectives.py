"""Arrays and sums of a batch whose rows are spread over devices.

`axis_name` is the name of the mapped axis, or a tuple of names, or None where
this program sees the whole batch: then each function gives what it is given.
"""

from typing import Any

import jax
from jax import lax
import jax.numpy as jnp

AxisName = str | tuple[str, ...] | None


def count(axis_name: AxisName) -> int:
    """How many devices share the batch."""
    return 1 if axis_name is None else lax.axis_size(axis_name)


def gather(tree: Any, axis_name: AxisName) -> Any:
    """The rows of all devices: arrays [b, ...] -> [devices * b, ...]."""
    if axis_name is not None:
        tree = lax.all_gather(tree, axis_name, tiled=True)
    return jax.tree.map(whole, tree)


def whole(x: jax.Array) -> jax.Array:
    """x, on each device if its type says that it is sharded.

    Types say so on meshes with AxisType.Explicit alone, where operations that
    look at all of a matrix would not know how to shard their results.
    """
    sharding = jax.typeof(x).sharding
    if all(part is None for part in sharding.spec):
        return x
    return jax.sharding.reshard(
        x, jax.sharding.NamedSharding(sharding.mesh,
                                      jax.sharding.PartitionSpec()))


def own_rows(x: jax.Array, rows: int, axis_name: AxisName) -> jax.Array:
    """This device's rows: [devices * rows, ...] -> [rows, ...]."""
    if axis_name is None:
        return x
    first = lax.axis_index(axis_name) * rows
    return lax.dynamic_slice_in_dim(x, first, rows)


def total(tree: Any, axis_name: AxisName) -> Any:
    """The sum over the devices."""
    return tree if axis_name is None else lax.psum(tree, axis_name)


def mean(tree: Any, axis_name: AxisName) -> Any:
    """The mean over the devices."""
    return tree if axis_name is None else lax.pmean(tree, axis_name)


def of_first(x: jax.Array, axis_name: AxisName) -> jax.Array:
    """The value of the first device, on all. Its gradient goes there alone."""
    if axis_name is None:
        return x
    is_first = lax.axis_index(axis_name) == 0
    return lax.psum(jnp.where(is_first, x, jnp.zeros_like(x)), axis_name)


def largest(x: jax.Array, axis_name: AxisName) -> jax.Array:
    """The greatest over the devices."""
    return x if axis_name is None else lax.pmax(x, axis_name)


def zeros(x: jax.Array, axis: int | None = None) -> jax.Array:
    """0.0 that is spread over the devices as x is: the sum of zeros of x.

    Under shard_map, what a loop begins with must have the type of what it
    makes: a constant, which varies over no devices, has another.
    """
    # No NaN or infinity comes through, as through a product with 0.
    return jnp.sum(jnp.isnan(x) & False, axis=axis, dtype=jnp.float32)
