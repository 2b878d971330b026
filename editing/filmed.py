"""From a video file to the source and the state that a session begins with."""

from pathlib import Path

from editing.opening import Opening
from editing.state import Source, State
from spatia_core.backends.protocols import DepthEstimator, Progress, silent
from spatia_core.errors import InvalidInput
from spatia_core.io.depth_files import load_intrinsics
from spatia_core.io.files import name_of
from spatia_core.io.recordings import read_recording
from spatia_core.recorded import remember_video


def open_video(opening: Opening, estimator: DepthEstimator, progress: Progress = silent) -> tuple[Source, State]:
    """The video's first frame as the source, and a state whose memory is what all its frames saw.

    What was tracked, and what was not, stands in the source's notes.
    """
    if opening.depth is not None:
        raise InvalidInput("A depth map belongs to a photo; the depth of a video is worked out. Leave the map away.")
    recording = read_recording(opening.photo, opening.size, told=lambda s: progress(0.1 * s, "Reading the video"))
    fit = recording.fit
    K = None
    if opening.intrinsics is not None:
        K = fit.intrinsics_to_working(load_intrinsics(opening.intrinsics, fit.photo_size))
    made = remember_video(recording.images, recording.times, estimator, K, lambda s, d: progress(0.1 + 0.9 * s, d))
    name = "video" if isinstance(opening.photo, bytes) else Path(name_of(opening.photo)).name
    notes = (*recording.notes, *made.notes)
    source = Source(recording.images[0], fit, made.prediction, name, fit.photo_size, notes)
    return source, State(made.memory, made.memory, made.memory.keyframes[0].camera)
