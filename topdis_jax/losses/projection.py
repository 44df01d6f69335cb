"""Removal of the part of a gradient that works against another one."""

import jax
import jax.numpy as jnp


def project_conflict(grads, reference):
    """Makes a gradient orthogonal to a reference that it conflicts with.

    With both pytrees as one vector each, g and r: if <g, r> < 0,

        g <- g - (<g, r> / |r|^2) r,

    else g is unchanged. As published for TopDis (g) against the
    reconstruction term (r), after Yu et al., Gradient Surgery for Multi-Task
    Learning, NeurIPS 2020.

    Args:
      grads: pytree of float arrays.
      reference: pytree of the same structure and shapes.

    Returns:
      (pytree, inner product before, inner product after). r = 0 leaves g as
      it is.

    Raises:
      ValueError: structures or shapes differ.
    """
    _check(grads, reference)
    before = _dot(grads, reference)
    factor = conflicting_part(before, _dot(reference, reference))
    projected = jax.tree.map(
        lambda g, r: g - (factor * r).astype(g.dtype), grads, reference)
    return projected, before, _dot(projected, reference)


def conflicting_part(product, square):
    """How many times r is to be taken from g: min(<g, r>, 0) / |r|^2.

    Args:
      product: [] float, <g, r>.
      square: [] float, |r|^2. If it is 0, the result is.
    """
    # r = 0, or so small that its square is: no direction to remove.
    conflict = (product < 0) & (square > 0)
    return jnp.where(conflict, product / jnp.where(square > 0, square, 1), 0)


def _dot(a, b):
    products = jax.tree.map(
        lambda x, y: jnp.vdot(x, y, precision=jax.lax.Precision.HIGHEST), a, b)
    return sum(jax.tree.leaves(products), start=jnp.zeros(()))


def _check(grads, reference):
    have, want = jax.tree.structure(grads), jax.tree.structure(reference)
    if have != want:
        raise ValueError(f'grads and reference must have one structure, '
                         f'received {have} and {want}')
    for g, r in zip(jax.tree.leaves(grads), jax.tree.leaves(reference)):
        if jnp.shape(g) != jnp.shape(r):
            raise ValueError(f'grads and reference must have equal shapes, '
                             f'received {jnp.shape(g)} and {jnp.shape(r)}')
