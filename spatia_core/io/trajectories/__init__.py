"""Camera trajectories in the forms that video generators and 3D tools exchange.

Spatia `w2c.txt` + `intrinsics.txt`, nerfstudio `transforms.json`, RealEstate10K `.txt`, MotionCtrl `.json`. Inside the
program there is one form only: OpenCV axes, world to camera.
"""

from spatia_core.io.trajectories.readers import (
    ACCEPTED,
    parse_motionctrl,
    parse_nerfstudio,
    parse_realestate,
    parse_spatia,
    parse_trajectory,
    read_normalised_lens,
    read_path,
    read_trajectory,
)
from spatia_core.io.trajectories.value import MAX_POSES, Trajectory
from spatia_core.io.trajectories.writers import (
    WRITERS,
    write_motionctrl,
    write_nerfstudio,
    write_realestate,
    write_spatia,
)

__all__ = [
    "ACCEPTED",
    "MAX_POSES",
    "WRITERS",
    "Trajectory",
    "parse_motionctrl",
    "parse_nerfstudio",
    "parse_realestate",
    "parse_spatia",
    "parse_trajectory",
    "read_normalised_lens",
    "read_path",
    "read_trajectory",
    "write_motionctrl",
    "write_nerfstudio",
    "write_realestate",
    "write_spatia",
]
