"""What a thing leaves on the ground it stands on: its shadow and its mirror image."""

from dataclasses import dataclass

from editing.edits import Along
from editing.ground import Ground
from editing.placing import Similarity
from editing.reflections import Reflection, reflection_of
from editing.shadows import Shadow, shadow_of
from spatia_core.arrays import Mask
from spatia_core.camera import Camera
from spatia_core.memory import SpatialMemory
from spatia_core.render import Rendering


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of a thing taken off the ground; None where one was not asked for or not found."""

    shadow: Shadow | None = None
    reflection: Reflection | None = None

    def cast(self, memory: SpatialMemory, motion: Similarity, ground: Ground) -> SpatialMemory:
        """The memory with the marks where the motion takes them."""
        for mark in (self.shadow, self.reflection):
            memory = memory if mark is None else mark.cast(memory, motion, ground)
        return memory


@dataclass(frozen=True, slots=True)
class Found:
    """Where the marks lie in a view."""

    shade: Mask | None = None
    mirrored: Reflection | None = None

    @classmethod
    def of(cls, pixels: Mask, seen: Rendering, camera: Camera, ground: Ground, along: Along) -> "Found":
        """The marks of what the pixels show."""
        mirrored = reflection_of(pixels, seen, camera, ground) if along.reflection else None
        shade = shadow_of(pixels, seen, camera, ground) if along.shadow else None
        if shade is not None and mirrored is not None:
            # a dark mirror image is no shadow
            shade = shade & ~mirrored.mask
        return cls(shade if shade is not None and shade.any() else None, mirrored)

    def taken(self, marked: Rendering, bare: Rendering, camera: Camera) -> Marks:
        """The marks, the shadow as what makes the one picture darker than the other."""
        return Marks(None if self.shade is None else Shadow.between(self.shade, marked, bare, camera), self.mirrored)
