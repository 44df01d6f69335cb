"""Removal of the part of a gradient that works against another one."""

import functools
from typing import Any

import jax
import jax.numpy as jnp


def project_conflict(grads: Any,
                     reference: Any) -> tuple[Any, jax.Array, jax.Array]:
    """Makes a gradient orthogonal to a reference that it conflicts with.

    With both pytrees as one vector each, g and r: if <g, r> < 0,

        g <- g - (<g, r> / |r|^2) r,

    else g is unchanged. As published for TopDis (g) against the
    reconstruction term (r), after Yu et al., Gradient Surgery for Multi-Task
    Learning, NeurIPS 2020.

    Args:
      grads: pytree of arrays. Leaves that are not floating, such as those of
        type float0 that autodiff makes for integers, stay as they are and do
        not count.
      reference: pytree of the same structure and shapes.

    Returns:
      (pytree with the types of grads, inner product before, inner product
      after). The products are float32; r = 0 leaves g as it is.

    Raises:
      ValueError: structures or shapes differ.
    """
    _check(grads, reference)
    # Dividing by a unit keeps the products finite; it is 1 in practice.
    unit_g, unit_r = _unit(grads), _unit(reference)
    g, r = _divided(grads, unit_g), _divided(reference, unit_r)
    before = _dot(g, r)
    factor = conflicting_part(before, _dot(r, r))

    def project(original, g, r):
        if not (_is_floating(g) and _is_floating(r)):
            return original
        return (unit_g * (g - factor * r)).astype(jnp.result_type(original))

    projected = jax.tree.map(project, grads, g, r)
    after = _dot(_divided(projected, unit_g), r)
    return projected, unit_g * unit_r * before, unit_g * unit_r * after


def conflicting_part(product: jax.Array, square: jax.Array) -> jax.Array:
    """How many times r is to be taken from g: min(<g, r>, 0) / |r|^2.

    Args:
      product: [] float, <g, r>.
      square: [] float, |r|^2. If it is 0, the result is.
    """
    # r = 0, or so small that its square is: no direction to remove.
    conflict = (product < 0) & (square > 0)
    return jnp.where(conflict, product / jnp.where(square > 0, square, 1), 0)


def _unit(tree):
    """1, or the largest entry where squares of it overflow float32."""
    largest = functools.reduce(jnp.maximum, (
        jnp.max(jnp.abs(_float32(x)), initial=0.0)
        for x in jax.tree.leaves(tree) if _is_floating(x)), jnp.zeros(()))
    return jnp.where(largest > 1e12, largest, 1.0)


def _divided(tree, unit):
    """Floating leaves as float32, divided by unit."""
    return jax.tree.map(
        lambda x: _float32(x) / unit if _is_floating(x) else x, tree)


def _dot(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b))
    products = (
        jnp.vdot(x, y, precision=jax.lax.Precision.HIGHEST)
        for x, y in pairs if _is_floating(x) and _is_floating(y))
    return sum(products, start=jnp.zeros((), jnp.float32))


def _float32(x):
    return jnp.asarray(x, jnp.float32)


def _is_floating(x):
    # float0 is no type to jnp.result_type.
    dtype = getattr(x, 'dtype', None)
    return dtype != jax.dtypes.float0 and jnp.issubdtype(
        jnp.result_type(x), jnp.floating)


def _check(grads, reference):
    have, want = jax.tree.structure(grads), jax.tree.structure(reference)
    if have != want:
        raise ValueError(f'grads and reference must have one structure, '
                         f'received {have} and {want}')
    for g, r in zip(jax.tree.leaves(grads), jax.tree.leaves(reference)):
        if jnp.shape(g) != jnp.shape(r):
            raise ValueError(f'grads and reference must have equal shapes, '
                             f'received {jnp.shape(g)} and {jnp.shape(r)}')
