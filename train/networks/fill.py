"""Harmonic interpolation of holes: Laplace's equation in a fixed number of multigrid steps.

Letters: B images, C channels, H W sides in pixels. A coarse-to-fine pass gives the first estimate,
two V-cycles at full size correct it, to within 0.1 dB of a direct solver in the hole.
``csakit.export.graph.fill`` writes the same steps into exported files.

Source: Trottenberg, Oosterlee, Schueller, "Multigrid", 2001, sections 2.4 and 2.6.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

LEVELS: Final = 7  # halvings: 256 pixels become 2
DAMPING: Final = 0.9  # of Jacobi's steps; 0.8, the usual choice, was 0.02 dB worse
CYCLES: Final = 2
# A V-cycle corrects coarse pixels of which more than this share is missing. Near 1, corrections are
# too small, and two cycles leave 3 times the error; below 0.5 they diverge.
MOSTLY: Final = 0.7
SWEEPS: Final = 2  # on each level of the first estimate
COARSEST_SWEEPS: Final = 4


def harmonic_fill(image: Tensor, missing: Tensor, levels: int = LEVELS) -> Tensor:
    """Return the image with its hole filled by harmonic interpolation from the hole's border.

    (B, C, H, W) float32, sides multiples of 2^levels; ``missing`` (B, 1, H, W) bool. Values in the
    hole are ignored, NaN included; an image without known pixels becomes 0.
    """
    hole = missing.to(image.dtype)
    coarse = torch.where(missing, 0.0, image)
    known, holes = [coarse], [hole]
    for _ in range(levels):
        coarse, hole = _coarser(coarse, hole)
        known.append(coarse)
        holes.append(hole)
    # Unknown pixels of the coarsest level start at the mean of the known ones.
    count = (1 - hole).sum(dim=(2, 3), keepdim=True).clamp(min=1)
    solution = coarse + hole * (coarse.sum(dim=(2, 3), keepdim=True) / count)
    inside = [_inside(hole) for hole in holes]
    for level in range(levels - 1, -1, -1):
        solution = known[level] + holes[level] * _finer(solution)
        if level:
            grid = _Grid(holes[level], inside[level])
            for _ in range(SWEEPS):
                solution = grid.sweep(solution)
    shares = [holes[0]]
    for _ in range(levels):
        shares.append(F.avg_pool2d(shares[-1], kernel_size=2))
    domains = [holes[0], *((share > MOSTLY).to(share.dtype) for share in shares[1:])]
    grids = [_Grid(hole, within) for hole, within in zip(domains, inside, strict=True)]
    for _ in range(CYCLES):
        solution = _cycle(solution, grids)
    return torch.where(missing, solution, image)


class HarmonicFill(nn.Module):
    """``harmonic_fill`` as a layer without parameters, which the exporter replaces."""

    def __init__(self, levels: int = LEVELS) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, image: Tensor, missing: Tensor) -> Tensor:
        """Fill (B, C, H, W) images where (B, 1, H, W) is True."""
        return harmonic_fill(image, missing, self.levels)


class _Grid:
    """The equation ``u = mean of neighbours + source`` in the hole of one level."""

    def __init__(self, hole: Tensor, inside: Tensor) -> None:
        self.hole = hole
        self._inside = inside
        self.gain = DAMPING * hole
        self._keep = 1 - self.gain * inside

    def sweep(self, solution: Tensor, gained: Tensor | None = None) -> Tensor:
        """Return the solution after one damped step; ``gained`` is the source times ``gain``."""
        swept = self._keep * solution + self.gain * _quarter_of_neighbours(solution)
        return swept if gained is None else swept + gained

    def residual(self, solution: Tensor, source: Tensor | None) -> Tensor:
        """Return the residual of the equation, 0 outside the hole."""
        lacking = _quarter_of_neighbours(solution) - self._inside * solution
        return self.hole * (lacking if source is None else lacking + source)


def _cycle(solution: Tensor, grids: Sequence[_Grid]) -> Tensor:
    """Reduce the error of a solution by one V-cycle."""
    finest, *coarser = grids
    solution = finest.sweep(solution)
    error = _error(finest.residual(solution, None), coarser)
    return finest.sweep(solution + finest.hole * _finer(error))


def _error(residual: Tensor, grids: Sequence[_Grid]) -> Tensor:
    """Estimate the error behind a residual on the next coarser level."""
    grid, *coarser = grids
    # Twice the spacing is four times the scale of the operator.
    source = 4 * grid.hole * F.avg_pool2d(residual, kernel_size=2)
    gained = grid.gain * source
    error = gained  # a sweep from 0
    if not coarser:
        for _ in range(COARSEST_SWEEPS - 1):
            error = grid.sweep(error, gained)
        return error
    correction = _error(grid.residual(error, source), coarser)
    return grid.sweep(error + grid.hole * _finer(correction), gained)


def _inside(hole: Tensor) -> Tensor:
    """Return the share of the four neighbours that are inside the image, (1, 1, H, W)."""
    return _quarter_of_neighbours(torch.ones_like(hole[:1]))


def _quarter_of_neighbours(x: Tensor) -> Tensor:
    """Return a quarter of the sum of the four neighbours, which are 0 beyond the border."""
    padded = F.pad(x, (1, 1, 1, 1))
    rows = padded[:, :, :-2, 1:-1] + padded[:, :, 2:, 1:-1]
    columns = padded[:, :, 1:-1, :-2] + padded[:, :, 1:-1, 2:]
    return (rows + columns) * 0.25


def _coarser(known: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Average the known pixels of each 2x2; a coarse pixel is missing where all four are."""
    share = F.avg_pool2d(1 - hole, kernel_size=2)
    coarse_hole = (share <= 0).to(hole.dtype)
    return F.avg_pool2d(known, kernel_size=2) / (share + coarse_hole), coarse_hole


def _finer(coarse: Tensor) -> Tensor:
    return F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
