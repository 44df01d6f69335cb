"""Arrays and sums of a batch whose rows are spread over devices.

`axis_name` is the name of the mapped axis, or a tuple of names, or None where
this program sees the whole batch: then each function gives what it is given.
"""

from typing import Any

import jax
from jax import lax
from jax.extend import core
from jax.interpreters import ad, batching, mlir
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

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
    """x, all of it on each device.

    Where arrays of a plain jit lie on several devices, XLA divides every
    operation and has the devices exchange rows within the loops over a matrix,
    turn by turn. Explicit types (AxisType.Explicit) leave it no choice: there
    operations would not know how to shard their results.
    """
    sharding = jax.typeof(x).sharding
    if any(part is not None for part in sharding.spec):
        return jax.sharding.reshard(
            x, NamedSharding(sharding.mesh, PartitionSpec()))
    return _whole.bind(x, batch=0)


def automatic_mesh(ctx: Any) -> (
        jax.sharding.Mesh | jax.sharding.AbstractMesh | None):
    """The devices over which XLA divides what is lowered here, if several.

    That is so under plain jit of arrays that lie on several devices. Under
    shard_map and pmap each device has its own; explicit sharding is left as
    it is.
    """
    context = ctx.module_context.axis_context
    if (not isinstance(context, mlir.ShardingContext)
            or context.num_devices < 2):
        return None
    mesh: Any = jax.sharding.AbstractMesh(
        (context.num_devices,), ('devices',), axis_types=(AxisType.Auto,))
    for aval in ctx.avals_in:
        if not aval.sharding.mesh.empty:
            mesh = aval.sharding.mesh
    is_all = mesh.size == context.num_devices
    return mesh if is_all and set(mesh.axis_types) == {AxisType.Auto} else None


# The identity. Devices are known when JAX lowers it and not when it is traced.
_whole = core.Primitive('topdis_jax_whole')
_whole.def_impl(lambda x, batch: x)
_whole.def_abstract_eval(lambda x, batch: x)


def _lower_whole(ctx, operand, *, batch):
    mesh, (aval,) = automatic_mesh(ctx), ctx.avals_in
    if mesh is None or aval.ndim == batch:
        return [operand]
    # Items of a batch may be shared out as XLA sees fit.
    places = PartitionSpec(*[PartitionSpec.UNCONSTRAINED] * batch)
    return mlir.lower_fun(
        lambda x: lax.with_sharding_constraint(x, NamedSharding(mesh, places)),
        multiple_results=False)(ctx, operand)


def _batch_whole(args, dims, *, batch):
    x = jnp.moveaxis(args[0], dims[0], 0)
    return _whole.bind(x, batch=batch + 1), 0


mlir.register_lowering(_whole, _lower_whole)
batching.primitive_batchers[_whole] = _batch_whole
ad.deflinear2(_whole, lambda change, x, batch: [_whole.bind(change,
                                                            batch=batch)])


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
