"""The no-ghost rule: nothing that a generator is shown holds a pixel of what was removed."""

import numpy as np
import pytest

from editing.filming import Shot
from spatia_core.backends.protocols import Conditioning
from spatia_core.memory import SpatialMemory
from spatia_core.render import render
from tests.studio import RecordingGenerator, centre_of_thing, make_session, thing_mask

PAINT = (255, 0, 255)


def painted(memory: SpatialMemory) -> SpatialMemory:
    """The memory with the thing in a colour that is nowhere else."""
    from dataclasses import replace

    from editing.selection import lift_mask
    from tests.studio import start

    rgb = memory.cloud.rgb.copy()
    rgb[lift_mask(memory, start(), thing_mask())] = PAINT
    return replace(memory, cloud=replace(memory.cloud, rgb=rgb))


def pictures(shown: Conditioning):
    """Every picture in what a generator is shown."""
    yield shown.first_frame.rgb
    for projection in shown.projections:
        yield projection.rgb
    for view in (*shown.references, *shown.history):
        yield view.image


def has_paint(image: np.ndarray) -> bool:
    return bool((np.abs(image.astype(int) - PAINT).max(-1) < 40).any())


@pytest.mark.parametrize("edit", ["delete", "move"])
def test_no_generator_input_shows_a_removed_point(tmp_path, edit):
    generator = RecordingGenerator()
    session = make_session(tmp_path, generator)
    state = session.state
    from dataclasses import replace

    memory = painted(state.original)
    session.begin(session.source, replace(state, original=memory, memory=memory))
    session.generate(Shot("truck-right", frames=5))
    assert any(has_paint(p) for p in pictures(generator.shown[-1])), "the thing must be seen before it is removed"
    session.click(*centre_of_thing())
    if edit == "delete":
        session.delete()
    else:
        session.move((0.5, 0.0, 0.0))
    # the moved thing may be seen where it went; where it stood is what must be clean
    session.generate(Shot("truck-right", frames=5, turns=2))
    edited = generator.shown[-2:]
    assert any(len(shown.history) for shown in edited)
    for shown in edited:
        if edit == "delete":
            assert not any(has_paint(p) for p in pictures(shown))
        else:
            first = shown.references[0]
            x, y = (first.camera.width - 208) // 2, (first.camera.height - 120) // 2
            photo_part = first.image[y : y + 120, x : x + 208]
            assert not has_paint(photo_part[thing_mask()][None])


def test_the_raw_keyframe_is_never_a_reference(tmp_path):
    generator = RecordingGenerator()
    session = make_session(tmp_path, generator)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(Shot("pan-left", frames=3))
    raw = session.state.memory.keyframes[0].image
    for view in generator.shown[-1].references:
        x, y = (view.camera.width - 208) // 2, (view.camera.height - 120) // 2
        part = view.image[y : y + 120, x : x + 208]
        assert (part != raw)[thing_mask()].any(-1).mean() > 0.9


def test_projections_are_what_the_memory_shows(tmp_path):
    generator = RecordingGenerator()
    session = make_session(tmp_path, generator)
    session.generate(Shot("orbit-left", frames=3))
    shown, take = generator.shown[-1], session.state.before
    assert take is not None
    for camera, projection in zip(shown.cameras, shown.projections, strict=True):
        assert np.array_equal(projection.point_index, render(take.memory.cloud, camera).point_index)
