"""Sets as bits of 32-bit words, which XLA handles as arrays."""

from jax import lax
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np


def pack(members: jax.Array) -> jax.Array:
    """[..., m] bool -> [..., ceil(m / 32)] uint32, member b as bit b % 32."""
    *batch, m = members.shape
    words = -(-m // 32)
    members = jnp.pad(members, [(0, 0)] * len(batch) + [(0, 32 * words - m)])
    powers = (np.uint32(1) << np.arange(32, dtype=np.uint32)).reshape(
        [1] * (len(batch) + 1) + [32])
    return jnp.sum(jnp.where(members.reshape(*batch, words, 32), powers, 0),
                   axis=-1, dtype=jnp.uint32)


def pack_first(members: jax.Array) -> jax.Array:
    """[m, ...] bool, m a multiple of 32 -> [m / 32, ...] uint32."""
    m, *rest = members.shape
    powers = (np.uint32(1) << np.arange(32, dtype=np.uint32)).reshape(
        [1, 32] + [1] * len(rest))
    return jnp.sum(jnp.where(members.reshape(m // 32, 32, *rest), powers, 0),
                   axis=1, dtype=jnp.uint32)


def single(member: jax.Array, words: int) -> jax.Array:
    """int32 [...] -> [words, ...] uint32: one member; none if negative."""
    word = jnp.arange(words).reshape(words, *[1] * jnp.ndim(member))
    bit = jnp.left_shift(jnp.uint32(1), (member & 31).astype(jnp.uint32))
    return jnp.where(word == (member >> 5)[None], bit[None], 0)


def contains(sets: jax.Array, member: jax.Array) -> jax.Array:
    """[words, ...] and [] int32 -> [...] bool: which sets have the member.

    Not defined for a negative one.
    """
    word = sets[jnp.maximum(member, 0) >> 5]
    return (word >> (member & 31).astype(jnp.uint32)) & 1 != 0


def any_of(sets: jax.Array) -> jax.Array:
    """[words, ...] -> [...] bool: which sets are not empty."""
    return lax.reduce(sets, np.uint32(0), lax.bitwise_or, (0,)) != 0


def count(sets: jax.Array) -> jax.Array:
    """[..., words] -> [...] int32 members."""
    return jnp.sum(lax.population_count(sets), axis=-1, dtype=jnp.int32)


def highest(members: jax.Array) -> jax.Array:
    """[words] -> [] int32: the last member, -1 if there is none."""
    word = jnp.arange(members.shape[0])
    last = 32 * word + 31 - lax.clz(members).astype(jnp.int32)
    return jnp.max(jnp.where(members != 0, last, -1))


def find(sets: jax.Array, place: jax.Array, m: int) -> jax.Array:
    """The member of each set [r, words] that `place` [r] others precede.

    Members are 0 .. m - 1. Returns [r] int32, at most m - 1.
    """
    words = sets.shape[-1]
    up_to = np.packbits(np.tri(m, 32 * words, dtype=bool), axis=-1,
                        bitorder='little').view('<u4').astype(np.uint32)
    ranks = count(sets[:, None, :] & up_to[None])  # [r, m]
    return jnp.minimum(jnp.sum(ranks <= place[:, None], axis=-1), m - 1)


def first_reaching(totals: jax.Array, targets: jax.Array) -> jax.Array:
    """The first place of totals [m] that is at least each of targets [r].

    Args:
      totals: [m] int32, in ascending order.
      targets: [r] int32.

    Returns:
      [r] int32, m where no total is as large. (jnp.searchsorted does the same
      but fails under a shard_map that maps some of a mesh's axes.)
    """
    size = totals.shape[0]
    steps = size.bit_length()

    def refine(i, found):
        trial = found + (1 << (steps - 1 - i))
        below = totals[jnp.minimum(trial, size) - 1] < targets
        return jnp.where((trial <= size) & below, trial, found)

    start = (targets | totals[0]) & 0  # no constant: see collectives.zeros
    return lax.fori_loop(0, steps, refine, start)


def at(sums: jax.Array, edge: ArrayLike) -> jax.Array:
    """sums[:, edge], where what is beyond the last is zero.

    Indices for each word: with whole columns, a CPU's compiler puts words last
    in memory, which makes the search for relations four times as slow.
    """
    words, shape = sums.shape[0], jnp.shape(edge)
    places = jnp.broadcast_to(jnp.reshape(edge, (1, -1)),
                              (words, int(np.prod(shape))))
    return jnp.take_along_axis(jnp.pad(sums, ((0, 0), (0, 1))), places,
                               axis=1).reshape(words, *shape)
