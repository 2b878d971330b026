"""python -m training.depth --masks DIR [--measured DIR] [--render N] [--steps N | --minutes M] [--device cuda] ...

Renders N pictures of the procedural world (fewer when the folder holds some already), then trains the two depth
networks side by side on them. Cut-out things of the mask folders' photos stand in the pictures; three in ten of those
photos are never used. Measured frames (`python -m training.depth.measured`) join every batch. Interrupted runs go on
where they were. `--only-render` stops before training; both may run at the same time, training takes what is ready.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import cv2
import torch

from spatia_core.backends.nano.depth_network import DESIGNS, DepthNetwork
from training.clicks import photos
from training.depth import albums, loop, render
from training.depth.examples import Props, Studio
from training.students import Student, export

_SHARDS = {"world": 9, "wide": 2, "tall": 2}
"""How many shards of each shape are rendered, in turn."""


def main() -> None:
    options = _options()
    cv2.setNumThreads(1)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.render:
        pieces = render.photo_pieces([options.photos, *(m / "img" for m in options.masks)])
        names = [shape for shape, often in _SHARDS.items() for _ in range(often)]
        shards = [f"{names[k % len(names)]}{options.seed + k}" for k in range(options.processes)]
        share = -(-options.render // options.processes)
        render.fill_many(options.scenes, shards, share, pieces, options.render_minutes)
    if not options.only_render:
        _train(options)


def _train(options: argparse.Namespace) -> None:
    options.work.mkdir(parents=True, exist_ok=True)
    device = torch.device(options.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    rendered = albums.Rendered(options.scenes, device)
    while len(rendered) < options.wait_for:
        time.sleep(2)
        rendered.refresh()
    studio = Studio(_props(options.masks, device), options.seed)
    measured, shares = _measured(options.measured, device)
    students = [Student(DepthNetwork(widths).to(device)) for widths in DESIGNS.values()]
    for student, weights in zip(students, options.start or (), strict=bool(options.start)):
        loop.start_from(student.network, weights)
        loop.start_from(student.average, weights)
    print(f"{len(rendered)} pictures, {0 if measured is None else len(measured)} measured", flush=True)
    photos_without = options.unlabelled and albums.read_photos(options.unlabelled, *render.SIZE, device)
    plan = loop.Plan(
        steps=options.steps,
        minutes=options.minutes,
        batch=options.batch,
        measured=0 if measured is None else round(options.batch * options.measured_share),
        unlabelled=round(0.2 * options.batch),
        outlined=max(1, round(0.3 * options.batch)),
        rate=options.rate,
        checkpoint=options.work / "depth.pt",
    )
    loop.train(students, loop.Material(studio, rendered, measured, shares, photos_without), plan)
    for name, student in zip(DESIGNS, students, strict=True):
        export(student.average, options.work / f"{name}.safetensors")


def _props(masks: list[Path], device: torch.device) -> Props:
    things = photos.training_photos(*masks)
    width, height = render.SIZE
    return Props(albums.outlined(things, width, height, device), albums.cut_outs(things, device))


def _measured(folder: Path | None, device: torch.device) -> tuple[albums.Album | None, torch.Tensor | None]:
    """The frames, and how often each is drawn: a scene counts by the square root of its frames."""
    if folder is None:
        return None, None
    album, scenes = albums.read_measured(folder, *render.SIZE, device)
    counts = Counter(scenes)
    return album, torch.tensor([counts[s] ** -0.5 for s in scenes])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.depth", description="Trains the depth networks.")
    parser.add_argument("--masks", type=Path, nargs="+", required=True, help="folders with img/ and gt/")
    parser.add_argument("--measured", type=Path, help="folder of measured frames")
    parser.add_argument("--measured-share", type=float, default=0.4, help="measured frames per rendered picture")
    parser.add_argument(
        "--unlabelled", type=Path, help="folder of photos without depth, taught by the average networks"
    )
    parser.add_argument("--photos", type=Path, default=Path("assets/examples"), help="photos used as surfaces")
    parser.add_argument("--scenes", type=Path, default=Path("/tmp/depth-scenes"), help="where rendered pictures lie")
    parser.add_argument("--render", type=int, default=8000, help="pictures to render")
    parser.add_argument("--render-minutes", type=float, default=float("inf"), help="stop rendering then")
    parser.add_argument("--processes", type=int, default=1, help="processes that render")
    parser.add_argument("--only-render", action="store_true")
    parser.add_argument("--wait-for", type=int, default=1, help="pictures that must be ready before training begins")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="train by the clock instead of by steps")
    parser.add_argument("--batch", type=int, default=10, help="rendered pictures in a batch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/depth-training"), help="checkpoints")
    parser.add_argument("--start", type=Path, nargs=len(DESIGNS), help="finished weights to go on from")
    return parser.parse_args()


if __name__ == "__main__":
    main()
