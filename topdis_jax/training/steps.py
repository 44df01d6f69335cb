"""One training step: a plain function of (state, batch)."""

from collections.abc import Callable
import copy
from typing import Any

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import optax

from topdis_jax import collectives
from topdis_jax import losses, models
from topdis_jax.collectives import AxisName
from topdis_jax.training import factored, families
from topdis_jax.training.families.descent import clip
from topdis_jax.training.families.family import Forward, Objective
from topdis_jax.training.families.family import VAEUpdate
from topdis_jax.training.inference import to_float
from topdis_jax.training.state import TrainState


def make_step(config: Any, model: models.VAE, objective: Objective,
              optimizer: optax.GradientTransformation, *, topdis: bool,
              axis_name: AxisName = None) -> Callable[
                  [TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """Builds step(state, batch) -> (state, metrics).

    Two steps serve a run: one without the topological loss until its delay
    is over, which pays nothing for it, and one with it.

    Args:
      config: the run's configuration.
      model: models.VAE.
      objective: the family's, see families.Objective.
      optimizer: optax optimiser of the VAE's parameters.
      topdis: whether this step has the topological loss.
      axis_name: name of the mapped axis over which the batch is spread, for
        use under pmap. The mathematics is that of the whole batch.

    Returns:
      step: batch holds [b, h, w, c] uint8 for each of objective.batches;
      metrics are scalars by name, means over the whole batch (a sum for DAVA's
      discriminator): loss, the family's terms, topdis (RTD before its
      weight), and grad_norm (before any clipping), which is not finite if any
      gradient is not. With config.train.skip_nonfinite also skipped, as in the
      state.
    """
    def step(state, batch):
        rng = jax.random.fold_in(jax.random.key(config.seed), state.step)
        terms = LossTerms(config, model, objective, state, batch, rng,
                          axis_name)
        if topdis and config.topdis.orthogonalize:
            found = _orthogonal_gradient(terms, state.params)
        else:
            found = _plain_gradient(terms, state.params, topdis)
        grads, metrics, forward, carry = found
        metrics['grad_norm'] = optax.tree.norm(grads)
        if objective.max_norm is not None:
            grads = clip(grads, objective.max_norm)
        updates, opt_state = optimizer.update(
            grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        if objective.update is not None:
            params, opt_state, carry, more = objective.update(carry, VAEUpdate(
                params, opt_state, grads, forward, terms.codes, terms.decode,
                optimizer, terms.rng_update))
            metrics.update(more)
        new = TrainState(state.step + 1, params, opt_state, carry,
                         state.skipped)
        if config.train.skip_nonfinite:
            new = _unless_nonfinite(new, state, metrics)
            metrics['skipped'] = new.skipped
        return new, metrics

    return step


def _unless_nonfinite(new, old, metrics):
    """The new state, or the old one, one step on, if a number is not finite.

    All numbers are of the whole batch, so that all devices decide alike. The
    parameters and what the family keeps are looked at too, for the gradients
    of its own update.
    """
    numbers = jax.tree.leaves((metrics, new.params, new.opt_state, new.carry))
    finite = jnp.stack([jnp.all(jnp.isfinite(x)) for x in numbers]).all()
    kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)
    return kept._replace(step=new.step,
                         skipped=old.skipped + (~finite).astype(jnp.int32))


def topdis_options(options: Any) -> dict[str, Any]:
    """The part of config.topdis that losses.topdis_loss takes, a dict."""
    return {'shift': options.shift, 'margin': options.margin,
            'num_bars': options.num_bars, 'power': options.power,
            'forms': tuple(options.forms), 'quantile': options.quantile,
            'floor': options.get('floor', 0.0),  # runs of version 0.1: none
            'divergence': options.get('divergence', 'rtd'),
            'engine': options.engine, 'capacity': options.capacity or None}


class LossTerms:
    """The terms of one batch's loss, as functions of the parameters."""

    def __init__(self, config: Any, model: models.VAE, objective: Objective,
                 state: TrainState, batch: Any, rng: jax.Array,
                 axis_name: AxisName) -> None:
        self.options, self._release = config.topdis, families.release(config)
        self.model, self._objective, self.state = model, objective, state
        self.batch, self.axis_name = batch, axis_name
        self._tape = factored.Tape()
        (self.rng_sample, self.rng_family, self.rng_fresh, self.rng_shift,
         self.rng_update) = jax.random.split(rng, 5)

    def taped(self, tape: factored.Tape) -> 'LossTerms':
        """These terms, with a factored.Tape for the network's layers."""
        taped = copy.copy(self)
        taped._tape = tape
        return taped

    def encode(self, params: Any, images: jax.Array,
               rng: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Images [b, h, w, c] uint8 -> mean, log variance, sample [b, d]."""
        mean, log_var = self._apply(params, to_float(images), 'encode')
        z = losses.sample_gaussian(rng, mean, log_var,
                                   axis_name=self.axis_name)
        return mean, log_var, z

    def forward(self, params: Any) -> Forward:
        images = self.batch['images']
        mean, log_var, z = self.encode(params, images, self.rng_sample)
        return Forward(to_float(images), mean, log_var, z,
                       self.decode(params, z))

    def decode(self, params: Any, z: jax.Array) -> jax.Array:
        return self._apply(params, z, 'decode')

    def _apply(self, params, x, method):
        with nn.intercept_methods(self._tape):
            return self.model.apply({'params': params}, x, method=method)

    def codes(self, params: Any, name: str, rng: jax.Array) -> jax.Array:
        """Sampled codes of one of the batches."""
        return self.encode(params, self.batch[name], rng)[2]

    def objective(self, forward: Forward) -> tuple[jax.Array, Any, Any]:
        return self._objective.loss(forward, self.state.carry,
                                    self.state.step, self.rng_family)

    def topdis(self, params: Any, forward: Forward) -> jax.Array:
        """RTD of the decoded batch and its shift, before its weight."""
        options = self.options

        def decode(z):
            return _flat_images(self.decode(params, z))

        z, images = self._original(params, forward)
        weights = models.latent_weights(params) if options.weighted else None
        loss, _ = losses.topdis_loss(
            decode, z, self.rng_shift, images=images, weights=weights,
            axis_name=self.axis_name, **topdis_options(options))
        return loss

    def _original(self, params, forward):
        """Codes of the original cloud, and its images if already decoded."""
        mean, log_var = forward.mean, forward.log_var
        second = self._release.second_batch
        if second:
            mean, log_var, _ = self.encode(params, self.batch['second'],
                                           self.rng_fresh)
        if not self.options.sample:
            return mean, None
        if self.options.fresh or second:
            if self._release.log_sigma:  # log sigma, taken for a log variance
                log_var = log_var / 2
            return losses.sample_gaussian(
                self.rng_fresh, mean, log_var, axis_name=self.axis_name), None
        return forward.z, _flat_images(forward.logits)

    def mean(self, tree: Any) -> Any:
        """Mean over the devices."""
        return collectives.mean(tree, self.axis_name)


def _flat_images(logits):
    """Images [b, h * w * c] of logits [b, h, w, c].

    A CPU is slow on arrays whose last axis is short, as that of channels.
    """
    return jax.nn.sigmoid(logits.reshape(len(logits), -1))


def _plain_gradient(terms, params, topdis):
    """One backward pass for all terms together."""
    def loss_fn(params):
        forward = terms.forward(params)
        loss, metrics, carry = terms.objective(forward)
        if topdis:
            metrics['topdis'] = terms.topdis(params, forward)
            loss += terms.options.weight * metrics['topdis']
        return loss, ({'loss': loss, **metrics}, forward, carry)

    grads, (metrics, forward, carry) = jax.grad(loss_fn, has_aux=True)(params)
    return *terms.mean((grads, metrics)), forward, carry


def _orthogonal_gradient(terms, params):
    """TopDis's gradient, kept from working against the reconstruction's.

    The three terms' gradients are compared and added up in factors, see
    `factored`; the compiler merges their equal forward passes.
    """
    def topdis(params, tape):
        taped = terms.taped(tape)
        loss = taped.topdis(params, taped.forward(params))
        return terms.options.weight * loss, loss

    def reconstruction(params, tape):
        taped = terms.taped(tape)
        _, metrics, _ = taped.objective(taped.forward(params))
        return metrics['reconstruction'], None

    def others(params, tape):
        taped = terms.taped(tape)
        # Without the logits' gradient, the reconstruction term has none.
        forward = taped.forward(params)
        loss, metrics, carry = taped.objective(
            forward._replace(logits=lax.stop_gradient(forward.logits)))
        return loss, ({'loss': loss, **metrics}, forward, carry)

    axis_name = terms.axis_name
    probes = factored.make_probes(topdis, params, axis_name)
    # TopDis comes first: a CPU goes by this order, and so its other cores have
    # work while one of them computes barcodes.
    (g_topdis, loss), (g_reconstruction, _), (
        g_others, (metrics, forward, carry)) = (
        factored.gradient(term, params, probes, axis_name)
        for term in (topdis, reconstruction, others))
    before, square = (factored.dot(g_reconstruction, g, axis_name)
                      for g in (g_topdis, g_reconstruction))
    part = losses.conflicting_part(before, square)
    grads = factored.form([(1 - part, g_reconstruction), (1, g_others),
                           (1, g_topdis)], axis_name)
    metrics['loss'] += terms.options.weight * loss
    metrics.update(topdis=loss, conflict_before=before,
                   conflict_after=before - part * square)
    return grads, terms.mean(metrics), forward, carry
