"""An MLP in NumPy alone, forward, backward and SGD: the reference of the trainer's first steps."""

import math

import numpy as np

ERF = np.vectorize(math.erf)
SQRT2 = math.sqrt(2)
SQRT2PI = math.sqrt(2 * math.pi)
FUNCTIONS = {  # activation and its derivative
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "gelu": (
        lambda z: z * (1 + ERF(z / SQRT2)) / 2,
        lambda z: (1 + ERF(z / SQRT2)) / 2 + z * np.exp(-(z**2) / 2) / SQRT2PI,
    ),
}


class NumpyMLP:
    """Weights (out, in) and biases of every layer, trained by SGD; x (B, in), y (B,) int."""

    def __init__(self, weights, biases, activation, momentum, weight_decay, clip, label_smoothing):
        self.parameters = [
            part.astype(float) for layer in zip(weights, biases, strict=True) for part in layer
        ]
        self.velocity = [None] * len(self.parameters)
        self.function, self.derivative = FUNCTIONS[activation]
        self.momentum, self.weight_decay, self.clip = momentum, weight_decay, clip
        self.label_smoothing = label_smoothing

    def forward(self, x):
        """Inputs of every layer, pre-activations of the hidden ones, logits."""
        inputs, pre = [x], []
        for weight, bias in zip(self.parameters[:-2:2], self.parameters[1:-2:2], strict=True):
            pre.append(inputs[-1] @ weight.T + bias)
            inputs.append(self.function(pre[-1]))
        return inputs, pre, inputs[-1] @ self.parameters[-2].T + self.parameters[-1]

    def loss_and_gradients(self, x, y):
        """Mean cross-entropy of smoothed labels in nats, and its gradient for every parameter."""
        inputs, pre, logits = self.forward(x)
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        target = np.full_like(logits, self.label_smoothing / logits.shape[1])
        target[np.arange(len(y)), y] += 1 - self.label_smoothing
        delta, gradients = (np.exp(log_p) - target) / len(y), []
        for layer in reversed(range(len(inputs))):
            gradients = [delta.T @ inputs[layer], delta.sum(0), *gradients]
            if layer:
                delta = (delta @ self.parameters[2 * layer]) * self.derivative(pre[layer - 1])
        return -(target * log_p).sum() / len(y), gradients

    def step(self, x, y, lr):
        """One clipped SGD step with momentum; returns the loss before it.

        Decay acts on matrices alone, after clipping (torch's SGD).
        """
        loss, gradients = self.loss_and_gradients(x, y)
        norm = math.sqrt(sum((gradient**2).sum() for gradient in gradients))
        scale = min(1.0, self.clip / (norm + 1e-6))
        for index, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            decayed = gradient * scale + (
                self.weight_decay * parameter if parameter.ndim == 2 else 0
            )
            before = self.velocity[index]
            self.velocity[index] = decayed if before is None else self.momentum * before + decayed
            parameter -= lr * self.velocity[index]
        return loss
