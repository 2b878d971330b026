"""python -m training.clicks --masks DIR [DIR ...] [--scenes DIR] [--steps N | --minutes M] [--workers N] ...

Trains the two click networks side by side on photos with masks (three in ten photos are never used), cut-outs, painted
blobs and rendered scenes (`python -m training.depth --only-render`). Interrupted runs go on where they were.
"""

import argparse
from pathlib import Path

import torch

from spatia_core.backends.clicks.network import DESIGNS, ClickNetwork
from training.clicks import loop
from training.clicks.crew import Crew, Sources
from training.students import Student, export


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)
    device = torch.device(options.device)
    plan = loop.Plan(options.steps, options.minutes, options.rate, options.work / "click.pt")
    sources = Sources(tuple(options.masks), options.photos, options.scenes, options.seed)
    with Crew(sources, options.workers, options.each, [side for _, side in plan.sides]) as crew:
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        students = []
        for k, (name, widths) in enumerate(DESIGNS.items()):
            network = ClickNetwork(widths)
            taken = loop.start_from(network, options.start[k]) if options.start else 0
            print(f"{name}: {taken} tensors taken from the start weights", flush=True)
            students.append(Student(network.to(device), weight_decay=0.03))
        loop.train(students, crew, plan, options.seed)
    for name, student in zip(DESIGNS, students, strict=True):
        export(student.average, options.work / f"{name}.safetensors")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.clicks", description="Trains the click networks.")
    parser.add_argument("--masks", type=Path, nargs="+", required=True, help="folders with img/ and gt/")
    parser.add_argument("--photos", type=Path, default=Path("assets/examples"), help="photos used as surfaces")
    parser.add_argument("--scenes", type=Path, help="folder of rendered scenes with ids")
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--minutes", type=float, help="train by the clock instead of by steps")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--workers", type=int, default=1, help="processes that click")
    parser.add_argument("--each", type=int, default=8, help="pictures of one group that a process looks after")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/click-training"), help="checkpoints")
    parser.add_argument("--start", type=Path, nargs=len(DESIGNS), help="finished weights to begin with")
    return parser.parse_args()


if __name__ == "__main__":
    main()
