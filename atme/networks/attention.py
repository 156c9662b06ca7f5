"""Attention between the pixels of a feature map: linear in their number, or full.

Both are residual and normalize first, x + attend(norm(x)), as in the U-Net of Ho et al. 2020
(arXiv 2006.11239). Linear attention is that of Shen et al. 2018 (arXiv 1812.01243): queries are softmaxed
over features and keys over pixels, so that keys and values meet first, in a small matrix.

Here they meet in an order that never builds the values. With y_n the normalized pixel n, W_v, W_o the matrices
of values and output, and d the features of a head, the map of one head

    Σ_m W_o W_v y_m (k_m · q_n) d^-½ / N  =  [d^-½ / N · W_o W_v (Σ_m y_m k_mᵀ)] q_n

needs the pixels twice and no tensor of N values or N outputs.

All of it works on maps whose channels lie beside each other in memory (channels_last), where a map is a list of
pixels without a copy.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from atme.networks import kernels
from atme.networks.convolution import convolve
from atme.networks.full_attention import AttendInBlocks, in_blocks
from atme.networks.linear_attention import AttendByTiles, LinearAttend, by_tiles


def pixels(image: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H·W, C); a view if the channels lie beside each other in memory."""
    return image.flatten(2).transpose(1, 2)


def unpixels(tokens: Tensor, *, like: Tensor) -> Tensor:
    """(B, H·W, C) to (B, C, H, W), a view with the size of `like`."""
    image: Tensor = tokens.transpose(1, 2).unflatten(2, like.shape[2:])
    return image


def over_pixels(k: Tensor) -> Tensor:
    """The softmax of (B, N, F) over N.

    CUDA's kernel for an axis that does not lie beside itself has few threads (64 px, one picture: 0.6 ms a layer).
    """
    if not k.is_cuda:
        return k.softmax(1)
    return k.transpose(1, 2).contiguous().softmax(2).transpose(1, 2)


def with_the_same_bits(image: Tensor) -> AbstractContextManager[None]:
    """Where the same bits are asked for (`training.deterministic`), on a GPU, kernels of attention that give them.

    PyTorch's others add up in whatever order, and would merely warn.
    """
    wanted = image.is_cuda and torch.are_deterministic_algorithms_enabled()
    return sdpa_kernel(SDPBackend.MATH) if wanted else nullcontext()


class ChannelNorm(nn.Module):
    """Normalizes each pixel over its channels, with a scale per channel and no shift.

    Args:
        channels: C.
        eps: added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to (B, N, C)."""
        return F.layer_norm(tokens, self.scale.shape, self.scale, None, self.eps)


class LinearAttention(nn.Module):
    """Residual attention whose cost grows with the number of pixels, not its square.

    Args:
        channels: C.
        heads: number of independent attentions.
        head_dim: features of each head.
        eps: of both normalizations.
    """

    def __init__(self, channels: int, *, heads: int = 4, head_dim: int = 32, eps: float = 1e-5) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels, eps=eps)
        self.qkv = nn.Conv2d(channels, 3 * heads * head_dim, 1, bias=False)
        self.out = nn.Linear(heads * head_dim, channels)
        self.out_norm = ChannelNorm(channels, eps=eps)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        if kernels.in_one_step(image) and kernels.take(image):
            return self.in_one_step(image)
        y = self.norm(pixels(image))  # (B, N, C)
        to_q, to_k, to_v = self.qkv.weight.chunk(3)  # (h·d, C, 1, 1) each
        q = pixels(F.conv2d(unpixels(y, like=image), to_q)).unflatten(2, (self.heads, -1))  # (B, N, h, d)
        k = over_pixels(pixels(F.conv2d(unpixels(y, like=image), to_k)))  # (B, N, h·d)
        context = (y.transpose(1, 2) @ k).transpose(1, 2)  # (B, h·d, C)
        matrix = self.project(context, to_v.flatten(1)) / y.shape[1]  # (B, h·d, C)
        mixed = torch.baddbmm(self.out.bias, q.softmax(3).flatten(2), matrix)  # (B, N, C)
        return image + unpixels(self.out_norm(mixed), like=image)  # (B, C, H, W)

    def in_one_step(self, image: Tensor) -> Tensor:
        """The same, (B, C, H, W) to (B, C, H, W), with compiled passes."""
        x = image.permute(0, 2, 3, 1).contiguous()  # (B, H, W, C), a view if the channels lie beside each other
        to_q, to_k, to_v = self.qkv.weight.flatten(1).chunk(3)  # (h·d, C) each
        with torch.autocast("cpu", enabled=False):
            if by_tiles(x, len(to_q)):
                weights = to_q, to_k, to_v, self.out.weight, self.out.bias
                tiled: Tensor = AttendByTiles.apply(
                    x, self.norm.scale, *weights, self.out_norm.scale, self.heads, self.norm.eps
                )
                return tiled.permute(0, 3, 1, 2)  # (B, C, H, W)
            value = self.value(to_v) / (image.shape[2] * image.shape[3])  # (h, C, C)
            scales = self.norm.scale, self.out_norm.scale
            result: Tensor = LinearAttend.apply(
                x, scales[0], to_q, to_k, value, self.out.bias, scales[1], self.heads, self.norm.eps
            )
        return result.permute(0, 3, 1, 2)  # (B, C, H, W)

    def value(self, to_v: Tensor) -> Tensor:
        """W_v (h·d, C) and W_o to d^-½ W_vᵀ W_oᵀ of each head, (h, C, C)."""
        to_v = to_v.unflatten(0, (self.heads, -1)).transpose(1, 2)  # (h, C, d)
        to_out = self.out.weight.T.unflatten(0, (self.heads, -1))  # (h, d, C)
        value: Tensor = to_v @ to_out * to_out.shape[1] ** -0.5
        return value

    def project(self, context: Tensor, to_v: Tensor) -> Tensor:
        """Σ_m k_m y_mᵀ, (B, h·d, C), to d^-½ Σ_m k_m (W_o W_v y_m)ᵀ for each head, (B, h·d, C)."""
        projected: Tensor = context.unflatten(1, (self.heads, -1)) @ self.value(to_v)  # (B, h, d, C)
        return projected.flatten(1, 2)  # (B, h·d, C)


class Attention(nn.Module):
    """Residual attention of every pixel to every pixel, by the fastest kernel that torch has for it.

    Args:
        channels: C.
        heads: number of independent attentions.
        head_dim: features of each head.
        eps: of the normalization.
    """

    def __init__(self, channels: int, *, heads: int = 4, head_dim: int = 32, eps: float = 1e-5) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels, eps=eps)
        self.qkv = nn.Conv2d(channels, 3 * heads * head_dim, 1, bias=False)
        self.out = nn.Linear(heads * head_dim, channels)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        y = unpixels(self.norm(pixels(image)), like=image)  # (B, C, H, W)
        qkv = pixels(convolve(y, self.qkv.weight, None, border=0))  # (B, N, 3·h·d)
        if in_blocks(qkv, qkv.shape[2] // 3 // self.heads):
            seen: Tensor = AttendInBlocks.apply(qkv, self.heads)  # (B, N, h·d)
        else:
            q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, h, N, d) each
            with with_the_same_bits(image):
                seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        mixed = self.out(seen)  # (B, N, C)
        return image + unpixels(mixed, like=image)  # (B, C, H, W)
