"""Images in class folders, `ROOT/CLASS/*` or `ROOT/train|val|test/CLASS/*`, brought to one size.

The shorter side becomes `size` pixels by antialiased bilinear interpolation, then the centre is cut
out. Images are turned as their camera noted; transparency is dropped; of an animation the first
frame is read. They are grey if all of them are, else RGB.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actstudy.own_data import files, folders, splitting
from actstudy.own_data.content import Content
from actstudy.own_data.options import SHARES, SPLITS, Source

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = 32
GREY = ("1", "L", "LA")
DEEP = ("I;16", "I;16B", "I;16L", "I")  # modes of 16 bits, and of 32 bits that PNGs of 16 have
MAX_DEEP = 2**16 - 1
FLOATING = "F"


@dataclass(frozen=True)
class Listed:
    """The images of a data set in the order of their names, N of them.

    places: split of the folder, "" if none says it, and class; sums: their SHA-256.
    """

    paths: list[Path]
    places: list[tuple[str, str]]
    sums: list[tuple[str, str]]
    is_grey: bool


def is_image(path: Path) -> bool:
    """Whether a file's name ends as those of images do that PIL reads."""
    from PIL import Image

    return path.suffix.lower() in Image.registered_extensions()


def read(source: Source, whole: bool) -> Content:
    """The images of a folder; whole: with arrays, else described alone, from the files' heads."""
    source.check_keys("images")
    folders.check_shares(source)
    listed = _listed(source)
    class_names = sorted({name for _, name in listed.places})
    labels = np.array([class_names.index(name) for _, name in listed.places])
    splitting.check_sizes(source, labels, class_names)
    equal = np.unique([digest for _, digest in listed.sums], return_inverse=True)[1]
    names = [split for split, _ in listed.places]
    if names[0]:
        splits = splitting.by_names(source, names, labels, equal)
        split_by: object = "folders"
    else:
        split_by = source.split or SHARES
        splits = splitting.by_shares(source, labels, equal, split_by)  # type: ignore[arg-type]
    splitting.check_classes(source, labels, splits, class_names)
    size = source.size or SIZE
    arrays = {}
    for split in SPLITS if whole else ():
        rows = np.flatnonzero(splits == split)
        x = [_pixels(source, listed.paths[row], size, listed.is_grey) for row in rows]
        arrays[split] = {"x": np.stack(x), "y": labels[rows]}
    return Content(
        kind="images",
        how={"size": size, "split": split_by},
        sums=listed.sums,
        splits=arrays,
        train_size=int((splits == "train").sum()),
        shape=[1 if listed.is_grey else 3, size, size],
        class_names=class_names,
    )


def _listed(source: Source) -> Listed:
    """All images below a folder, each with its class; StudyError if a file is none."""
    by_split = folders.split_folders(source) or {"": source.path}
    paths = []
    places = []
    sums = []
    is_grey = True
    for split, root in by_split.items():
        for path in files.listed(root):
            parts = path.relative_to(root).parts
            if len(parts) < 2:
                allowed = f"{root.name}/CLASS/{path.name}"
                raise source.fault(f"{path.name}: in no class folder; allowed: {allowed}")
            raw = files.content(path)
            with _opened(source, path, raw) as image:
                is_grey = is_grey and image.mode in (*GREY, *DEEP)
            paths.append(path)
            places.append((split, parts[0]))
            sums.append(files.entry(source.path, path, raw))
        for folder in sorted(root.iterdir()):
            is_class = folder.is_dir() and not folder.name.startswith(".")
            if is_class and not files.listed(folder):
                fault = f"class folder {folder.relative_to(source.path)} holds no image"
                raise source.fault(f"{fault}; allowed: at least one, or no such folder")
    return Listed(paths, places, sums, is_grey)


def _opened(source: Source, path: Path, raw: bytes) -> "Image":
    """An image, its pixels not yet decoded; StudyError if the file is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but readable tags
            image = Image.open(io.BytesIO(raw))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _no_image(source, path, raw, error) from None
    if image.mode == FLOATING:
        name = path.relative_to(source.path)
        raise source.fault(f"{name}: an image of floats; allowed: of 1, 8 or 16 bits per channel")
    return image


def _no_image(source: Source, path: Path, raw: bytes, error: Exception) -> ValueError:
    fault = " ".join(str(error).split())
    if "cannot identify" in fault:
        fault = f"starts with {raw[:8]!r}" if raw else "empty"
    name = path.relative_to(source.path)
    return source.fault(
        f"{name}: no image that can be read ({fault:.80}); allowed: images alone; to fix: replace "
        "or remove the file"
    )


def _pixels(source: Source, path: Path, size: int, is_grey: bool) -> np.ndarray:
    """An image as uint8 (channels, size, size)."""
    from PIL import ImageOps

    raw = files.content(path)
    with _opened(source, path, raw) as image:
        try:
            turned = ImageOps.exif_transpose(image)
            plain = _of_eight_bits(turned) if turned.mode in DEEP else turned
            array = np.asarray(resized(plain.convert("L" if is_grey else "RGB"), size))
        except (OSError, ValueError, SyntaxError, OverflowError) as error:
            raise _no_image(source, path, raw, error) from None
    return array[None] if is_grey else np.moveaxis(array, 2, 0)


def _of_eight_bits(image: "Image") -> "Image":
    """A grey image of 16 bits as one of 8, which PIL would cut off at 255."""
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > MAX_DEEP:
        raise ValueError(f"values from {values.min()} to {values.max()}")
    return Image.fromarray(np.rint(values * 255 / MAX_DEEP).astype(np.uint8))


def resized(image: "Image", size: int) -> "Image":
    """The centre of an image, size x size, after its shorter side has become `size` pixels."""
    from PIL import Image

    shorter = min(image.size)
    width, height = (max(size, round(side * size / shorter)) for side in image.size)
    across = (width - size) // 2
    down = (height - size) // 2
    scaled = image.resize((width, height), Image.Resampling.BILINEAR)
    return scaled.crop((across, down, across + size, down + size))
