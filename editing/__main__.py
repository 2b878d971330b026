"""The whole job from the command line: `python -m editing PHOTO --click X,Y --delete --out DIR`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from editing import choosing, views
from editing.edits import Along
from editing.filming import Shot
from editing.journal import Journal
from editing.opening import Opening, parse_size
from editing.project_file import save_project
from editing.session import Session
from editing.tools import Choice, parse_options, tools
from spatia_core.backends import registry
from spatia_core.backends.pool import Pool
from spatia_core.camera_path.makers import PATH_NAMES
from spatia_core.errors import InvalidInput, SpatiaError
from spatia_core.io.images import load_mask


def _numbers(text: str, count: int, what: str) -> tuple[float, ...]:
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not np.isfinite(values).all():
        raise InvalidInput(f"{what} takes {count} numbers with commas between them, not {text!r}.")
    return values


def _click(text: str) -> tuple[float, float, bool]:
    head, _, sign = text.rpartition(",") if text.endswith((",-", ",+")) else (text, "", "+")
    x, y = _numbers(head, 2, "--click X,Y[,-]")
    return x, y, sign != "-"


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    p = argparse.ArgumentParser(prog="python -m editing", description=__doc__)
    p.add_argument("photo", type=Path, help="a photo, or a short video (mp4, mov, webm ...)")
    p.add_argument("--depth", type=Path, help="depth map of the photo: .npy, 16-bit PNG in mm, .npz, .exr")
    p.add_argument("--intrinsics", type=Path, help="text file: fx fy cx cy, or a 3x3 matrix")
    p.add_argument("--click", action="append", default=[], metavar="X,Y[,-]", help="pixel of the thing; ,- = not this")
    p.add_argument("--box", metavar="X0,Y0,X1,Y1", help="box around the thing, pixels of the photo")
    p.add_argument("--mask", type=Path, help="black and white picture of the photo's size")
    p.add_argument("--delete", action="store_true", help="remove the selected thing")
    p.add_argument("--move", metavar="DX,DY,DZ", help="move it, in median depths: right, down, forward")
    p.add_argument("--with-shadow", action="store_true", help="its shadow goes the same way, where one is found")
    p.add_argument("--with-reflection", action="store_true", help="its mirror image as well, where one is found")
    p.add_argument("--this-view-only", action="store_true", help="change only what the first view shows of the thing")
    p.add_argument("--path", default="orbit-left", help=f"a trajectory file or one of: {', '.join(PATH_NAMES)}")
    p.add_argument("--amount", type=float, default=1.0, help="multiple of the move's usual size")
    p.add_argument("--frames", type=int, default=49)
    p.add_argument("--size", metavar="WxH", help="size of the clips; default about 832x480 in the photo's shape")
    p.add_argument("--turns", type=int, default=1, help="fly the path so often, each time from where it ended")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--prompt", action="append", default=[], help="once, or once for every round of a long film")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--journal", type=Path, help="folder for finished rounds of a long film; run again to go on")
    default = Choice()
    for kind in registry.KINDS:
        p.add_argument(f"--{kind}-backend", default=getattr(default, kind), choices=choosing.names(kind))
    p.add_argument("--set", action="append", default=[], metavar="KIND.NAME=VALUE", help="tell a backend something")
    return p


def _select(session: Session, args: argparse.Namespace) -> None:
    source = session.source

    def working(*values: float) -> list[float]:
        return source.to_working(np.reshape(values, (-1, 2))).ravel().tolist()

    if args.mask is not None:
        session.select_mask(source.mask_to_working(load_mask(args.mask, source.shown_size)))
        return
    if args.box is not None:
        x0, y0, x1, y1 = working(*_numbers(args.box, 4, "--box"))
        session.box(x0, y0, x1, y1)
    left, top, right, bottom = source.window()
    for x, y, positive in map(_click, args.click):
        if not (left <= x + 0.5 < right and top <= y + 0.5 < bottom):
            raise InvalidInput(
                f"The click {x:g},{y:g} lies outside the part of the photo that is used "
                f"({left:.0f}..{right - 1:.0f}, {top:.0f}..{bottom - 1:.0f}). Give a pixel inside, or another --size."
            )
        # a click names a photo pixel; its centre is meant
        u, v = working(x + 0.5, y + 0.5)
        session.click(u, v, positive)


def _report(session: Session, wall: float) -> dict[str, Any]:
    take = views.newest(session)
    seen = take.comparison
    t = session.timings
    return {
        "backends": {
            "depth": session.source.prediction.depth.source,
            "segmenter": session.tools.segmenter.name,
            "generator": take.clip.maker,
            "tracker": session.tools.turn.tracker.name,
        },
        "timings": {k: round(v, 3) for k, v in t.items()} | {"total": round(wall, 3)},
        "points": asdict(session.state.memory.statistics()),
        "coverage_before_completion": round(take.coverage, 5),
        "frames": len(take.clip),
        "size": [session.state.camera.width, session.state.camera.height],
        "path": take.path.name,
        "outside_psnr": None if seen is None else round(seen.outside_psnr, 2),
        "residue": None if seen is None or seen.residue is None else round(seen.residue, 5),
        "edited_share": None if seen is None else round(seen.edited_share, 5),
        "closed_loop": views.closed_loop(take),
        "edits": [e.label for e in session.state.log],
        "notes": [*session.source.notes, *take.notes],
    }


def run(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The job; writes its files into args.out and returns the report."""
    started = time.perf_counter()
    if args.delete and args.move is not None:
        raise InvalidInput("Give either --delete or --move, not both; run the command again on the result for more.")
    wanted = args.delete or args.move is not None
    if wanted and not (args.click or args.box or args.mask):
        raise InvalidInput("Say what is to be edited: --click X,Y, --box X0,Y0,X1,Y1 or --mask FILE.")
    if args.turns < 1:
        raise InvalidInput(f"--turns must be at least 1, not {args.turns}.")
    choice = Choice(
        args.depth_backend,
        args.segmenter_backend,
        args.generator_backend,
        args.tracker_backend,
        parse_options(args.set),
    )
    session = Session(tools(Pool(), choice), folder)
    session.journal = None if args.journal is None else Journal(args.journal)
    size = None if args.size is None else parse_size(args.size)
    session.open(Opening(args.photo, args.depth, args.intrinsics, size))
    shot = Shot(args.path, args.frames, args.amount, args.seed, args.turns, tuple(args.prompt))
    session.generate(shot)
    args.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(views.newest(session).file, args.out / "initial.mp4")
    ready = time.perf_counter() - started
    if args.click or args.box or args.mask:
        _select(session, args)
        mask = session.picking.mask
        if mask is not None:
            views.export_mask(mask, args.out / "mask.png")
    session.along = Along(args.with_shadow, args.with_reflection)
    session.everywhere = not args.this_view_only
    chosen = time.perf_counter()
    if wanted:
        session.cleared()
    said = [session.everywhere_says, session.along_says] if wanted else []
    if args.delete:
        session.delete()
    elif args.move is not None:
        x, y, z = _numbers(args.move, 3, "--move")
        session.move((x, y, z))
    if wanted:
        session.generate(shot)
        shutil.copyfile(views.newest(session).file, args.out / "edited.mp4")
    edited = time.perf_counter() - chosen
    if wanted:
        views.before_after(session, args.out / "before_after.mp4")
    views.export_memory(session, args.out / "memory_before.ply", original=True)
    views.export_memory(session, args.out / "memory_after.ply")
    save_project(session, args.out / "session.spatia")
    report = _report(session, time.perf_counter() - started)
    report["notes"] += filter(None, said)
    report["timings"] |= {"photo_to_initial_clip": round(ready, 3)}
    if wanted:
        report["timings"] |= {"edit_to_edited_clip": round(edited - session.timings.get("compare", 0.0), 3)}
    (args.out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def _joined(argv: Sequence[str]) -> list[str]:
    """The arguments with numbers tied to their option: argparse takes `-0.1,0,0` after `--move` for an option."""
    out: list[str] = []
    for word in argv:
        if out and out[-1] in ("--move", "--click", "--box") and word[:1] == "-" and word[1:2] in set("0123456789."):
            out[-1] = f"{out[-1]}={word}"
        else:
            out.append(word)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """0 when done, 2 with one clear line on standard error when the input cannot be used."""
    args = parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
    try:
        with tempfile.TemporaryDirectory(prefix="spatia-") as folder:
            report = run(args, Path(folder))
    except SpatiaError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"error: {args.out} cannot be written: {e}. Give another folder with --out.", file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
