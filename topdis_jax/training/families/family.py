"""What a family's file gives, and what a training step passes to it."""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any, NamedTuple

import jax
import optax

from topdis_jax.training.keys import Key

Terms = Mapping[str, jax.Array]  # named scalars, for the log


class Forward(NamedTuple):
    """A batch and what the VAE makes of it.

    Attributes:
      images, logits: [b, h, w, c]. mean, log_var, z: [b, d].
    """
    images: jax.Array
    mean: jax.Array
    log_var: jax.Array
    z: jax.Array
    logits: jax.Array


class VAEUpdate(NamedTuple):
    """What the VAE's update leaves to a family's own update.

    Attributes:
      params, opt_state: of the VAE, after its update.
      grads: the gradient of that update (clipped, if it was).
      forward: Forward, from before it.
      encode: (params, name of a batch, key) -> sampled codes [b, d].
      decode: (params, codes [m, d]) -> logits [m, h, w, c].
      optimizer: of the VAE.
      rng: key, the same on every device.
    """
    params: Any
    opt_state: Any
    grads: Any
    forward: Forward
    encode: Callable[[Any, str, jax.Array], jax.Array]
    decode: Callable[[Any, jax.Array], jax.Array]
    optimizer: optax.GradientTransformation
    rng: jax.Array


def _nothing(rng: jax.Array, images: jax.Array) -> dict[str, Any]:
    del rng, images
    return {}


class Objective(NamedTuple):
    """The parts of a step that depend on the family.

    Attributes:
      loss: (Forward, carry, step, key) -> (loss, named terms, carry). `step`
        is the number of steps done before this one, from 0, traced.
        'reconstruction' is among the terms, the only one that may depend on
        the logits. Terms go to the log; those with a label are plotted as
        well. Under an axis, terms are means over the device's rows.
      init: (key, images [1, h, w, c]) -> carry, what the family keeps between
        steps (a pytree).
      update: None, or what follows the VAE's update: (carry, VAEUpdate) ->
        (params, opt_state, carry, named terms), the first two of the VAE.
      batches: names of the independent batches that a step takes.
      max_norm: None, or what the norm of the VAE's gradient is clipped to.
    """
    loss: Callable[..., tuple[jax.Array, Terms, Any]]
    init: Callable[[jax.Array, jax.Array], Any] = _nothing
    update: Callable[..., tuple[Any, Any, Any, Terms]] | None = None
    batches: tuple[str, ...] = ('images',)
    max_norm: float | None = None


class Release(NamedTuple):
    """What the authors' release does otherwise in a family.

    The defaults are what a run does without `config.published`. See
    docs/published.md.

    Attributes:
      second_batch: TopDis shifts codes of the batch 'second', which a step
        takes besides.
      from_delay: the first step with TopDis is number `delay`, not delay + 1.
      initialization: of the convolutional network, see models.VAE.
      log_sigma: the encoder gives log standard deviations, and TopDis's own
        sample takes them for log variances.
    """
    second_batch: bool = False
    from_delay: bool = False
    initialization: str = 'normal'
    log_sigma: bool = False


def _accepts(config: Any) -> None:
    """No more than each key's own check."""


def _no_warnings(config: Any) -> list[str]:
    return []


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of VAEs: all that a run knows of it.

    Attributes:
      build: (config, dataset_size, axis_name) -> Objective.
      keys: its section `objective` of a configuration.
      changes: {'section.key': value}, other keys' values as published.
      labels: {term: title of its panel in the plot of the curves}. A term
        without one is logged but not plotted; plots/curves.py has those of
        the terms that all families share.
      check: (config) -> None; raises SettingsError for what single keys do
        not show.
      warnings: (config) -> lines on what a sound configuration may do unasked.
      release: what config.published changes.
    """
    build: Callable[..., Objective]
    keys: Mapping[str, Key] = dataclasses.field(default_factory=dict)
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    check: Callable[[Any], None] = _accepts
    warnings: Callable[[Any], list[str]] = _no_warnings
    release: Release = Release()


def elbo_inputs(forward: Forward) -> tuple[jax.Array, ...]:
    """What every loss takes of a Forward, in its order."""
    return forward.logits, forward.images, forward.mean, forward.log_var
