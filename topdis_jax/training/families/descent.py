"""Steps of gradient descent of the families with a discriminator."""

from typing import Any

import optax


def clip(grads: Any, max_norm: float) -> Any:
    """A gradient scaled to a norm of at most `max_norm`."""
    return optax.clip_by_global_norm(max_norm).update(
        grads, optax.EmptyState())[0]


def descend(optimizer: optax.GradientTransformation, grads: Any, params: Any,
            opt_state: Any) -> dict[str, Any]:
    """One update: {'params', 'opt_state'}."""
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return {'params': optax.apply_updates(params, updates),
            'opt_state': opt_state}
