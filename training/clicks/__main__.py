"""python -m training.clicks --masks DIR [--photos DIR] [--scenes DIR] [--steps N] [--seed N] [--work DIR]

Trains the click network, started from the depth network's weights (which saw no photo with a mask). Three in ten photos
of the mask folder are never trained on (`training.clicks.photos.held_out`). Interrupted runs go on where they were.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import torch

from spatia_core.backends.clicks.network import ClickNetwork
from spatia_core.backends.nano.layers import WEIGHTS
from training.clicks import loop, photos
from training.clicks.samples import Bank, Scenes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.clicks", description="Trains the click network.")
    parser.add_argument("--masks", type=Path, required=True, help="folder with img/ and gt/")
    parser.add_argument("--photos", type=Path, default=Path("assets/examples"), help="photos used as surfaces")
    parser.add_argument("--scenes", type=Path, help="folder of rendered scenes with ids")
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/click-training"), help="checkpoints")
    parser.add_argument("--start", type=Path, default=WEIGHTS / "depth_nano.safetensors")
    parser.add_argument("--refine", action="store_true", help="--start holds click weights: larger pictures")
    parser.add_argument("--out", type=Path, help="where the finished weights go")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)
    training = photos.training_photos(options.masks)
    bank = Bank(training, photos.textures(options.photos), Scenes(options.scenes), options.seed)
    network = ClickNetwork()
    taken = loop.start_from_depth(network, options.start) if options.start.exists() else 0
    print(f"{len(training)} photos to train on; {taken} tensors taken from the start weights", flush=True)
    plan = loop.Plan(options.steps, checkpoint=options.work / "click.pt")
    if options.refine:
        plan = replace(plan, rate=1e-3, sizes=loop.LARGE)
    average = loop.train(network, bank, plan)
    loop.export(average, options.out or options.work / "click_hybrid.safetensors")


main()
