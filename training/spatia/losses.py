"""Flow matching on Spatia's inputs, and the two spatial-consistency terms that can be added to it.

Convention (Wan's): x_sigma = (1 - sigma) data + sigma noise, the network predicts noise - data, time = 1000 sigma.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from training.spatia.codec import Codec
from training.spatia.config import TrainConfig


@dataclass(frozen=True, eq=False, slots=True)
class Geometry:
    """Where the frames of a batch of clips were taken."""

    depth: torch.Tensor
    """(b, t, h, w) z-depth; inf or NaN = unknown."""
    K: torch.Tensor
    """(b, t, 3, 3) pixels."""
    w2c: torch.Tensor
    """(b, t, 4, 4)"""


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """What the network sees of b examples that have equally many references."""

    clip: torch.Tensor
    """(b, c, F, h, w) clean latents, history first."""
    text: torch.Tensor
    """(b, words, text dim)"""
    control: torch.Tensor | None = None
    """(b, 2c, F, h, w); None leaves the control branch out."""
    references: torch.Tensor | None = None
    """(b, c, R, h, w); None = no references."""
    geometry: Geometry | None = None

    def to(self, device: Any, dtype: torch.dtype | None = None) -> "Batch":
        """The batch elsewhere; geometry keeps its precision."""

        def moved(t: torch.Tensor | None) -> torch.Tensor | None:
            return None if t is None else t.to(device, dtype)

        g = self.geometry
        there = None if g is None else Geometry(g.depth.to(device), g.K.to(device), g.w2c.to(device))
        clip, text = self.clip.to(device, dtype), self.text.to(device, dtype)
        return Batch(clip, text, moved(self.control), moved(self.references), there)

    def arm(self, projection: bool, references: bool) -> "Batch":
        """The batch without what an arm of the ablation does not have."""
        return replace(
            self,
            control=self.control if projection else None,
            references=self.references if references and self.references is not None else None,
        )


def draw_sigma(n: int, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """(n,) noise shares: logit-normal, then moved towards noise by the shift."""
    u = torch.sigmoid(config.logit_mean + config.logit_std * torch.randn(n, generator=generator))
    return config.shift * u / (1 + (config.shift - 1) * u)


def flow_matching(
    model: nn.Module, batch: Batch, config: TrainConfig, generator: torch.Generator, codec: Codec | None = None
) -> dict[str, torch.Tensor]:
    """{"loss", "flow", and the consistency terms that have a weight}: means over the frames to be learnt."""
    x0, H = batch.clip, config.history_latents
    b, c, F, h, w = x0.shape

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(x0)

    sigma = draw_sigma(b, config, generator).to(x0)
    epsilon = noise(b, c, F, h, w)
    s = sigma.view(b, 1, 1, 1, 1)
    x = (1 - s) * x0 + s * epsilon
    little = (torch.rand(b, generator=generator) * config.history_noise / 1000).to(x0).view(b, 1, 1, 1, 1)
    x = torch.cat([(1 - little) * x0[:, :, :H] + little * epsilon[:, :, :H], x[:, :, H:]], 2)
    time = (1000 * sigma)[:, None].expand(b, F).clone()
    time[:, :H] = 0
    R = 0 if batch.references is None else batch.references.shape[2]
    if batch.references is not None:
        x = torch.cat([batch.references, x], 2)
        time = torch.cat([time.new_zeros(b, R), time], 1)
    velocity = model(x, time, batch.text, batch.control, num_reference_frames=R).sample[:, :, R:].float()
    error = (velocity - (epsilon - x0).float())[:, :, H:]
    out = {"flow": error.square().mean()}
    out["loss"] = out["flow"]
    if codec is None or batch.geometry is None or (config.reprojection == 0 and config.pose == 0):
        return out
    guess = torch.cat([x0[:, :, :H].float(), (x[:, :, R:].float() - s * velocity)[:, :, H:]], 2)
    trust = (1 - sigma.float()) ** 2  # a guess from pure noise says nothing about geometry
    seen, truth = codec.decode(guess), codec.decode(x0.float()).detach()
    if config.reprojection:
        out["reprojection"] = (trust * reprojection_loss(seen, batch.geometry)).mean()
        out["loss"] = out["loss"] + config.reprojection * out["reprojection"]
    if config.pose:
        out["pose"] = (trust * pose_loss(seen, truth, batch.geometry)).mean()
        out["loss"] = out["loss"] + config.pose * out["pose"]
    return out


def warp(video: torch.Tensor, geometry: Geometry, source: int, target: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(b, 3, h, w) frame `source` as the camera of frame `target` sees it, and (b, 1, h, w) where that is known.

    Every pixel of the target is lifted by its depth, put into the source camera and looked up there; it counts when
    the source's own depth agrees within 3 %.
    """
    b, _, _, h, w = video.shape
    depth = geometry.depth[:, target]
    known = torch.isfinite(depth)
    K, K2 = geometry.K[:, target], geometry.K[:, source]
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    rays = torch.stack([x, y, torch.ones_like(x)]).reshape(3, -1).to(K)
    z = torch.where(known, depth, torch.ones_like(depth)).reshape(b, 1, -1).to(K)
    motion = geometry.w2c[:, source] @ torch.linalg.inv(geometry.w2c[:, target])
    p = motion[:, :3, :3] @ (torch.linalg.inv(K) @ rays * z) + motion[:, :3, 3:]
    ahead = p[:, 2:] > 1e-3
    uv = (K2 @ p)[:, :2] / p[:, 2:].clamp_min(1e-3)
    grid = (uv / torch.tensor([w, h]).to(uv).view(1, 2, 1) * 2 - 1).transpose(1, 2).reshape(b, h, w, 2).to(video)
    other = geometry.depth[:, source, None]
    far = torch.where(torch.isfinite(other), other, torch.full_like(other, 1e6))
    met = nn.functional.grid_sample(far.to(video), grid, mode="nearest", align_corners=False)
    inside = (grid.abs() <= 1).all(-1)[:, None]
    same = (met - p[:, 2].reshape(b, 1, h, w).to(video)).abs() < 0.03 * met
    image = nn.functional.grid_sample(video[:, :, source], grid, padding_mode="border", align_corners=False)
    return image, inside & same & known[:, None] & ahead.reshape(b, 1, h, w)


def reprojection_loss(video: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """(b,) how much predicted frames disagree about points they both see: mean absolute difference, 0 to 2.

    Each frame is compared with the first one and with the one before it, warped by known depth and pose.
    """
    total, pairs = video.new_zeros(len(video)), 0
    for target in range(1, video.shape[2]):
        for source in {0, target - 1}:
            image, seen = warp(video, geometry, source, target)
            difference = ((image - video[:, :, target]).abs().mean(1, keepdim=True) * seen).sum((1, 2, 3))
            total = total + difference / seen.sum((1, 2, 3)).clamp_min(1)
            pairs += 1
    return total / max(pairs, 1)


def pose_error(seen: torch.Tensor, truth: torch.Tensor, depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """(b, 6) the small camera motion that best explains why pictures `seen` differ from `truth` (both (b, 3, h, w)).

    One Gauss-Newton step of photometric alignment at the true pose (Lucas and Kanade 1981; Baker and Matthews 2004,
    inverse compositional): gradients are those of the true picture, so the answer is linear in `seen` and its
    gradient is exact. Rotation in radians, translation in units of the picture's median depth. It underestimates
    motions of more than a pixel or two; as a loss that only flattens it.
    """
    b, _, h, w = truth.shape
    z = torch.where(torch.isfinite(depth), depth, torch.full_like(depth, 1e6))
    z = z / z.flatten(1).median(1).values.view(b, 1, 1)
    fx, fy, cx, cy = (K[:, i, j].view(b, 1, 1) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    x = (torch.arange(w).to(K) + 0.5 - cx) / fx
    y = ((torch.arange(h).to(K) + 0.5)[:, None] - cy) / fy
    x, y = x.expand(b, h, w), y.expand(b, h, w)
    zero = torch.zeros_like(z)
    # how a pixel moves with rotation (3) and translation (3) of the scene before the camera
    du = torch.stack([-x * y, 1 + x * x, -y, 1 / z, zero, -x / z], -1) * fx[..., None]
    dv = torch.stack([-(1 + y * y), x * y, x, zero, 1 / z, -y / z], -1) * fy[..., None]
    # both a little blurred, alike: steps of one pixel have no gradient that could be followed
    image, other = (nn.functional.avg_pool2d(v, 3, 1, 1, count_include_pad=False) for v in (truth, seen))
    gx, gy = torch.zeros_like(image), torch.zeros_like(image)
    gx[..., 1:-1] = (image[..., 2:] - image[..., :-2]) / 2
    gy[..., 1:-1, :] = (image[..., 2:, :] - image[..., :-2, :]) / 2
    J = -(gx[..., None] * du[:, None].to(gx) + gy[..., None] * dv[:, None].to(gy)).reshape(b, -1, 6)
    r = (other - image).reshape(b, -1, 1)
    A = J.transpose(1, 2) @ J
    A = A + 1e-3 * A.diagonal(dim1=1, dim2=2).mean(1).view(b, 1, 1) * torch.eye(6).to(A) + 1e-6 * torch.eye(6).to(A)
    return torch.linalg.solve(A, J.transpose(1, 2) @ r)[..., 0]


def pose_loss(video: torch.Tensor, truth: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """(b,) mean length of the camera error over the frames, rotation and translation alike (see `pose_error`)."""
    errors = [
        pose_error(video[:, :, k], truth[:, :, k], geometry.depth[:, k].to(truth), geometry.K[:, k].to(truth))
        for k in range(1, video.shape[2])
    ]
    return torch.stack([(e.square().sum(1) + 1e-8).sqrt() for e in errors]).mean(0)
