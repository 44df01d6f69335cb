"""DAVA's game: are images decoded from codes, or from resampled ones?

Source of all: Estermann & Wattenhofer, DAVA: Disentangling Adversarial
Variational Autoencoder, ICLR 2023, and its published code. A discriminator
tells reconstructions (label 1) from decodings of codes whose coordinates were
resampled (label 0); the encoder, and a little the decoder, learn to fool it.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.losses.elbo import cross_entropy
from topdis_jax.losses.inputs import as_float32, check_key
from topdis_jax.losses.total_correlation import permute_coordinates
from topdis_jax.topology import validity

RESAMPLINGS = ('replacement', 'permutation', 'gaussian', 'uniform')


def resample_coordinates(rng: jax.Array, z: ArrayLike, *,
                         how: str = 'replacement',
                         axis_name: AxisName = None) -> jax.Array:
    """Codes whose coordinates are independent; constant to autodiff.

    Args:
      rng: key, the same on every device.
      z: [b, d] float. Under `axis_name`, this device's rows of a batch.
      how: 'replacement' draws each coordinate from the batch's, with
        replacement; 'permutation' without; 'gaussian' from N(0, 1);
        'uniform' between the batch's least and largest.
      axis_name: name of the mapped axis over which the batch is spread.

    Returns:
      [b, d] in the type of `z`.

    Raises:
      ValueError: unknown `how`.
    """
    if how not in RESAMPLINGS:
        raise ValueError(f'how must be one of {RESAMPLINGS}, received {how!r}')
    check_key(rng)
    z = jax.lax.stop_gradient(jnp.asarray(z))
    if how == 'permutation':
        return permute_coordinates(rng, z, axis_name=axis_name)
    whole = collectives.gather(z, axis_name)
    if how == 'replacement':
        rows = jax.random.randint(rng, whole.shape, 0, len(whole))
        drawn = jnp.take_along_axis(whole, rows, axis=0)
    elif how == 'gaussian':
        drawn = jax.random.normal(rng, whole.shape, whole.dtype)
    else:
        low = jnp.min(whole, axis=0, keepdims=True)
        high = jnp.max(whole, axis=0, keepdims=True)
        part = jax.random.uniform(rng, whole.shape, whole.dtype)
        # Not low + part * (high - low), which can overflow.
        drawn = (1 - part) * low + part * high
    return collectives.own_rows(drawn, len(z), axis_name)


def binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> jax.Array:
    """Summed cross-entropy [] in nats of logits [b], labels [b] or [].

    float32. Labels are probabilities of class 1, or whole numbers 0 and 1.

    Raises:
      ValueError: other shapes. TypeError: logits that are not floating.
    """
    labels = jnp.asarray(labels, jnp.float32)
    _check_logits(logits=logits)
    if labels.shape not in ((), jnp.shape(logits)):
        raise ValueError(f'labels must be [] or as logits, {jnp.shape(logits)},'
                         f' received {labels.shape}')
    return jnp.sum(cross_entropy(as_float32(logits=logits), labels))


def image_discriminator_loss(rng: jax.Array, logits: jax.Array,
                             logits_resampled: jax.Array, *,
                             smoothing: ArrayLike = 0.6,
                             axis_name: AxisName = None) -> jax.Array:
    """Summed cross-entropy of the discriminator, with smoothed labels.

    Each label is moved toward the other by a sample of U(0, smoothing). The
    published code has the discriminator see two batches, each of one half of
    the reconstructions and one half of the resampled; of a network without
    batch norm that is the same sum.

    Args:
      rng: key, the same on every device.
      logits: [b] float, of reconstructions. Under `axis_name`, this device's
        rows, whose labels are those that one device would draw for them.
      logits_resampled: [b] float.
      smoothing: in [0, 1].
      axis_name: name of the mapped axis over which the batch is spread.

    Returns:
      [] float32, nats, summed over this device's rows.

    Raises:
      ValueError: logits that are not [b], or smoothing out of its range.
      TypeError: not floating, or rng not a key.
    """
    check_key(rng)
    _check_logits(logits=logits, logits_resampled=logits_resampled)
    smoothing = validity.check_option(
        'smoothing', smoothing, lambda x: (0 <= x) & (x <= 1),
        'lie in [0, 1]')
    rows = len(logits)
    drawn = jax.random.uniform(rng, (collectives.count(axis_name) * rows, 2))
    high, low = smoothing * collectives.own_rows(drawn, rows, axis_name).T
    return (binary_cross_entropy(logits, 1 - high)
            + binary_cross_entropy(logits_resampled, low))


def _check_logits(**logits):
    """Raises ValueError unless all, given by name, are [b] of one b."""
    shapes = {name: jnp.shape(array) for name, array in logits.items()}
    if len(set(shapes.values())) > 1 or any(
            len(shape) != 1 for shape in shapes.values()):
        raise ValueError(', '.join(shapes) + ' must be [b]'
                         + ', of one b' * (len(shapes) > 1) + '; received '
                         + ', '.join(map(str, shapes.values())))


def image_accuracy(logits: ArrayLike, logits_resampled: ArrayLike, *,
                   confidence: ArrayLike = 0.6,
                   axis_name: AxisName = None) -> jax.Array:
    """Share [] of the batch's images that the discriminator has right.

    A reconstruction is recognised where its probability is at least
    `confidence`; an undecided discriminator is therefore right in half.

    Args:
      logits: [b] float, of reconstructions.
      logits_resampled: [b] float.
      confidence: in (0, 1).
      axis_name: name of the mapped axis over which the batch is spread.

    Returns:
      [] float32. NaN if a logit is, or a traced confidence out of its range.

    Raises:
      ValueError: logits that are not [b], or confidence out of its range.
      TypeError: not floating.
    """
    _check_logits(logits=logits, logits_resampled=logits_resampled)
    confidence = validity.check_option(
        'confidence', confidence, lambda x: (0 < x) & (x < 1),
        'lie in (0, 1)')
    logits, logits_resampled = as_float32(logits=logits,
                                          logits_resampled=logits_resampled)
    right = jnp.concatenate([jax.nn.sigmoid(logits) >= confidence,
                             jax.nn.sigmoid(logits_resampled) < confidence])
    unknown = jnp.isnan(jnp.concatenate([logits, logits_resampled])
                        + confidence)
    # NaN compares as wrong; the share must not look like a number.
    share = jnp.mean(jnp.where(unknown, jnp.nan, right.astype(jnp.float32)))
    return collectives.mean(share, axis_name)


def adversarial_weights(
        accuracy: ArrayLike, *, encoder: float | jax.Array = 0.3,
        decoder: float | jax.Array = 0.001) -> tuple[jax.Array, jax.Array]:
    """Weights of the encoder's and the decoder's adversarial terms.

    With w = max(100 (accuracy - 1/2), 0): encoder * w, and decoder * w but at
    most 0.001.

    Args:
      accuracy: [] float, of the discriminator.
      encoder, decoder: factors.

    Returns:
      ([] float32, [] float32).
    """
    accuracy = jnp.asarray(accuracy, jnp.float32)
    w = jnp.maximum((accuracy - 0.5) * 100, 0.0)
    return encoder * w, jnp.minimum(decoder * w, 0.001)
