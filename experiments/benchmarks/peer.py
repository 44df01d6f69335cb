"""The same training step in PyTorch, to be timed beside ours.

Networks, loss and optimizer are those of a beta-VAE here: the parameters are
copied over, so that both begin at the same loss.
"""

import jax
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments.benchmarks.candidates import Candidate


def make(config, image_shape, params):
    """A step of PyTorch with these parameters, to be timed as a Candidate.

    Args:
      config: of a beta-VAE.
      image_shape: (h, w, c).
      params: of our model, which the peer's become equal to.
    """
    params = jax.device_get(params)
    network = MLP if config.model.network == 'mlp' else Convolutional
    model = network(params, image_shape)
    optimizer = torch.optim.Adam(model.parameters(),
                                 lr=config.train.learning_rate)

    def step(state, batch):
        del state
        loss = negative_elbo(model, to_float(batch['images']),
                             config.objective.beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return None, loss.item()

    return Candidate(step, None)


def to_float(images):
    """[b, h, w, c] uint8 -> [b, c, h, w] float32 in [0, 1]."""
    images = torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2)
    return images.float() / 255


def negative_elbo(model, images, beta, noise=None):
    """Bernoulli reconstruction and beta times the KL term, means over images.
    """
    mean, log_var = model.encode(images).chunk(2, dim=1)
    noise = torch.randn_like(mean) if noise is None else noise
    logits = model.decode(mean + torch.exp(log_var / 2) * noise)
    reconstruction = functional.binary_cross_entropy_with_logits(
        logits, images, reduction='sum')
    kl = 0.5 * (mean ** 2 + log_var.exp() - 1 - log_var).sum()
    return (reconstruction + beta * kl) / len(images)


class MLP(nn.Module):
    """Dense layers; ReLU in the encoder, tanh in the decoder."""

    def __init__(self, params, image_shape):
        super().__init__()
        height, width, channels = image_shape
        self._shape = channels, height, width
        self._encoder = _dense_layers(params['encoder'], nn.ReLU)
        self._decoder = _dense_layers(params['decoder'], nn.Tanh)

    def encode(self, images):
        return self._encoder(images.permute(0, 2, 3, 1).flatten(1))

    def decode(self, z):
        height, width = self._shape[1:]
        images = self._decoder(z).view(len(z), height, width, self._shape[0])
        return images.permute(0, 3, 1, 2)


class Convolutional(nn.Module):
    """Stride-2 convolutions and their mirror image, ReLU between."""

    def __init__(self, params, image_shape):
        super().__init__()
        del image_shape
        encoder, decoder = params['encoder'], params['decoder']
        names = sorted(name for name in encoder if name.startswith('conv'))
        layers = []
        for name in names:
            layers += [_convolution(encoder[name], stride=2, padding=1),
                       nn.ReLU()]
        self._encoder = nn.Sequential(
            *layers, _convolution(encoder['top'], stride=1, padding=0),
            nn.ReLU(), nn.Flatten(), _dense(encoder['out']))
        self._latents = _dense(decoder['latents'])
        layers = [_transposed(decoder['top'], stride=1, padding=0)]
        for name in (*names[:-1], 'out'):
            layers += [nn.ReLU(),
                       _transposed(decoder[name], stride=2, padding=1)]
        self._decoder = nn.Sequential(*layers)

    def encode(self, images):
        return self._encoder(images)

    def decode(self, z):
        return self._decoder(self._latents(z).relu()[:, :, None, None])


def _dense_layers(params, activation):
    names = ['latents', *sorted(n for n in params if n.startswith('dense'))]
    layers = []
    for name in names:
        if name in params:
            layers += [_dense(params[name]), activation()]
    return nn.Sequential(*layers, _dense(params['out']))


def _dense(params):
    layer = nn.Linear(*params['kernel'].shape)
    return _with(layer, params['kernel'].T, params['bias'])


def _convolution(params, stride, padding):
    side, _, inputs, outputs = params['kernel'].shape
    layer = nn.Conv2d(inputs, outputs, side, stride, padding)
    return _with(layer, params['kernel'].transpose(3, 2, 0, 1), params['bias'])


def _transposed(params, stride, padding):
    side, _, inputs, outputs = params['kernel'].shape
    layer = nn.ConvTranspose2d(inputs, outputs, side, stride, padding)
    # PyTorch's is the adjoint of a convolution, which turns the kernel.
    kernel = params['kernel'][::-1, ::-1].transpose(2, 3, 0, 1)
    return _with(layer, kernel, params['bias'])


def _with(layer, weight, bias):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.array(weight)))
        layer.bias.copy_(torch.from_numpy(np.array(bias)))
    return layer
