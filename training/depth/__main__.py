"""python -m training.depth --masks DIR [--scenes DIR] [--render N] [--steps N] [--seed N] [--work DIR] [--start FILE]

Renders N pictures of the procedural world (fewer when the folder holds some already), then trains the depth network on
them, going on from finished weights. Cut-out things of the mask folder's photos stand in the pictures; three in ten of
those photos are never used. Interrupted runs go on where they were. `--only-render` stops before training.
"""

import argparse
from pathlib import Path

import cv2
import torch

from spatia_core.backends.nano.depth_network import DepthNetwork
from spatia_core.backends.nano.layers import WEIGHTS
from training.clicks import photos
from training.depth import loop, render
from training.depth.examples import Rendered, Studio


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.depth", description="Trains the depth network.")
    parser.add_argument("--masks", type=Path, required=True, help="folder with img/ and gt/")
    parser.add_argument("--photos", type=Path, default=Path("assets/examples"), help="photos used as surfaces")
    parser.add_argument("--scenes", type=Path, default=Path("/tmp/depth-scenes"), help="where rendered pictures lie")
    parser.add_argument("--render", type=int, default=8000, help="pictures to render")
    parser.add_argument("--only-render", action="store_true")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/depth-training"), help="checkpoints")
    parser.add_argument("--start", type=Path, default=WEIGHTS / "depth_nano.safetensors")
    parser.add_argument("--scratch", action="store_true", help="begin with random weights")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.render:
        pieces = render.photo_pieces([options.photos, options.masks / "img"])
        render.fill(options.scenes, 1 + options.seed, options.render, pieces)
    if options.only_render:
        return
    outlined = photos.training_photos(options.masks)
    studio = Studio(Rendered(options.scenes), outlined, photos.textures(options.photos), options.seed)
    network = DepthNetwork()
    if not options.scratch:
        loop.start_from(network, options.start)
    print(f"{len(studio.rendered)} pictures, {len(outlined)} photos with outlines", flush=True)
    average = loop.train(network, studio, loop.Plan(options.steps, checkpoint=options.work / "depth.pt"))
    loop.export(average, options.work / "depth_nano.safetensors")


main()
