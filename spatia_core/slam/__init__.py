"""Visual SLAM: where the camera was, frame by frame, with loops closed and nothing claimed that was not seen."""

from spatia_core.slam.system import Slam
from spatia_core.slam.values import FRONTENDS, STRAIGHTENING, FrameState, FrontEndName, SlamOptions, Trajectory

__all__ = ["FRONTENDS", "STRAIGHTENING", "FrameState", "FrontEndName", "Slam", "SlamOptions", "Trajectory"]
