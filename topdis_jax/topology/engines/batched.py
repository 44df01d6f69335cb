"""JAX primitives of matrices whose leading dimensions are a batch."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax
from jax.extend import core
from jax.interpreters import batching, mlir
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import numpy as np


def make(name: str, types: Callable, lower: Callable, *, batch_dim: int = 0,
         options: Sequence[str] = ()) -> core.Primitive:
    """A primitive with several results and rules for eager calls and vmap.

    Args:
      name: of the primitive.
      types: (avals, **options) -> types of the results, see `result_type`.
      lower: a lowering rule.
      batch_dim: which dimension of the results vmap adds; 0 of the arguments.
      options: names of the parameters.
    """
    primitive = core.Primitive(name)
    primitive.multiple_results = True
    compiled = jax.jit(lambda *args, **options: primitive.bind(
        *args, **options), static_argnames=tuple(options))

    @primitive.def_impl
    def _eagerly(*args, **options):
        with jax.disable_jit(False):  # else this would call itself
            return compiled(*args, **options)

    def batched(args, dims, **options):
        size, = {x.shape[dim] for x, dim in zip(args, dims) if dim is not None}
        args = [jnp.broadcast_to(x, (size, *x.shape)) if dim is None
                else jnp.moveaxis(x, dim, 0) for x, dim in zip(args, dims)]
        found = primitive.bind(*of_one_type(args), **options)
        return found, [batch_dim] * len(found)

    primitive.def_abstract_eval(types)
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, lower)
    return primitive


def result_type(avals: Sequence[Any], first: Sequence[int], dtype: Any,
                last: Sequence[int]) -> Any:
    """The type of a result [*first, ..., *last] of arguments [..., n].

    Args:
      avals: of the arguments; the last one has one dimension that is no batch.
      first, last: sizes before and after those of the batch.
    """
    batch = avals[-1].shape[:-1]
    # Of explicit sharding, what the batch has in any of the arguments.
    like = next((x for x in avals if any(x.sharding.spec)), avals[-1])
    places = PartitionSpec(*[None] * len(first),
                           *like.sharding.spec[:len(batch)],
                           *[None] * len(last))
    return like.update(shape=(*first, *batch, *last), dtype=np.dtype(dtype),
                       weak_type=False,
                       sharding=like.sharding.update(spec=places))


def of_one_type(args: Sequence[jax.Array]) -> list[jax.Array]:
    """The same values, varying over the same mapped axes."""
    axes = frozenset().union(*map(_varying, args))
    return [_vary(x, tuple(axes - _varying(x))) for x in args]


def _varying(x):
    """Names of the mapped axes over which a value varies."""
    aval = jax.typeof(x)
    kind = getattr(aval, 'mat', None)  # JAX 0.10 renamed it
    return aval.vma if kind is None else kind.varying


def _vary(x, axes):
    if not axes:
        return x
    if hasattr(lax, 'pcast'):
        return lax.pcast(x, axes, to='varying')
    return lax.pvary(x, axes)
