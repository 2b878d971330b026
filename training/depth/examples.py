"""What the depth networks learn from: pictures with depth and cut-out photos standing in them, real outlines."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.depth.albums import UNKNOWN, Album, CutOuts, Outlined
from training.depth.camera_faults import Rolls, taken


@dataclass(frozen=True, eq=False, slots=True)
class Props:
    """What pictures are dressed with."""

    outlined: Outlined
    """Photos whose things' outlines are learned, and which paper surfaces."""
    cut_outs: CutOuts
    """Things that stand in pictures."""


class Studio:
    """Makes training examples of any size, whole batches at a time."""

    def __init__(self, props: Props, seed: int) -> None:
        self._props = props
        self._device = props.outlined.rgb.device
        self._seed = seed
        self._generator = torch.Generator(self._device)
        self.dice = torch.Generator()
        """Decides which pictures are drawn."""
        self.reseed(0)

    def reseed(self, step: int) -> None:
        """Draws of its own for whoever begins at that step."""
        self._generator.manual_seed(1_000_003 * self._seed + step)
        self.dice.manual_seed(1_000_003 * self._seed + step + 1)

    def pictures(self, album: Album, width: int, height: int, dressed: bool = True) -> tuple[Tensor, Tensor]:
        """((n, 3, height, width) colours in [0, 1], (n, height, width) inverse depth, 0 = sky, `UNKNOWN`)."""
        rolls = self._rolls(len(album))
        grid = _crops(rolls, album.rgb, (width, height), rolls.chance(0.65), 0.5)
        rgb = _sampled(album.rgb, grid, "bilinear") / 255
        inverse = _sampled(album.inverse[:, None], grid, "nearest")[:, 0]
        if dressed:
            things = _sampled(album.things[:, None], grid, "nearest")[:, 0]
            rgb = self._papered(rgb, things, rolls)
            for share in (0.6, 0.35, 0.15):
                rgb, inverse = self._with_cut_out(rgb, inverse, rolls, rolls.chance(share))
        return taken(rgb, rolls), inverse

    def outlines(self, count: int, width: int, height: int) -> tuple[Tensor, Tensor]:
        """Photos with the mask of a thing: ((n, 3, height, width) in [0, 1], (n, height, width) 0 or 1)."""
        photos, rolls = self._props.outlined, self._rolls(count)
        which = rolls.index(len(photos.rgb))
        rgb = photos.rgb[which]
        grid = _crops(rolls, rgb, (width, height), rolls.chance(0.8), 0.75)
        rgb = _sampled(rgb, grid, "bilinear") / 255
        mask = _sampled(photos.mask[which][:, None], grid, "bilinear")[:, 0] / 255
        return taken(rgb, rolls), (mask > 0.5).float()

    def _rolls(self, count: int) -> Rolls:
        return Rolls(count, self._device, self._generator)

    def _papered(self, rgb: Tensor, things: Tensor, rolls: Rolls) -> Tensor:
        """One thing of some pictures gets a photo for a surface and keeps its own light."""
        n, _, h, w = rgb.shape
        rows, columns = rolls.index(h), rolls.index(w)
        chosen = things[torch.arange(n, device=rgb.device), rows, columns]
        on = (things == chosen[:, None, None])[:, None]
        big = on.float().mean((1, 2, 3)) > 0.03
        use = (rolls.chance(0.4) & big & (chosen > 0))[:, None, None, None]
        photos = self._props.outlined.rgb
        paper = photos[rolls.index(len(photos))]
        paper = _sampled(paper, _crops(rolls, paper, (w, h), rolls.chance(1.0), 0.3), "bilinear") / 255
        light = rgb.mean(1, keepdim=True)
        mean = (light * on).sum((1, 2, 3), keepdim=True) / on.sum((1, 2, 3), keepdim=True).clamp(min=1)
        return torch.where(on & use, (paper * light / (mean + 0.01)).clamp(0, 1), rgb)

    def _with_cut_out(self, rgb: Tensor, inverse: Tensor, rolls: Rolls, use: Tensor) -> tuple[Tensor, Tensor]:
        """A cut-out photo stands upright somewhere on what is seen, hidden by what is nearer."""
        n, _, h, w = rgb.shape
        cut = self._props.cut_outs
        which = rolls.index(len(cut.slim))
        tall = h * rolls.stretched(0.15, 1.0)
        wide = (tall * cut.slim[which] * rolls.normal(0.1).exp()).clamp(max=1.2 * w)
        left, foot = rolls.between(-0.3, 1) * w, rolls.between(0.4, 1.25) * h
        under = (left + wide / 2).long().clamp(0, w - 1)
        ground = inverse[torch.arange(n, device=rgb.device), foot.long().clamp(max=h - 1), under]
        stands = ground * (foot / (h - 1)).clamp(min=1) ** 1.5 * rolls.stretched(1.0, 1.15)
        flip = torch.where(rolls.chance(0.5), -1.0, 1.0)
        # from the picture's [-1, 1] to the cut-out's
        sx, sy = w / wide * flip, h / tall
        tx = -(2 * left + wide - w) / wide * flip
        ty = -(2 * foot - tall - h) / tall
        zero = torch.zeros_like(sx)
        matrix = torch.stack([sx, zero, tx, zero, sy, ty], 1).reshape(n, 2, 3)
        grid = functional.affine_grid(matrix, [n, 5, h, w], align_corners=False)
        layer = functional.grid_sample(cut.layers[which].float(), grid, align_corners=False)
        colours, soft, deep = layer[:, :3], layer[:, 3], layer[:, 4]
        nearness = stands[:, None, None] * (1 + rolls.between(0, 0.12)[:, None, None] * deep)
        before = (nearness > inverse) & (inverse != UNKNOWN) & (use & (ground > 0))[:, None, None]
        shown = (soft * before)[:, None]
        rgb = rgb * (1 - shown) + colours * rolls.between(0.6, 1.2)[:, None, None, None] * shown
        return rgb.clamp(0, 1), torch.where((shown[:, 0] > 0.5), nearness, inverse)


def _crops(rolls: Rolls, pictures: Tensor, size: tuple[int, int], smaller: Tensor, least: float) -> Tensor:
    """Sampling grids of random crops: size, place, aspect, a little roll, mirrored half of the time."""
    n, (width, height) = len(pictures), size
    slim = (width / height) / (pictures.shape[-1] / pictures.shape[-2])
    share = torch.where(smaller, rolls.between(least, 1), 1.0)
    aspect = rolls.normal(0.1).exp()
    sx, sy = (share * aspect * min(1, slim)).clamp(max=1), (share / aspect * min(1, 1 / slim)).clamp(max=1)
    tx, ty = rolls.between(-1, 1) * (1 - sx), rolls.between(-1, 1) * (1 - sy)
    turn = torch.where(rolls.chance(0.3) & smaller, rolls.normal(0.03), 0.0)
    mirror = torch.where(rolls.chance(0.5), -1.0, 1.0)
    tilt = height / width
    rows = [sx * mirror, -turn * tilt * sx, tx, turn / tilt * sy * mirror, sy, ty]
    return functional.affine_grid(torch.stack(rows, 1).reshape(n, 2, 3), [n, 1, height, width], align_corners=False)


def _sampled(pictures: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Pictures through sampling grids; colours that get smaller are the mean of four samples."""
    x, fine = pictures.float(), mode == "bilinear" and pictures.shape[-1] > 1.2 * grid.shape[2]
    if fine:
        grid = functional.interpolate(grid.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear").permute(0, 2, 3, 1)
    out = functional.grid_sample(x, grid, mode=mode, padding_mode="reflection", align_corners=False)
    return functional.avg_pool2d(out, 2) if fine else out
