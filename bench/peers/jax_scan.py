"""Samples the benchmark's networks in JAX: the whole sampler is one compiled program, a lax.scan over all steps, as in
Score SDE's own code. The weights come from the .onnx file."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnx.numpy_helper
from jax import lax

import lines


def dense(w, name, x):
    return x @ w[name + ".weight"] + w[name + ".bias"]


def toy(w, x, sigma):
    """The toys' network: s = (G - x)/r², with G a 3-layer network of (x, sigma)/r and r = sigma + scale."""
    sigma = sigma[:, None]
    r = sigma + w["scale"]
    h = jax.nn.silu(dense(w, "dense1", jnp.concatenate([x, sigma], 1) / r))
    return (dense(w, "dense3", jnp.tanh(dense(w, "dense2", h))) - x) / (r * r)


def conv(w, name, x, dilation=1):
    """A 3×3 convolution of images with the channels last, which XLA prefers on a CPU."""
    order = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, w[name + ".weight"], (1, 1), "SAME", rhs_dilation=(dilation, dilation), dimension_numbers=order
    )
    return y + w[name + ".bias"]


def activate(w, name, x):
    mean = x.mean((1, 2), keepdims=True)
    variance = ((x - mean) ** 2).mean((1, 2), keepdims=True)
    return jax.nn.silu((x - mean) * lax.rsqrt(variance + 1e-5) * w[name + ".scale"] + w[name + ".shift"])


def block(w, name, x, dilation=1):
    h = conv(w, name + ".1", activate(w, name + ".1", x), dilation)
    return x + conv(w, name + ".2", activate(w, name + ".2", h), dilation)


def halve(x):
    n, side, _, channels = x.shape
    return x.reshape(n, side // 2, 2, side // 2, 2, channels).mean((2, 4))


def image(w, x, sigma):
    """The residual network of networks/image.go."""
    h = conv(w, "stem", jnp.moveaxis(x, 1, -1))
    skip = block(w, "outer2", block(w, "outer1", h))
    h = conv(w, "down", halve(skip))
    for i, dilation in enumerate((1, 1, 2, 2, 4), 1):
        h = block(w, f"inner{i}", h, dilation)
    h = conv(w, "up", h.repeat(2, 1).repeat(2, 2)) + skip
    h = conv(w, "head", activate(w, "head", block(w, "outer3", h)))
    return jnp.moveaxis(h, -1, 1) / sigma[:, None, None, None]


@functools.partial(jax.jit, static_argnames=("network", "shape"))
def anneal(weights, key, sigmas, steps, low, high, network, shape):
    """Draws a batch of samples. sigmas and steps have the noise level and the size of every step."""
    key, first = jax.random.split(key)
    x = jax.random.uniform(first, shape, minval=low, maxval=high)

    def step(x, given):
        key, sigma, a = given
        score = network(weights, x, jnp.full(shape[:1], sigma))
        return x + a * score + jnp.sqrt(2 * a) * jax.random.normal(key, shape), None

    return lax.scan(step, x, (jax.random.split(key, len(sigmas)), sigmas, steps))[0]


class Peer:
    def __init__(self):
        self.key = jax.random.key(1)

    def load(self, path):
        graph = onnx.load(path).graph
        tensors = {t.name: t for t in graph.initializer}
        tensors |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant"}
        self.weights = {}
        for name, tensor in tensors.items():
            w = onnx.numpy_helper.to_array(tensor)
            if np.issubdtype(w.dtype, np.floating):
                self.weights[name] = jnp.asarray(w.transpose(2, 3, 1, 0) if w.ndim == 4 else w)
        self.network = {"toy": toy, "image": image}[graph.name]

    def threads(self, n):
        """XLA decides when the process starts how many threads it has: one for each core."""

    def score(self, x, sigma):
        return np.asarray(jax.jit(self.network)(self.weights, x, sigma))

    def anneal(self, chains, shape, sigmas, steps_per_level, step_lr, low, high):
        levels = np.repeat(np.array(sigmas, np.float32), steps_per_level)
        steps = np.float32(step_lr) * (levels / levels[-1]) ** 2
        self.key, key = jax.random.split(self.key)
        network, shape = self.network, (chains, *shape)
        return anneal(self.weights, key, levels, steps, low, high, network, shape).block_until_ready()

    def warm(self, **schedule):
        """Compiles the sampler."""
        self.anneal(**schedule)

    def describe(self):
        return f"JAX {jax.__version__} (jit, lax.scan over all steps)"


if __name__ == "__main__":
    lines.serve(Peer())
