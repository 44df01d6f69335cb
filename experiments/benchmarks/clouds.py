"""Clouds and pairs of clouds on which engines for barcodes are compared."""

import numpy as np

# Noise of a second cloud, standard deviation in units of the first one's.
_NOISES = {'noise 0.1': 0.1, 'noise 1': 1.0, 'noise 10': 10.0}


def scaled_distances(x, scale=1.0):
    """[n, d] -> [n, n] float32, symmetric to the last bit.

    Divided by their 0.9 quantile, or by their largest if that is 0.
    """
    squares = (x * x).sum(1)
    dist = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    dist = np.maximum(dist, dist.T)
    np.fill_diagonal(dist, 0)
    unit = np.quantile(dist, 0.9) or dist.max() or 1.0
    return (scale * dist / unit).astype(np.float32)


def make_pair(n, dim, noise, seed=0):
    """Distances of a normal cloud and of the same with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim))
    y = x + noise * rng.normal(size=(n, dim))
    return scaled_distances(x), scaled_distances(y)


def doubled(lower, upper):
    """[2 n, 2 n]: the matrix whose H1 is the relative one."""
    return np.block([[np.zeros_like(upper), upper], [upper, lower]])


def forms(x, y):
    """name -> (lower, upper): the four barcodes of RTD."""
    low, high = np.minimum(x, y), np.maximum(x, y)
    return {'min x-y': (low, x), 'min y-x': (low, y),
            'max x-y': (y, high), 'max y-x': (x, high)}


def _circle(n, rng):
    angles = 2 * np.pi * np.arange(n) / n
    x = np.zeros((n, 1000))
    x[:, 0], x[:, 1] = np.cos(angles), np.sin(angles)
    return x


def _sphere(n, rng, dim):
    x = rng.normal(size=(n, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _clusters(n, rng, dim):
    return (rng.normal(size=(8, dim))[np.arange(n) % 8]
            + 0.05 * rng.normal(size=(n, dim)))


def _torus(n, rng):
    a, b = rng.uniform(0, 2 * np.pi, (2, n))
    return np.stack([(2 + np.cos(b)) * np.cos(a), (2 + np.cos(b)) * np.sin(a),
                     np.sin(b)], axis=1)


def _grid(n, rng):
    side = int(np.ceil(np.sqrt(n)))
    return np.stack(np.divmod(np.arange(n), side), axis=1) * 1.0


# name -> function of (n, rng) that makes a cloud [n, d].
SHAPES = {
    'line': lambda n, rng: np.arange(n)[:, None] * 1.0,
    'circle': _circle,
    'sphere in 3': lambda n, rng: _sphere(n, rng, 3),
    'sphere in 50': lambda n, rng: _sphere(n, rng, 50),
    'torus': _torus,
    'grid': _grid,
    'cube': lambda n, rng: rng.random((n, 3)),
    'clusters': lambda n, rng: _clusters(n, rng, 3),
    'duplicates': lambda n, rng: rng.normal(size=(n, 3))[
        rng.integers(n, size=n)],
    'equidistant': lambda n, rng: np.eye(n),
    'one-hot': lambda n, rng: np.eye(8)[np.arange(n) % 8],
    'binary': lambda n, rng: rng.integers(0, 2, (n, 12)) * 1.0,
}
# Those of any dimension: name -> function of (n, rng, dim).
FAMILIES = {
    'Gaussian': lambda n, rng, dim: rng.normal(size=(n, dim)),
    'circle': lambda n, rng, dim: (
        _circle(n, rng)[:, :dim] + 0.05 * rng.normal(size=(n, dim))),
    'clusters': _clusters,
    'sphere': _sphere,
}
SECOND = (*_NOISES, 'permuted', 'independent', 'unscaled')


def single(name, n, dim, seed=0):
    """Distances [n, n] of a cloud of one of FAMILIES, of at most 1000
    dimensions; the circle has noise of 0.05 in each."""
    rng = np.random.default_rng(seed)
    return scaled_distances(FAMILIES[name](n, rng, dim))


def family(shape, second, n, seed=0):
    """Distances x and y [n, n] of a cloud of some shape and a second one.

    Args:
      shape: one of SHAPES, or 'random symmetric' and 'integer': matrices that
        are not even metric.
      second: one of SECOND: the cloud with noise, permuted, another one of
        the same shape, or with noise 0.5 and x three times as large.
      n: points of each cloud.
    """
    rng = np.random.default_rng(seed)
    if shape in ('random symmetric', 'integer'):
        x, y = (np.triu(rng.random((n, n), np.float32), 1) for _ in range(2))
        x, y = x + x.T, y + y.T
        return (np.ceil(8 * x), np.ceil(8 * y)) if shape == 'integer' else (
            x, y)
    cloud = SHAPES[shape](n, rng)
    if second in _NOISES:
        other = cloud + _NOISES[second] * rng.normal(size=cloud.shape)
    elif second == 'permuted':
        other = rng.permutation(cloud)
    elif second == 'independent':
        other = SHAPES[shape](n, rng)
    else:
        other = cloud + 0.5 * rng.normal(size=cloud.shape)
    scale = 3.0 if second == 'unscaled' else 1.0
    return scaled_distances(cloud, scale), scaled_distances(other)
