"""Which engine computes barcodes, and how a JAX program calls it.

The platform that a program is lowered for, and whether it is exported, are
known when JAX lowers it and not when it is traced. Barcodes are therefore a
JAX primitive, and the choice is its lowering rule.
"""

from collections.abc import Sequence
import dataclasses
import functools
import math

import jax
from jax import lax
from jax.interpreters import mlir
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import numpy as np

from topdis_jax import collectives
from topdis_jax.topology import validity
from topdis_jax.topology.engines import batched, host, native, xla
from topdis_jax.topology.engines.host import Entries

ENGINES = ('auto', 'host', 'xla')
# Engine 'auto' on accelerators: more points are the host's. An H100 with 16
# cores beside it was measured (docs/benchmarks.md); a TPU was not.
_XLA_POINTS = {'cuda': 128, 'gpu': 128, 'rocm': 128, 'tpu': 256}
# The custom call gets each matrix where it lies, from so many points on. For
# fewer, pairs of one `lower` are stacked: they share the first part of the
# work, and copies cost less than that.
_SEPARATE_POINTS = 128


@dataclasses.dataclass(frozen=True)
class Engine:
    """A function (lower, upper, mask, num_bars) -> Entries.

    A value: as a static argument of jax.jit, an equal one compiles nothing.
    """
    name: str
    capacity: int | None = None

    def __call__(self, lower: jax.Array, upper: jax.Array, mask: jax.Array,
                 num_bars: int) -> Entries:
        found = pair_entries((lower, upper), ((0, 1),), mask, num_bars, self)
        return Entries(*(x[0] for x in found))


def checked_engine(engine: str, n: int, capacity: int | None) -> Engine:
    """The Engine of that name; `_implementation` says where 'auto' runs.

    Args: see `barcode.relative_barcode`; n points of a cloud.

    Raises:
      ValueError: unknown engine, or one that cannot take the arguments.
    """
    if engine not in ENGINES:
        raise ValueError(
            f'engine must be one of {ENGINES}, received {engine!r}')
    if capacity is not None:
        validity.check_count('capacity', capacity)
    if engine == 'xla':
        xla.check(n, capacity)
    return Engine(engine, capacity)


def resolve_engine(engine: str, n: int) -> str:
    """'host' or 'xla': what n points get on the default platform."""
    how = _implementation(engine, n, jax.default_backend())
    return 'xla' if how == 'xla' else 'host'


def target(ctx: mlir.LoweringRuleContext) -> str | None:
    """The platform of a program that runs in this process alone, as 'cpu'.

    None of a program that is exported, to run in other processes, or that is
    lowered for several platforms.
    """
    module = ctx.module_context
    platforms = tuple(ctx.platforms or module.platforms)
    if module.lowering_parameters.for_export or len(platforms) > 1:
        return None
    return platforms[0]


def _implementation(engine, n, platform):
    """The choice of engine: 'custom_call', 'callback' or 'xla'.

    'custom_call' and 'callback' are two ways to call the host's engine.

    Args:
      engine: 'auto', 'host' or 'xla'.
      n: points of a cloud.
      platform: of the program, see `target`.

    Raises:
      NotImplementedError: nothing fits.
    """
    if engine == 'xla':
        return 'xla'
    if platform is None:
        if engine == 'host':
            raise NotImplementedError(
                "engine 'host' is compiled in this process: a program with it "
                'can neither be exported nor be lowered for several '
                "platforms; use engine 'auto' or 'xla'")
        if n > xla.MAX_POINTS:
            raise NotImplementedError(
                f'received {n} points in a program that is exported, or is '
                'lowered for several platforms; there, barcodes take at most '
                f'{xla.MAX_POINTS} points, take a sample of them')
        return 'xla'
    if platform == 'cpu':
        return 'custom_call'
    few = n <= _XLA_POINTS.get(platform, _XLA_POINTS['tpu'])
    return 'xla' if engine == 'auto' and few else 'callback'


def pair_entries(matrices: Sequence[jax.Array],
                 pairs: Sequence[tuple[int, int]], mask: jax.Array,
                 num_bars: int, engine: Engine) -> Entries:
    """Where the bars of some pairs of matrices begin and end.

    Args:
      matrices: each [..., n, n] float32, of one shape.
      pairs: (lower, upper) of each barcode, as indices into `matrices`; pairs
        of one `lower` one after another.
      mask: [..., n] bool.
      num_bars: places for each barcode.
      engine: an Engine.

    Returns:
      host.Entries [pairs, ...]. Constant to autodiff.
    """
    args = batched.of_one_type(
        [lax.stop_gradient(x) for x in (*matrices, mask)])
    return Entries(*_barcodes.bind(*args, pairs=tuple(pairs),
                                   num_bars=num_bars, engine=engine))


def _types(*avals, pairs, num_bars, engine):
    del engine

    def array(dtype, *sizes):
        return batched.result_type(avals, (len(pairs),), dtype, sizes)

    return list(Entries(birth_edges=array(np.int32, num_bars, 2),
                        death_edges=array(np.int32, num_bars, 2),
                        capped=array(bool, num_bars),
                        count=array(np.int32)))


def _lower(ctx, *operands, **options):
    """Lowers to what computes barcodes where the program will run."""
    mesh = collectives.automatic_mesh(ctx)
    # Else all devices would compute the same barcodes.
    count = len(options['pairs']) * math.prod(ctx.avals_in[-1].shape[:-1])
    if mesh is not None and count > 1:
        return mlir.lower_fun(functools.partial(
            _shared_out, mesh=mesh, **options))(ctx, *operands)
    how = _implementation(options['engine'].name, ctx.avals_in[-1].shape[-1],
                          target(ctx))
    return _RULES[how](ctx, *operands, **options)


# Matrices and mask in, the parts of Entries [pairs, ...] out.
_barcodes = batched.make('topdis_jax_barcodes', _types, _lower, batch_dim=1,
                         options=('pairs', 'num_bars', 'engine'))


def _shared_out(*args, mesh, pairs, **options):
    """All barcodes, each of which one of the devices computes."""
    lower, upper, mask = _stacked(args, pairs)
    shape = mask.shape[:-1]
    size = math.prod(shape)
    # The pairs of an item one after another, as a batch is divided by items.
    order = (*range(1, len(shape)), 0)

    def divided(x):
        rest = tuple(range(len(shape), x.ndim))
        x = x.transpose(*order, *rest).reshape(size, *x.shape[len(shape):])
        # Zero matrices, which have no bar, fill up.
        return jnp.pad(x, [(0, -size % mesh.size)] + [(0, 0)] * len(rest))

    def own(*args):
        return [x[0] for x in _barcodes.bind(*args, pairs=((0, 1),),
                                             **options)]

    spec = PartitionSpec(mesh.axis_names)
    found = jax.shard_map(own, mesh=mesh, in_specs=spec, out_specs=spec,
                          check_vma=False)(*map(divided, (lower, upper, mask)))
    return [jnp.moveaxis(x[:size].reshape(*shape[1:], shape[0], *x.shape[1:]),
                         len(shape) - 1, 0) for x in found]


def _stacked(args, pairs):
    """(lower, upper [pairs, ..., n, n], mask [pairs, ..., n])."""
    *matrices, mask = args
    lower, upper = (jnp.stack([matrices[pair[end]] for pair in pairs])
                    for end in (0, 1))
    return lower, upper, jnp.broadcast_to(mask, (len(pairs), *mask.shape))


def _as_custom_call(ctx, *operands, pairs, **options):
    """XLA calls the engine, all sizes on CPUs: a Python callback there can
    wait for the very thread that it keeps from working."""
    def stack_first(*args):
        found = _barcodes.bind(*_stacked(args, pairs), pairs=((0, 1),),
                               **options)
        return [x[0] for x in found]

    if len(pairs) > 1 and ctx.avals_in[-1].shape[-1] < _SEPARATE_POINTS:
        return mlir.lower_fun(stack_first)(ctx, *operands)
    *matrices, mask = operands
    return native.lower(
        ctx, [matrices[i] for pair in pairs for i in pair] + [mask])


def _as_callback(ctx, *operands, pairs, num_bars, engine):
    """Python on the host, for accelerators.

    Not jax.pure_callback, which makes arrays of JAX of what it hands over:
    here the function gets those of NumPy, and nothing in it waits for JAX.
    """
    def compute(*args):
        *matrices, mask = args
        lower, upper = (np.stack([matrices[pair[end]] for pair in pairs])
                        for end in (0, 1))
        return tuple(host.barcode_entries(lower, upper, mask[None],
                                          num_bars))

    results, _, _ = mlir.emit_python_callback(
        ctx, compute, None, operands, ctx.avals_in, ctx.avals_out,
        has_side_effect=False)
    return results


def _as_array_program(ctx, *operands, pairs, num_bars, engine):
    def entries(*args):
        return xla.barcode_entries(*_stacked(args, pairs),
                                   num_bars, engine.capacity)

    return mlir.lower_fun(entries)(ctx, *operands)


_RULES = {'custom_call': _as_custom_call, 'callback': _as_callback,
          'xla': _as_array_program}
