"""DAVA: a classifier of images drives the capacity.

Estermann & Wattenhofer, ICLR 2023, and its published code.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from topdis_jax import collectives, losses, models
from topdis_jax.collectives import AxisName
from topdis_jax.losses import adversarial
from topdis_jax.training.families.descent import clip, descend
from topdis_jax.training.families.family import elbo_inputs, Family, Objective
from topdis_jax.training.keys import AT_LEAST_ONE, BETWEEN, FRACTION, Key
from topdis_jax.training.keys import NOT_NEGATIVE, one_of, POSITIVE, SIZES
from topdis_jax.training.keys import zero_or_more

KEYS = {
    # The discriminator of images: its channels; (): those of the smaller
    # encoder. Size of its last hidden layer; 0: see model.width.
    'discriminator_channels': Key((), *SIZES),
    'discriminator_width': Key(0, *zero_or_more('takes the default')),
    'discriminator_learning_rate': Key(1e-4, *POSITIVE),
    # Weight and even exponent (0: absolute) of the mean KL's distance from
    # the capacity (nats per latent), which the discriminator's mistakes raise:
    # to its largest after twice this many images, if it is always wrong.
    'dava_gamma': Key(500.0, *NOT_NEGATIVE),
    'capacity_degree': Key(4, 'be 0 or even',
                           lambda value: value >= 0 and value % 2 == 0),
    'capacity': Key(8.0, *NOT_NEGATIVE),
    'capacity_threshold': Key(12_800_000, *AT_LEAST_ONE),
    'kl_step_start': Key(0, *NOT_NEGATIVE),
    # Weights of the encoder's and the decoder's adversarial terms.
    'encoder_weight': Key(0.3, *NOT_NEGATIVE),
    'decoder_weight': Key(0.001, *NOT_NEGATIVE),
    # How codes are resampled for the discriminator: 'replacement',
    # 'permutation', 'gaussian' or 'uniform'.
    'resampling': Key('replacement', *one_of(adversarial.RESAMPLINGS)),
    # The discriminator's labels' smoothing, and the probability from which on
    # it takes an image for a reconstruction.
    'label_smoothing': Key(0.6, *FRACTION),
    'confidence': Key(0.6, *BETWEEN),
    # Gradients are clipped to this norm.
    'max_grad_norm': Key(1.0, *POSITIVE),
}
CHANGES = {'train.batch_size': 128, 'train.steps': 150_000}
LABELS = {'discriminator': 'Discriminator (nats)'}


class _Dava:
    """The functions of an Objective.

    As in the published code, the adversarial step goes along the VAE's own
    gradient (clipped) once more, with the adversarial terms added: to the
    encoder's, clipped again, and to the decoder's.

    With `published` the discriminator begins with PyTorch's initial values, and
    a decoder without an adversarial term takes no second step. The two parts of
    the VAE share one Adam here, so that the decoder's correction of Adam's bias
    then counts the encoder's steps; it vanishes after some thousand steps.
    """

    def __init__(self, options, axis_name, published):
        self.options, self.axis_name = options, axis_name
        self.keeps_decoder = published and options.decoder_weight == 0
        # Older runs have no width.
        self.discriminator = models.ImageDiscriminator(
            tuple(options.discriminator_channels) or None,
            options.get('discriminator_width', 0) or None,
            initialization='pytorch' if published else 'normal')
        self.optimizer = optax.adam(options.discriminator_learning_rate)

    def init(self, rng, images):
        params = self.discriminator.init(rng, images)['params']
        return {'params': params, 'opt_state': self.optimizer.init(params),
                'kl_step': jnp.zeros(()) + self.options.kl_step_start}

    def loss(self, forward, carry, step, rng):
        del step, rng
        options = self.options
        capacity = losses.dava_capacity(
            carry['kl_step'], largest=options.capacity,
            threshold=options.capacity_threshold)
        return *losses.dava(
            *elbo_inputs(forward), capacity=capacity, gamma=options.dava_gamma,
            degree=options.capacity_degree, axis_name=self.axis_name), carry

    def update(self, carry, vae):
        rng_codes, rng_coordinates, rng_labels = jax.random.split(vae.rng, 3)
        resampled = losses.resample_coordinates(
            rng_coordinates, vae.encode(vae.params, 'images', rng_codes),
            how=self.options.resampling, axis_name=self.axis_name)
        carry, accuracy, loss = self._train_discriminator(
            carry, _reconstruct(vae, vae.params, rng_codes),
            vae.decode(vae.params, resampled), rng_labels)
        grads, weights = self._fool(carry['params'], accuracy, vae, rng_codes,
                                    resampled)
        before = {'params': vae.params, 'opt_state': vae.opt_state}
        after = descend(vae.optimizer, grads, **before)
        if self.keeps_decoder:
            after = _with_decoder_of(before, after)
        params, opt_state = after['params'], after['opt_state']
        return params, opt_state, carry, {
            'discriminator': loss, 'accuracy': accuracy,
            'adversarial_weight': weights[0]}

    def _classify(self, params, logits):
        return self.discriminator.apply({'params': params},
                                        jax.nn.sigmoid(logits))

    def _train_discriminator(self, carry, reconstructed, resampled, rng):
        """(carry after one update, accuracy, loss) of the discriminator."""
        options = self.options

        def loss_fn(params):
            pair = [self._classify(params, logits)
                    for logits in (reconstructed, resampled)]
            return losses.image_discriminator_loss(
                rng, *pair, smoothing=options.label_smoothing,
                axis_name=self.axis_name), pair

        (loss, pair), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            carry['params'])
        accuracy = losses.image_accuracy(
            *pair, confidence=options.confidence, axis_name=self.axis_name)
        loss, grads = collectives.total((loss, grads), self.axis_name)
        kl_step = losses.dava_advance(
            carry['kl_step'], accuracy,
            len(pair[0]) * collectives.count(self.axis_name))
        updated = descend(self.optimizer, clip(grads, options.max_grad_norm),
                          carry['params'], carry['opt_state'])
        return {**updated, 'kl_step': kl_step}, accuracy, loss

    def _fool(self, adversary, accuracy, vae, rng, resampled):
        """Gradient of the adversarial step, and the two terms' weights."""
        options = self.options
        weights = losses.adversarial_weights(
            accuracy, encoder=options.encoder_weight,
            decoder=options.decoder_weight)

        def encoder_term(encoder):
            params = {**vae.params, 'encoder': encoder}
            logits = _reconstruct(vae, params, rng)
            return weights[0] * losses.binary_cross_entropy(
                self._classify(adversary, logits), 0.0)

        def decoder_term(decoder):
            params = {**vae.params, 'decoder': decoder}
            return weights[1] * losses.binary_cross_entropy(
                self._classify(adversary, vae.decode(params, resampled)), 1.0)

        added = collectives.total(
            {'encoder': jax.grad(encoder_term)(vae.params['encoder']),
             'decoder': jax.grad(decoder_term)(vae.params['decoder'])},
            self.axis_name)
        grads = jax.tree.map(jnp.add, vae.grads, added)
        clipped = clip(grads['encoder'], options.max_grad_norm)
        return {**grads, 'encoder': clipped}, weights


def _reconstruct(vae, params, rng):
    return vae.decode(params, vae.encode(params, 'images', rng))


def _with_decoder_of(before, after):
    """`after`, but what belongs to the decoder as in `before`."""
    def choose(path, old, new):
        return old if any(getattr(part, 'key', None) == 'decoder'
                          for part in path) else new

    return jax.tree_util.tree_map_with_path(choose, before, after)


def build(config: Any, dataset_size: int, axis_name: AxisName) -> Objective:
    """The objective of DAVA; see `Family`."""
    del dataset_size
    parts = _Dava(config.objective, axis_name, config.get('published', False))
    return Objective(parts.loss, parts.init, parts.update,
                     max_norm=config.objective.max_grad_norm)


FAMILY = Family(build, KEYS, CHANGES, LABELS)
