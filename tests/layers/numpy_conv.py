"""Convolutions by loops over the kernel, in float64: what layers are compared with."""

import numpy as np


def conv(x, kernel, bias=0.0, dilation=1, groups=1):
    """With zero padding and stride 1: [B, H, W, C] by [k, k, C / groups, U] -> [B, H, W, U]."""
    if groups > 1:
        parts = zip(np.split(x, groups, -1), np.split(kernel, groups, -1), strict=True)
        return np.concatenate([conv(a, b) for a, b in parts], -1) + bias
    size, (height, width) = kernel.shape[0], x.shape[1:3]
    edge = dilation * (size // 2)
    padded = np.pad(np.float64(x), ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    total = np.zeros((*x.shape[:3], kernel.shape[-1])) + bias
    for i in range(size):
        for j in range(size):
            rows = slice(i * dilation, i * dilation + height)
            columns = slice(j * dilation, j * dilation + width)
            total += padded[:, rows, columns] @ kernel[i, j]
    return total


def depthwise(x, kernel, bias=0.0, dilation=1):
    """A kernel for each channel: [B, H, W, C] by [k, k, C, 1] -> [B, H, W, C]."""
    diagonal = np.einsum("ijc,cd->ijcd", kernel[..., 0], np.eye(x.shape[-1]))
    return conv(x, diagonal, bias, dilation)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
