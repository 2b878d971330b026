"""Command line: train Spatia, or prepare and train the tiny model of the small proof.

python -m training.spatia train --base BASE --data worlds|FOLDER --out RUN [--stage control] [--set name=value ...]
python -m training.spatia tiny-data --out DATA --worlds 300
python -m training.spatia tiny --data DATA --out RUN --seed 0 --iterations 1200
"""

import argparse
import ast
import logging
from pathlib import Path

import torch

from training.spatia.config import TrainConfig
from training.spatia.loop import Trainer


def tiny_data(given: argparse.Namespace) -> None:
    """Renders worlds and writes them as latents."""
    from training.spatia.tiny import prepare

    prepare(given.out, given.worlds, given.first)


def tiny(given: argparse.Namespace) -> None:
    """Trains the tiny model; one thread."""
    from training.spatia.codec import PatchCodec
    from training.spatia.tiny import batch_at, load, tiny_config, tiny_model, write_checkpoint

    torch.set_num_threads(1)
    data, config = load(given.data), tiny_config(given.seed, given.iterations)
    trainer = Trainer(tiny_model(given.seed), config, lambda k: batch_at(data, config, k), given.out)
    if given.resume:
        trainer.resume()
    trainer.run()
    facts = {"steps": str(trainer.step), "seed": str(given.seed), "examples": str(len(data[0]) + len(data[1]))}
    codec = PatchCodec.load(given.data / "codec.safetensors")
    write_checkpoint(given.out / "spatia_tiny.safetensors", trainer.average, codec, facts)


def train(given: argparse.Namespace) -> None:
    """Trains the real model, or any saved in diffusers' form."""
    from training.spatia.real import make_trainer

    changes = {k: ast.literal_eval(v) for k, _, v in (pair.partition("=") for pair in given.set)}
    by_stage = {"control": (8000, 1e-5), "lora": (5000, 1e-4), "all": (8000, 1e-4)}
    iterations, lr = by_stage[given.stage]
    config = TrainConfig(**{"stage": given.stage, "iterations": iterations, "lr": lr} | changes)
    trainer = make_trainer(given, config)
    if given.resume:
        trainer.resume()
    trainer.run()


def parser() -> argparse.ArgumentParser:
    """All commands."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True)
    p = commands.add_parser("train")
    p.set_defaults(run=train)
    p.add_argument("--base", type=Path, required=True, help="folder with transformer/ and vae/ in diffusers' form")
    p.add_argument("--control", type=Path, help="trained control file, for stage lora")
    p.add_argument("--data", required=True, help="worlds, or a folder in RealEstate10K's layout")
    p.add_argument("--depth", default="nano", help="depth estimator for folders of videos")
    p.add_argument("--text", type=Path, help="safetensors of prompt embeddings by video name; zeros without")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--stage", choices=("control", "lora", "all"), default="control")
    p.add_argument("--resume", action="store_true")
    p.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="fields of TrainConfig")
    p = commands.add_parser("tiny-data")
    p.set_defaults(run=tiny_data)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--worlds", type=int, default=300)
    p.add_argument("--first", type=int, default=0)
    p = commands.add_parser("tiny")
    p.set_defaults(run=tiny)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--iterations", type=int, default=1200)
    p.add_argument("--resume", action="store_true")
    return top


def main() -> None:
    """Runs from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = parser().parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
