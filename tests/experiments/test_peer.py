"""The PyTorch network beside ours computes the same."""

import jax
import numpy as np
import pytest

from experiments.configs import sprites
from topdis_jax import losses
from topdis_jax.training import families, state as states

torch = pytest.importorskip('torch')
peer = pytest.importorskip('experiments.benchmarks.peer')


@pytest.mark.parametrize('network,shape', [
    ('mlp', (32, 32, 1)), ('conv', (64, 64, 3)), ('conv', (32, 32, 1))])
def test_the_peer_has_our_loss_and_gradient(network, shape):
    config = sprites.get_config()
    config.model.network = network
    model = states.make_model(config, shape)
    params = states.create_state(
        config, model, families.make_objective(config, 64)).params
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, *shape), np.uint8)
    noise = rng.normal(size=(6, 10)).astype(np.float32)

    def loss(params):
        def apply(x, method):
            return model.apply({'params': params}, x, method=method)

        pixels = images / np.float32(255)
        mean, log_var = apply(pixels, 'encode')
        logits = apply(mean + jax.numpy.exp(log_var / 2) * noise, 'decode')
        return losses.beta_vae(logits, pixels, mean, log_var, beta=4.0)[0]

    theirs = (peer.MLP if network == 'mlp' else peer.Convolutional)(
        jax.device_get(params), shape)
    found = peer.negative_elbo(theirs, peer.to_float(images), 4.0,
                               torch.from_numpy(noise))
    found.backward()
    value, grads = jax.jit(jax.value_and_grad(loss))(params)
    np.testing.assert_allclose(found.item(), value, rtol=1e-5)
    squares = sum(float(np.sum(np.square(g))) for g in jax.tree.leaves(grads))
    np.testing.assert_allclose(
        sum(p.grad.square().sum().item() for p in theirs.parameters()),
        squares, rtol=1e-3)
