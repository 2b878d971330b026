"""What a generator is shown for a path. All of it is rendered from the edited memory, so nothing removed can leak."""

from collections.abc import Sequence
from typing import overload

from spatia_core.backends.protocols import Conditioning, ReferenceView
from spatia_core.camera import Camera
from spatia_core.completion import MARGIN
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.movers import Mover
from spatia_core.point_cloud import PointCloud
from spatia_core.references import select_references
from spatia_core.render import Rendering, render


class Projections(Sequence[Rendering]):
    """A cloud seen along a path, rendered frame by frame when asked for; a clip's worth would not fit in memory."""

    def __init__(self, cloud: PointCloud, cameras: Sequence[Camera]) -> None:
        self._cloud = cloud
        self._cameras = tuple(cameras)

    @property
    def cloud(self) -> PointCloud:
        """What is rendered, for generators that draw in a way of their own."""
        return self._cloud

    def __len__(self) -> int:
        return len(self._cameras)

    @overload
    def __getitem__(self, index: int) -> Rendering: ...
    @overload
    def __getitem__(self, index: slice) -> "Projections": ...
    def __getitem__(self, index: int | slice) -> "Rendering | Projections":
        if isinstance(index, slice):
            return Projections(self._cloud, self._cameras[index])
        return render(self._cloud, self._cameras[index])


def view_of(memory: SpatialMemory, camera: Camera) -> ReferenceView:
    """What the memory shows from `camera`: never a raw picture (no-ghost rule)."""
    seen = render(memory.cloud, camera)
    return ReferenceView(seen.rgb, seen.depth, camera)


def condition(
    memory: SpatialMemory, path: Sequence[Camera], history: Sequence[Camera] = (), movers: Sequence[Mover] = ()
) -> Conditioning:
    """Projections along `path`, the keyframes that see the same points, and `history`, the last cameras before it.

    movers: what moves over the projections, frame 0 being the path's first.
    """
    chosen = select_references(memory, path)
    return Conditioning(
        cameras=tuple(path),
        projections=Projections(memory.cloud, path),
        references=tuple(view_of(memory, memory.keyframes[k].camera.widened(MARGIN)) for k in chosen),
        history=tuple(view_of(memory, camera) for camera in history),
        invented=memory.of(Provenance.COMPLETED),
        movers=tuple(movers),
    )
