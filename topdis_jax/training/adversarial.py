"""The families with a discriminator: FactorVAE and DAVA."""

import jax
from jax import lax
import jax.numpy as jnp
import optax

from topdis_jax import losses, models
from topdis_jax import collectives
from topdis_jax.training.family import elbo_inputs, Family


def factor_vae(config, dataset_size, axis_name):
    """The Family 'factor_vae': a classifier of codes estimates their TC."""
    del dataset_size
    options = config.objective
    discriminator = models.LatentDiscriminator(
        tuple(options.discriminator_hidden))
    optimizer = optax.adam(options.discriminator_learning_rate, b1=0.5, b2=0.9)

    def init(rng, images):
        del images
        params = discriminator.init(
            rng, jnp.zeros((1, config.model.latents)))['params']
        return {'params': params, 'opt_state': optimizer.init(params)}

    def objective(forward, carry, step, rng):
        del step, rng
        density = discriminator.apply({'params': carry['params']}, forward.z)
        return *losses.factor_vae(*elbo_inputs(forward), density,
                                  gamma=options.gamma), carry

    def update(carry, after):
        rng_codes, rng_order = jax.random.split(after.rng)
        permuted = losses.permute_coordinates(
            rng_order, after.encode(after.params, 'second', rng_codes),
            axis_name=axis_name)

        def loss_fn(params):
            return losses.discriminator_loss(*(
                discriminator.apply({'params': params}, lax.stop_gradient(z))
                for z in (after.forward.z, permuted)))

        loss, grads = collectives.mean(
            jax.value_and_grad(loss_fn)(carry['params']), axis_name)
        carry = _descend(optimizer, grads, **carry)
        return after.params, after.opt_state, carry, {'discriminator': loss}

    return Family(init, objective, update, batches=('images', 'second'))


def dava(config, dataset_size, axis_name):
    """The Family 'dava': a classifier of images drives the capacity.

    As in the published code, the adversarial step goes along the VAE's own
    gradient (clipped) once more, with the adversarial terms added: to the
    encoder's, clipped again, and to the decoder's.
    """
    del dataset_size
    options = config.objective
    discriminator = models.ImageDiscriminator(
        tuple(options.discriminator_channels) or None)
    optimizer = optax.adam(options.discriminator_learning_rate)
    max_norm = options.max_grad_norm

    def classify(params, logits):
        return discriminator.apply({'params': params}, jax.nn.sigmoid(logits))

    def init(rng, images):
        params = discriminator.init(rng, images)['params']
        return {'params': params, 'opt_state': optimizer.init(params),
                'kl_step': jnp.zeros(()) + options.kl_step_start}

    def objective(forward, carry, step, rng):
        del step, rng
        capacity = losses.dava_capacity(
            carry['kl_step'], largest=options.capacity,
            threshold=options.capacity_threshold)
        return *losses.dava(
            *elbo_inputs(forward), capacity=capacity, gamma=options.dava_gamma,
            degree=options.capacity_degree, axis_name=axis_name), carry

    def update(carry, after):
        rng_codes, rng_coordinates, rng_labels = jax.random.split(after.rng, 3)
        resampled = losses.resample_coordinates(
            rng_coordinates, after.encode(after.params, 'images', rng_codes),
            how=options.resampling, axis_name=axis_name)
        carry, accuracy, loss = train_discriminator(
            carry, _reconstruct(after, after.params, rng_codes),
            after.decode(after.params, resampled), rng_labels)
        grads, weights = fool(carry['params'], accuracy, after, rng_codes,
                              resampled)
        params, opt_state = _descend(
            after.optimizer, grads, after.params, after.opt_state).values()
        return params, opt_state, carry, {
            'discriminator': loss, 'accuracy': accuracy,
            'adversarial_weight': weights[0]}

    def train_discriminator(carry, reconstructed, resampled, rng):
        def loss_fn(params):
            pair = [classify(params, logits)
                    for logits in (reconstructed, resampled)]
            return losses.image_discriminator_loss(
                rng, *pair, smoothing=options.label_smoothing,
                axis_name=axis_name), pair

        (loss, pair), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            carry['params'])
        accuracy = losses.image_accuracy(
            *pair, confidence=options.confidence, axis_name=axis_name)
        loss, grads = collectives.total((loss, grads), axis_name)
        kl_step = losses.dava_advance(
            carry['kl_step'], accuracy,
            len(pair[0]) * collectives.count(axis_name))
        return dict(
            _descend(optimizer, clip(grads, max_norm), carry['params'],
                     carry['opt_state']), kl_step=kl_step), accuracy, loss

    def fool(adversary, accuracy, after, rng, resampled):
        """Gradient of the adversarial step, and the two terms' weights."""
        weights = losses.adversarial_weights(
            accuracy, encoder=options.encoder_weight,
            decoder=options.decoder_weight)

        def encoder_term(encoder):
            params = {**after.params, 'encoder': encoder}
            return weights[0] * losses.binary_cross_entropy(
                classify(adversary, _reconstruct(after, params, rng)), 0.0)

        def decoder_term(decoder):
            params = {**after.params, 'decoder': decoder}
            return weights[1] * losses.binary_cross_entropy(
                classify(adversary, after.decode(params, resampled)), 1.0)

        added = collectives.total(
            {'encoder': jax.grad(encoder_term)(after.params['encoder']),
             'decoder': jax.grad(decoder_term)(after.params['decoder'])},
            axis_name)
        grads = jax.tree.map(jnp.add, after.grads, added)
        return {**grads, 'encoder': clip(grads['encoder'], max_norm)}, weights

    return Family(init, objective, update, max_norm=max_norm)


def clip(grads, max_norm):
    """A gradient scaled to a norm of at most `max_norm`."""
    return optax.clip_by_global_norm(max_norm).update(
        grads, optax.EmptyState())[0]


def _reconstruct(after, params, rng):
    return after.decode(params, after.encode(params, 'images', rng))


def _descend(optimizer, grads, params, opt_state):
    """One update: {'params', 'opt_state'}."""
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return {'params': optax.apply_updates(params, updates),
            'opt_state': opt_state}
