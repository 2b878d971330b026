"""Cuts by colour: GrabCut started from geodesic distances, and GrabCut in a band around a mask."""

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Image, Mask, parts_touching
from spatia_core.backends.clicks.cues import FARTHEST, Box, Clicks, CuePicture, Map, box_centre, box_mask

_SURE = 0.98
"""Probability that leaves a cut in a box no choice."""
_BORDER_OFFSET = 0.3
"""Added to the distance from the border: the border is only likely to be outside."""


def first_cut(picture: CuePicture, positive: Clicks, negative: Clicks, box: Box | None) -> Mask:
    """The mask of like-coloured pixels around the clicks or inside the box.

    GrabCut (Rother et al. 2004), started where the + clicks are nearer than the - clicks and the border.
    """
    near, away = _distances(picture, positive, negative, box)
    if box is None:
        labels = np.where(near < away, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        labels[near > 3 * away + 2.0] = cv2.GC_BGD
    else:
        labels = np.where(box_mask(picture.shape, box), cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    radius = max(2, round(max(picture.shape) * 0.012))
    labels[picture.discs(negative, radius)] = cv2.GC_BGD
    seeds = picture.discs(positive, radius)
    labels[seeds] = cv2.GC_FGD
    if _inside(labels).all():  # a box around everything
        labels[0], labels[-1], labels[:, 0], labels[:, -1] = (cv2.GC_BGD,) * 4
    mask = _grab_cut(picture.rgb, labels)
    return parts_touching(mask, seeds) if (seeds & mask).any() else mask


def band_cut(image: Image, probability: Map, positive: Clicks, negative: Clicks) -> Mask:
    """The mask of a probability map with its outline moved to where colours change, within a band around it."""
    mask = (probability > 0.5).astype(np.uint8)
    if mask.sum() < 20 or mask.mean() > 0.97:
        return mask > 0
    width = max(2, int(0.12 * np.sqrt(mask.sum())))
    labels = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[(probability < 0.02) | (cv2.dilate(mask, _disc(width)) == 0)] = cv2.GC_BGD
    core = cv2.erode(mask, _disc(width // 2), borderValue=1) > 0
    labels[(probability > 0.97) | (core & (probability > 0.8))] = cv2.GC_FGD
    for clicks, label in ((negative, cv2.GC_BGD), (positive, cv2.GC_FGD)):
        for x, y in clicks:
            cv2.circle(labels, (int(x), int(y)), 3, label, -1)
    return _grab_cut(image, labels)


def in_the_box(image: Image, box: Box, probability: Float32[np.ndarray, "_rows _columns"] | None = None) -> Mask:
    """GrabCut as its authors meant it: everything outside the box (in shares of the picture) is surely background.

    With a probability map, of any size, the colours inside the box begin as that map has them.
    """
    h, w = image.shape[:2]
    inside = box_mask((h, w), (box[0] * w, box[1] * h, box[2] * w - 1, box[3] * h - 1))
    labels = np.full((h, w), cv2.GC_PR_FGD, np.uint8)
    if probability is not None:
        likely = cv2.resize(probability, (w, h))
        labels[likely <= 0.5] = cv2.GC_PR_BGD
        labels[likely < 1 - _SURE], labels[likely > _SURE] = cv2.GC_BGD, cv2.GC_FGD
    labels[~inside] = cv2.GC_BGD
    return _grab_cut(image, labels, rounds=3)


def _distances(picture: CuePicture, positive: Clicks, negative: Clicks, box: Box | None) -> tuple[Map, Map]:
    """Geodesic distance from the + clicks, and from the - clicks and whatever else is outside."""
    inside = picture.discs(positive if len(positive) or box is None else box_centre(box), 3)
    outside = picture.discs(negative, 3)
    if box is not None:
        outside |= ~box_mask(picture.shape, box)
    near, away = picture.distance(inside, 2), picture.distance(outside, 2)
    if box is None:
        away = np.minimum(away, np.minimum(picture.from_border + _BORDER_OFFSET, FARTHEST))
    return near, away


def _grab_cut(image: Image, labels: np.ndarray, rounds: int = 1) -> Mask:
    """OpenCV's GrabCut (after clicks more rounds were no better), its random start fixed.

    Without pixels on both sides the labels stand as they are.
    """
    inside = _inside(labels)
    if inside.all() or not inside.any():
        return inside
    cv2.setRNGSeed(0)
    labels = labels.copy()
    bgr = np.ascontiguousarray(image[..., ::-1])
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(bgr, labels, (0, 0, 1, 1), *models, rounds, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # fewer pixels on one side than colour clusters
        return inside
    return _inside(labels)


def _inside(labels: np.ndarray) -> Mask:
    return labels % 2 == 1  # GC_FGD and GC_PR_FGD are the odd labels


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
