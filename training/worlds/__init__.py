"""A procedural world with exact pictures, depth, poses, things and motion, for training, tests and benchmarks.

    world = make_world("room", seed=3)
    frame = world.render(world.camera(320, 192), time=0.5)   # rgb, depth, thing, dynamic, sky, K, w2c
    clip = film(world, path(world, "out_and_back", 25))      # or sample_clip(seed=3)
    write_sequence("out/room3", clip, spoil=degradation(3))

The same arguments give the same bytes in every process on one machine. numpy in, numpy out.
"""

from training.worlds.clips import WorldClip, film, sample_clip, write_sequence
from training.worlds.degrade import Degradation, degradation
from training.worlds.paths import PATHS, RETURNS, path
from training.worlds.photos import read_photos
from training.worlds.world import KINDS, World, WorldFrame, make_world

__all__ = [
    "KINDS",
    "PATHS",
    "RETURNS",
    "Degradation",
    "World",
    "WorldClip",
    "WorldFrame",
    "degradation",
    "film",
    "make_world",
    "path",
    "read_photos",
    "sample_clip",
    "write_sequence",
]
