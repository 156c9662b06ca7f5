"""Images on disk, arrays and tensors: the only place where pixels become [-1, 1] floats and back."""

from atme.images.converting import clear_transparent, from_pil
from atme.images.folder import Found, find_images, find_some_images
from atme.images.grids import grid, paint_map
from atme.images.headers import IMAGE_SUFFIXES, Header, read_header
from atme.images.pixels import Pixels, centered, to_array, to_tensor
from atme.images.reading import decode_image, read_image
from atme.images.writing import write_image

__all__ = [
    "IMAGE_SUFFIXES",
    "Found",
    "Header",
    "Pixels",
    "centered",
    "clear_transparent",
    "decode_image",
    "find_images",
    "find_some_images",
    "from_pil",
    "grid",
    "paint_map",
    "read_header",
    "read_image",
    "to_array",
    "to_tensor",
    "write_image",
]
