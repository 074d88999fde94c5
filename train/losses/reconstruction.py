"""Reconstruction loss: how far both networks' images are from the truth, in L1.

Letters: B images, H W sides in pixels. With I_p the rough and I_r the refined image::

    L_r = |I_p - I_gt|_1 + |I_r - I_gt|_1

Source: Liu et al., ICCV 2019. The norms are means over all pixels and channels,
as in the published code: known pixels count, and neither image is composited or clamped.
"""

from torch import Tensor

from ...plugins.errors import ContractError


def reconstruction_loss(rough: Tensor, refined: Tensor, truth: Tensor) -> Tensor:
    """Add the mean absolute errors of both images.

    A mean over processes of equal batches is the loss of one process with all of them.

    Args:
        rough: (B, 3, H, W), of the rough network.
        refined: (B, 3, H, W), of the refinement network, not composited.
        truth: (B, 3, H, W) in [-1, 1].

    Returns:
        Scalar float32, 0 where both are the truth.

    Raises:
        ContractError: the shapes differ.
    """
    if not rough.shape == refined.shape == truth.shape:
        raise ContractError(
            "rough, refined and truth must have one shape; got "
            f"{tuple(rough.shape)}, {tuple(refined.shape)}, {tuple(truth.shape)}"
        )
    target = truth.detach().float()
    return (rough.float() - target).abs().mean() + (refined.float() - target).abs().mean()
