"""The RX anomaly detector with statistics of each pixel's surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.ports import cube_port, score_port
from catenary_server.nodes.sliding_sums import SlidingSums

if TYPE_CHECKING:
    from torch import Tensor

_TILE_BYTES = 256 * 1024 * 1024
"""Memory that the matrices of one row of pixels may take; wider scenes are scored in tiles side by side."""
_MATRICES_PER_PIXEL = 9
"""Sums of two windows, each with its running sums and two ends, and the factor of the covariance."""


class RXLocalParams(NodeParams):
    """Parameters of `RXLocal`."""

    outer_window: int = param(25, ge=3, le=255, description="side of the background window in pixels, odd")
    inner_window: int = param(
        9, ge=1, le=253, description="side of the guard window that is left out of the background, in pixels, odd"
    )
    regularization: float = param(
        1e-3, gt=0, le=1, description="ridge of each covariance, relative to its mean variance; small windows need it"
    )


class RXLocal(Node[RXLocalParams]):
    """Scores each pixel by its squared Mahalanobis distance from the ring of pixels around it (dual-window RX).

    Reed & Yu (IEEE Trans. ASSP 38, 1990) with the dual window of Kwon, Der & Nasrabadi (Optical Engineering 42, 2003):
    mean and covariance come from the outer window without the inner one, which keeps an anomaly of several pixels out
    of its own background. Windows end at the border of the scene; a pixel that is not finite belongs to no background
    and scores NaN. Computed in float64, scores given as float32. It has nothing to fit and lets no gradient through.
    """

    declaration = Declaration(
        params=RXLocalParams,
        category=NodeCategory.MODEL,
        tags=("HYPERSPECTRAL", "ANOMALY"),
        inputs=(cube_port("data", "spectra"),),
        outputs=(score_port("scores", "squared Mahalanobis distances"),),
        citation="Reed & Yu, Adaptive multiple-band CFAR detection of an optical pattern with unknown spectral "
        "distribution, IEEE Trans. ASSP 38, 1990; dual window: Kwon, Der & Nasrabadi, Adaptive anomaly detection using "
        "subspace separation for hyperspectral imagery, Optical Engineering 42, 2003",
    )

    def __init__(self, params: RXLocalParams) -> None:
        super().__init__(params)
        for name in ("outer_window", "inner_window"):
            if getattr(params, name) % 2 == 0:
                raise _refused(name, "must be odd, so that the pixel is in its middle")
        if params.inner_window >= params.outer_window:
            raise _refused("inner_window", "must be less than outer_window")

    @torch.no_grad()
    def forward(self, data: Tensor) -> Outputs:
        """Score `data`.

        Raises:
            Failure: TENSOR_SHAPE if an image is so small that the inner window leaves no background.
        """
        rows, columns = data.shape[1:3]
        if min(rows, columns) < 1 or max(rows, columns) <= self.params.inner_window:
            raise Failure(
                Reason.TENSOR_SHAPE,
                f"an image of {rows} x {columns} pixels has no background around an inner window of "
                f"{self.params.inner_window}: give a larger image or a smaller window",
            )
        return {"scores": torch.stack([self._image(image) for image in data]).float().unsqueeze(-1)}

    def _image(self, image: Tensor) -> Tensor:
        """Scores [H, W] of one image [H, W, C], in tiles of columns."""
        spectra = image.double()
        valid = spectra.isfinite().all(dim=-1)
        # Distances do not depend on the origin; near it the moments cancel less.
        centre = spectra[valid].sum(dim=0) / valid.sum().clamp_min(1)
        spectra = torch.where(valid[..., None], spectra - centre, 0.0)
        columns, reach = spectra.shape[1], self.params.outer_window // 2
        fitting = _TILE_BYTES // (_MATRICES_PER_PIXEL * 8 * spectra.shape[-1] ** 2)
        width = max(fitting - 2 * reach, 1)
        tiles = []
        for start in range(0, columns, width):
            left, right = max(start - reach, 0), min(start + width + reach, columns)
            inside = slice(start - left, min(start + width, columns) - left)
            tiles.append(self._tile(spectra[:, left:right], valid[:, left:right].double())[:, inside])
        return torch.cat(tiles, dim=1).masked_fill(~valid, torch.nan)

    def _tile(self, spectra: Tensor, valid: Tensor) -> Tensor:
        outer = SlidingSums(spectra, valid, self.params.outer_window // 2)
        inner = SlidingSums(spectra, valid, self.params.inner_window // 2)
        return torch.stack([self._row(spectra[row], outer, inner) for row in range(len(spectra))])

    def _row(self, pixels: Tensor, outer: SlidingSums, inner: SlidingSums) -> Tensor:
        """Scores [W] of the next row of pixels [W, C]."""
        wide, narrow = outer.next_row(), inner.next_row()
        count = (wide.count - narrow.count).clamp_min(1)
        mean = (wide.first - narrow.first) / count[:, None]
        scatter = wide.second.sub_(narrow.second)
        scatter.baddbmm_((count[:, None] * mean).unsqueeze(2), mean.unsqueeze(1), alpha=-1)
        covariance = scatter.div_((count - 1).clamp_min(1)[:, None, None])
        diagonal = covariance.diagonal(dim1=1, dim2=2)
        least = torch.finfo(pixels.dtype).tiny
        diagonal += (self.params.regularization * diagonal.mean(dim=1, keepdim=True)).clamp_min(least)
        return _distances(pixels - mean, covariance)


def _distances(centred: Tensor, covariance: Tensor) -> Tensor:
    """Squared Mahalanobis distances [W]; infinite where a background has no variance and the pixel differs from it."""
    factor, _ = torch.linalg.cholesky_ex(covariance)
    whitened = torch.linalg.solve_triangular(factor, centred.unsqueeze(-1), upper=False)
    distances: Tensor = whitened.square().sum(dim=(1, 2))
    return distances


def _refused(name: str, description: str) -> Failure:
    return Failure(Reason.GRAPH_INVALID, f"{name} {description}", violations=(Violation(name, description),))
