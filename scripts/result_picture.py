"""Makes the README's picture from real output: `python -m scripts.result_picture`."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.job import clicks_for
from editing.filming import Shot
from editing.opening import Opening
from editing.session import Session
from editing.tools import tools
from spatia_core.arrays import Image as Pixels
from spatia_core.backends.pool import Pool

EXAMPLES = Path("assets/examples")
OUT = Path("docs/images/result.jpg")
WIDTH, GAP = 640, 8
SHOT = Shot("orbit-right", frames=25)


def clicked(pool: Pool, name: str, folder: Path) -> Session:
    """A session on a shipped photo, filmed, its thing selected."""
    session = Session(tools(pool), folder / name)
    photo = EXAMPLES / f"{name}.jpg"
    session.open(Opening(photo))
    session.generate(SHOT)
    for click in clicks_for(photo):
        point = np.array([[float(v) + 0.5 for v in click.split(",")]])
        x, y = session.source.fit.to_working(point)[0]
        session.click(float(x), float(y))
    return session


def pair(session: Session) -> list[Pixels]:
    """A late frame of both clips."""
    state = session.state
    assert state.before is not None
    assert state.after is not None
    return [take.clip.images[-1] for take in (state.before, state.after)]


def sheet(rows: list[list[Pixels]]) -> Image.Image:
    """Rows of pictures of one width."""
    cells = [[Image.fromarray(p).resize((WIDTH, round(WIDTH * p.shape[0] / p.shape[1]))) for p in row] for row in rows]
    height = sum(row[0].height for row in cells) + GAP * (len(cells) - 1)
    out = Image.new("RGB", (2 * WIDTH + GAP, height), "white")
    y = 0
    for row in cells:
        for k, cell in enumerate(row):
            out.paste(cell, (k * (WIDTH + GAP), y))
        y += row[0].height + GAP
    return out


def main() -> None:
    """Writes the picture."""
    pool = Pool()
    with tempfile.TemporaryDirectory() as folder:
        otters = clicked(pool, "otters", Path(folder))
        otters.delete()
        otters.generate(SHOT)
        kitten = clicked(pool, "kitten-on-lawn", Path(folder))
        kitten.move((0.16, 0.0, -0.05))
        kitten.generate(SHOT)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        sheet([pair(otters), pair(kitten)]).save(OUT, quality=88)


if __name__ == "__main__":
    main()
