"""Checks of arguments: shapes and types always, values where they are known.

A value is known unless it is traced (under jit, grad, vmap). A known value
that is not valid raises. A traced one cannot: it gives NaN instead.
"""

from collections.abc import Callable, Mapping
import operator
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax import collectives


def is_traced(*values: Any) -> bool:
    """Whether any of the values is a tracer, so that it cannot be looked at."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def check_option(name: str, value: Any, valid: Callable[[Any], Any],
                 expected: str) -> Any:
    """A scalar option whose valid values are a range.

    Args:
      name: of the option, for the message.
      value: Python, NumPy or JAX scalar.
      valid: function of a scalar that says whether it is valid. False of NaN.
      expected: what the value must do, as in 'lie in (0, 1)'.

    Returns:
      The value; if it is traced, float32, and NaN where it is not valid.

    Raises:
      ValueError: not a scalar, or known and not valid.
    """
    if np.shape(value) != ():
        raise ValueError(
            f'{name} must be a scalar, received shape {np.shape(value)}')
    if is_traced(value):
        value = value.astype(jnp.float32)
        return jnp.where(valid(value), value, jnp.nan)
    if not valid(value):
        raise ValueError(f'{name} must {expected}, received {value}')
    return value


def check_count(name: str, value: Any, least: int = 1) -> int:
    """A static whole number, as an int.

    Raises:
      ValueError: a fraction, a bool, a traced value, or one below `least`.
    """
    if is_traced(value):
        raise ValueError(f'{name} must be a Python integer, received a traced '
                         'value; list it in static_argnames of jax.jit')
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, (bool, np.bool_)) or whole < least:
        raise ValueError(f'{name} must be a whole number of at least {least}, '
                         f'received {value!r}')
    return whole


def as_distances(name: str, matrix: ArrayLike,
                 rank: int | None = None) -> jax.Array:
    """The matrix as float32 [..., n, n].

    Raises:
      ValueError: not square, or not of the given rank. TypeError: not
        floating.
    """
    matrix = collectives.whole(jnp.asarray(matrix))
    check_square(name, matrix, rank)
    if not jnp.issubdtype(matrix.dtype, jnp.floating):
        raise TypeError(f'{name} must be floating, received '
                        f'{matrix.dtype}; convert it with '
                        f'{name}.astype(jnp.float32)')
    return matrix.astype(jnp.float32)


def as_mask(mask: ArrayLike | None, matrix: jax.Array) -> jax.Array:
    """The mask as bool [..., n], broadcast to the batch of matrix [..., n, n].

    Raises:
      ValueError: not bool, or a shape that does not fit.
    """
    shape = matrix.shape[:-1]
    if mask is None:
        return jnp.ones(shape, bool)
    mask = jnp.asarray(mask)
    # From the right, each dimension is that of the matrices or (a batch's) 1.
    fits = 1 <= mask.ndim <= len(shape) and mask.shape[-1] == shape[-1] and all(
        own in (1, whole) for own, whole in zip(mask.shape[::-1], shape[::-1]))
    if mask.dtype != jnp.bool_ or not fits:
        batch = '..., ' if len(shape) > 1 else ''
        raise ValueError(
            f'mask must be bool with shape [{batch}{shape[-1]}] for matrices '
            f'{matrix.shape}, received {mask.dtype} {mask.shape}')
    return jnp.broadcast_to(mask, shape)


def pairs_of(mask: jax.Array) -> jax.Array:
    """[..., n] bool -> [..., n, n]: where both points take part."""
    return mask[..., :, None] & mask[..., None, :]


def check_square(name: str, matrix: ArrayLike,
                 rank: int | None = None) -> None:
    """Raises ValueError unless matrix is [..., n, n] (of the given rank)."""
    shape = jnp.shape(matrix)
    square = len(shape) >= 2 and shape[-1] == shape[-2]
    if not square or rank not in (None, len(shape)):
        expected = '[n, n]' if rank == 2 else '[..., n, n]'
        remedy = ('; map a batch with jax.vmap' if square else '; of points '
                  '[n, d], take topology.pairwise_distances(points)')
        raise ValueError(
            f'{name} must have shape {expected}, received {shape}{remedy}')


def check_concrete(first: ArrayLike, second: ArrayLike, *,
                   mask: ArrayLike | None = None,
                   names: tuple[str, str] = ('lower', 'upper'),
                   ordered: bool = False) -> None:
    """Raises the ValueError that names the first entry that is not valid.

    A matrix that is traced is not looked at; nothing is if the mask is. Looks
    at the matrices in NumPy: that copies what is not in the host's memory.

    Args:
      first, second: [..., n, n] real, of shapes and types already checked.
      mask: [..., n] bool, the points that take part; all if None.
      names: of the matrices, for the message.
      ordered: whether `first` must nowhere exceed `second`.
    """
    if is_traced(mask):
        return
    known = {name: np.asarray(matrix)
             for name, matrix in zip(names, (first, second))
             if can_be_read(matrix)}
    if mask is not None:
        mask = np.asarray(mask)
        kept = mask[..., :, None] & mask[..., None, :]
        known = {name: np.where(kept, matrix, np.zeros((), matrix.dtype))
                 for name, matrix in known.items()}
    # The engine sees float32, in which what float64 holds may be valid.
    single = [_float32(matrix) for matrix in known.values()]
    ordered = ordered and len(known) == 2
    if all(map(_all_valid, single)) and not (
            ordered and np.any(single[0] > single[1])):
        return
    explain(known, ordered)


def can_be_read(array: ArrayLike) -> bool:
    """Whether its values are known, and all in reach of this process."""
    return not is_traced(array) and getattr(
        array, 'is_fully_addressable', True)


def _float32(matrix):
    with np.errstate(over='ignore'):  # infinity: not valid
        return matrix.astype(np.float32)


def _all_valid(matrix):
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    # NaN fails the first comparison, infinity the second.
    return (np.all(matrix >= 0) and np.all(matrix <= np.finfo('f4').max)
            and not np.any(diagonal)
            and np.array_equal(matrix, np.swapaxes(matrix, -1, -2)))


def all_valid(matrix: jax.Array) -> jax.Array:
    """Whether [..., n, n] float32 are distances, [...] bool; traceable."""
    # NaN fails the first comparison, infinity the second.
    good = ((matrix >= 0) & (matrix < jnp.inf)
            & (matrix == jnp.swapaxes(matrix, -1, -2)))
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    return jnp.all(good, axis=(-2, -1)) & jnp.all(diagonal == 0, axis=-1)


def explain(matrices: Mapping[str, np.ndarray], ordered: bool) -> NoReturn:
    """Raises the ValueError that names the first entry that is not valid.

    Entries are compared in float32, as by the engine, and named as received.

    Args:
      matrices: dict of name -> [..., n, n] NumPy array, one or two of them.
      ordered: whether the first must nowhere exceed the second.
    """
    for name, matrix in matrices.items():
        single = _float32(matrix)
        other = np.swapaxes(matrix, -1, -2)
        check_finite(name, matrix)
        _require(abs(matrix) <= np.finfo(np.float32).max,
                 f'{name} must be within the range of float32', matrix)
        hint = '; take topology.symmetrize(m) if rounding made it so'
        _require(single >= 0, f'{name} must not be negative{hint}', matrix)
        _require((single == 0) | ~np.eye(matrix.shape[-1], dtype=bool),
                 f'{name} must have a zero diagonal{hint}', matrix)
        _require(single == np.swapaxes(single, -1, -2),
                 f'{name} must be symmetric{hint}', matrix, other)
    if ordered:
        (low, lower), (high, upper) = matrices.items()
        _require(_float32(lower) <= _float32(upper),
                 f'{low} must not exceed {high}; take '
                 f'np.maximum({low}, {high}) for {high}', lower, upper)
    raise AssertionError('the engine rejects matrices that are valid')


def check_finite(name: str, array: ArrayLike, remedy: str = '') -> None:
    """Raises the ValueError that names the first entry that is not finite."""
    array = np.asarray(array)
    _require(np.isfinite(array), f'{name} must be finite{remedy}', array)


def _require(holds, message, matrix, other=None):
    if not np.all(holds):
        at = tuple(int(x) for x in np.argwhere(~holds)[0])
        against = '' if other is None else f' against {other[at]}'
        raise ValueError(f'{message}: received {matrix[at]}{against} '
                         f'at {list(at)}')
