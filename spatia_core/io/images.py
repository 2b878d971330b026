"""Photos and masks: from any file a person has to plain sRGB pixels, and back to PNG."""

import io
import math
import threading
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from PIL import ExifTags, Image, ImageCms, ImageOps

from spatia_core import arrays
from spatia_core.arrays import Depth, Intrinsics, Mask, read_only
from spatia_core.errors import InvalidInput
from spatia_core.io.depth_files import to_size
from spatia_core.io.files import PathLike, name_of, read_bytes, replacing
from spatia_core.io.portrait_depth import portrait_depth

MAX_BYTES = 50_000_000
MAX_PIXELS = 100_000_000
KEPT_PIXELS = 8_000_000
"""Photos above this are reduced when they are read."""
MIN_SIDE = 64
ACCEPTED = "JPEG, PNG, WebP, TIFF, BMP or GIF"
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM")
_FULL_FRAME_DIAGONAL = math.hypot(36, 24)
_QUIET = threading.Lock()
"""Held while Pillow's warnings are off: the filter list belongs to the whole process."""


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A picture from outside, upright, in sRGB."""

    image: arrays.Image
    """(h, w, 3) uint8."""
    K: Intrinsics | None
    """(3, 3) pixels of `image`, from the camera's own record; None when the file does not tell."""
    source: str
    """The file's name."""
    original_size: tuple[int, int]
    """(width, height) in the file, after turning upright."""
    notes: tuple[str, ...] = ()
    """What was changed on the way in, one sentence each."""
    depth: Depth | None = None
    """(h, w) z-depth of `image` in metres, where the file brings a depth map (portrait mode)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", read_only(self.image, np.uint8))
        if self.depth is not None:
            object.__setattr__(self, "depth", read_only(self.depth, np.float32))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of `image`."""
        return self.image.shape[1], self.image.shape[0]


def load_photo(source: PathLike | bytes) -> Photo:
    """The photo upright in 8-bit sRGB, at most 8 megapixels, with K where its EXIF record gives the focal length.

    Transparency is laid on white, of an animation the first picture is taken, colour profiles are applied; `notes`
    says so. Raises InvalidInput for anything that is not a sound picture of 64 px to 100 megapixels in 50 MB.
    """
    data = read_bytes(source, MAX_BYTES, "photo")
    name = name_of(source)
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = _opened(data, name)
        width, height = picture.size
        if min(width, height) < MIN_SIDE:
            raise InvalidInput(f"{name} is {width}x{height} pixels; a photo needs at least {MIN_SIDE} pixels a side.")
        try:
            return _photo(picture, name, data)
        except InvalidInput:
            raise
        except Exception as e:  # a decoder may raise anything on a broken file
            raise InvalidInput(
                f"{name} is damaged or cut off ({e}); copy it again or save it anew as {ACCEPTED}."
            ) from e


def _opened(data: bytes, name: str) -> Image.Image:
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        raise InvalidInput(f"{name} is a HEIC photo, which is not supported; save it as JPEG or PNG and give that.")
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise InvalidInput(f"{name} has more than {MAX_PIXELS // 10**6} megapixels; give a smaller photo.") from None
    except Exception:  # a decoder may raise anything on a broken file
        raise InvalidInput(f"{name} is not a picture that can be read; give a photo as {ACCEPTED}.") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise InvalidInput(
            f"{name} has {picture.width * picture.height / 1e6:.0f} megapixels; at most {MAX_PIXELS // 10**6} are "
            "accepted, give a smaller photo."
        )
    return picture


def _photo(picture: Image.Image, name: str, data: bytes) -> Photo:
    notes: list[str] = []
    full = picture.size
    focal = _focal_share(picture, notes)
    depth = portrait_depth(picture, name, data, notes)
    count = getattr(picture, "n_frames", 1)
    if count > 1 and picture.format != "MPO":
        notes.append(f"The file holds {count} pictures; the first one is used.")
    scale = math.sqrt(min(1.0, KEPT_PIXELS / (full[0] * full[1])))
    kept = (max(1, round(full[0] * scale)), max(1, round(full[1] * scale)))
    if scale < 1:
        picture.draft(None, kept)  # lets a JPEG decode at 1/2, 1/4 or 1/8, never below `kept`
    picture.load()
    rgb = ImageOps.exif_transpose(_to_rgb(picture, notes))
    if scale < 1:
        turned = (rgb.width < rgb.height) != (full[0] < full[1])
        if turned:
            kept, full = (kept[1], kept[0]), (full[1], full[0])
        rgb = rgb.resize(kept, Image.Resampling.LANCZOS, reducing_gap=2.0)
        notes.append(f"The photo was reduced from {full[0]}x{full[1]} to {kept[0]}x{kept[1]} pixels.")
    elif rgb.size != full:
        full = rgb.size
    f = None if focal is None else focal * math.hypot(*rgb.size)
    K = None if f is None else np.array([[f, 0, rgb.width / 2], [0, f, rgb.height / 2], [0, 0, 1]])
    if depth is not None:
        depth = _depth_of(depth, picture, rgb.size, name, notes)
    return Photo(np.asarray(rgb), K, name, full, tuple(notes), depth)


def _depth_of(
    depth: Float32[np.ndarray, "map_h map_w"], picture: Image.Image, size: tuple[int, int], name: str, notes: list[str]
) -> Depth | None:
    """The file's own depth map, turned upright with the photo and brought to its size; None for another shape."""
    map_ = Image.fromarray(depth)
    map_.getexif()[ExifTags.Base.Orientation] = picture.getexif().get(ExifTags.Base.Orientation, 1)
    try:
        fitted, _ = to_size(np.asarray(ImageOps.exif_transpose(map_)), size, name)
    except InvalidInput:
        notes.append("The photo brings a depth map of another shape, which is left aside.")
        return None
    notes.append("The photo brings its own depth map, from the phone that took it; it is used.")
    return fitted


def _to_rgb(picture: Image.Image, notes: list[str]) -> Image.Image:
    """8-bit sRGB; keeps the EXIF record, so the picture can still be turned upright."""
    exif = picture.getexif()
    profile = picture.info.get("icc_profile")
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        picture = Image.fromarray(_eight_bits(np.asarray(picture).astype(np.float64), notes))
    if picture.has_transparency_data:
        layers = picture.convert("RGBA")
        if np.asarray(layers.getchannel("A")).min() < 255:
            notes.append("Transparent parts were laid on white.")
        white = Image.new("RGBA", layers.size, "white")
        picture = Image.alpha_composite(white, layers).convert("RGB")
    if picture.mode in ("P", "1", "L", "YCbCr", "HSV"):
        picture = picture.convert("RGB")
    if picture.mode in ("CMYK", "LAB") or (profile and picture.mode == "RGB"):
        picture = _through_profile(picture, profile, notes)
    picture = picture.convert("RGB")
    picture.info["exif"] = exif.tobytes() if exif else b""
    return picture


def _through_profile(picture: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    try:
        if picture.mode == "LAB":
            own = ImageCms.createProfile("LAB")
        elif profile:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            notes.append("The photo is in CMYK without a colour profile; colours may be a little off.")
            return picture
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, own, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("The photo's colour profile cannot be used; its colours are taken as sRGB.")
        return picture
    if picture.mode != "RGB":
        notes.append(f"Colours were converted from {picture.mode} to sRGB.")
    return converted if converted is not None else picture


def _eight_bits(values: np.ndarray, notes: list[str]) -> np.ndarray:
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    top = next((t for t in (1.0, 255.0, 65535.0) if low >= 0 and high <= t), None)
    if top == 1.0 and np.equal(np.mod(values, 1), 0).all():
        top = 65535.0  # whole numbers: a nearly black 16-bit picture, not a float picture
    if top is None:
        notes.append(f"The values {low:g} to {high:g} were stretched to black and white.")
        return np.rint((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    notes.append("The picture was reduced to 8 bits a channel.")
    return np.rint(values / top * 255).astype(np.uint8)


def _focal_share(picture: Image.Image, notes: list[str]) -> float | None:
    """Focal length as a share of the picture's diagonal, or None when EXIF does not tell or cannot be right."""
    try:
        exif = picture.getexif().get_ifd(ExifTags.IFD.Exif)
        share = _recorded_focal_share({k: exif.get(k) for k in _FOCAL_TAGS}, picture.size)
    except Exception:  # EXIF is free-form bytes of foreign makers
        return None
    if share is None:
        return None
    if not 0.25 < share < 20:
        notes.append("The focal length in the photo's EXIF record cannot be right and is not used.")
        return None
    return share


_FOCAL_TAGS = (0xA405, 0x920A, 0xA20E, 0xA210, 0xA002, 0xA003)
"""35 mm equivalent, focal length, focal plane resolution and its unit, pixel width and height."""


def _recorded_focal_share(tags: dict[int, object], size: tuple[int, int]) -> float | None:
    equivalent, focal, resolution, unit, wide, high = (float(tags[k] or 0) for k in _FOCAL_TAGS)  # type: ignore[arg-type]
    taken = (wide, high) if wide > 0 and high > 0 else size
    aspect, now = max(taken) / min(taken), max(size) / min(size)
    if abs(aspect / now - 1) > 0.02:
        return None  # cropped since it was taken: the record no longer belongs to this picture
    if equivalent > 0:
        return equivalent / _FULL_FRAME_DIAGONAL
    millimetres = {2: 25.4, 3: 10.0, 4: 1.0}.get(int(unit) or 2)
    if focal > 0 and resolution > 0 and millimetres:
        return focal * resolution / millimetres / math.hypot(*taken)
    return None


def load_mask(source: PathLike | bytes, size: tuple[int, int] | None = None) -> Mask:
    """True where the picture is opaque (if it has transparency) or else light; of a dark index mask, where it is not 0.

    `size` is the (width, height) it must have. Raises InvalidInput for another size or an unreadable file.
    """
    data = read_bytes(source, MAX_BYTES, "mask")
    name = name_of(source)
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = _opened(data, name)
        if size is not None and picture.size != tuple(size):
            raise InvalidInput(
                f"The mask {name} is {picture.width}x{picture.height} pixels, but the picture it belongs to is "
                f"{size[0]}x{size[1]}; give a mask of exactly that size."
            )
        try:
            values = _mask_values(picture)
        except Exception as e:  # a decoder may raise anything on a broken file
            raise InvalidInput(f"The mask {name} is damaged or cut off ({e}); save it again as PNG.") from e
    return values >= 128 if values.max() >= 128 else values > 0


def _mask_values(picture: Image.Image) -> np.ndarray:
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        values = np.asarray(picture).astype(np.float64)
        return values * (255 / 65535) if values.max() > 255 else values
    return np.asarray(picture.convert("RGB")).max(axis=2)


def save_png(path: PathLike, pixels: np.ndarray) -> None:
    """Writes uint8 RGB, RGBA or grey, or a bool mask (white = True), as PNG; the file appears whole or not at all."""
    pixels = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    if pixels.dtype != np.uint8:
        raise InvalidInput(f"A PNG is written from uint8 or bool pixels, got {pixels.dtype}.")
    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, "PNG", compress_level=4)
