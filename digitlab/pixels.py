"""Pixels: whatever array they come in, models take them as float (N, 1, 28, 28) in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from digitlab.geometry import SIZE

# --- Of digits ----------------------------------------------------------------------------------


def as_pixels(images: Tensor) -> Tensor:
    """Turn uint8 (..., 28, 28) into float (..., 1, 28, 28) in [0, 1]: what every model takes.

    Raises:
        ValueError: for another type or shape.
    """
    if not is_tensor(images, torch.uint8) or images.shape[-2:] != (SIZE, SIZE):
        raise ValueError(f"uint8 (..., 28, 28) becomes pixels in [0, 1], but not {kind_of(images)}")
    return _with_channel(images / 255)


def _with_channel(images: Tensor) -> Tensor:
    return images.unsqueeze(-1).movedim(-1, -3)  # in the models' order: channels last


def as_batch(images: Tensor | np.ndarray) -> Tensor:
    """Return digits as float (N, 1, 28, 28) in [0, 1].

    Args:
        images: (N, 28, 28) or (N, 1, 28, 28), uint8 or in [0, 1], in any kind of array.

    Raises:
        ValueError: for another shape or range, or what are no real numbers.
    """
    pixels = as_numbers(images)
    if pixels.shape[1:] not in ((SIZE, SIZE), (1, SIZE, SIZE)):
        raise ValueError(
            f"a digit must have the shape (28, 28) or (1, 28, 28), not {tuple(pixels.shape[1:])}; "
            "give larger pictures as Pillow images or files"
        )
    if pixels.dtype == torch.uint8:
        if len(pixels) and pixels.max() == 1:
            raise ValueError(
                "these pixels are 0 and 1 of 0 to 255, so all is black; multiply them by 255, or "
                "give them as floats"
            )
        return as_pixels(pixels.reshape(-1, SIZE, SIZE))
    bad = int((~pixels.isfinite()).sum())
    if bad:
        raise ValueError(
            f"pixels must lie in [0, 1], but {bad} of these {pixels.numel()} are no numbers (NaN "
            "or infinite); put 0 in their place with torch.nan_to_num(pixels, 0, 0, 0)"
        )
    if len(pixels) and not 0 <= pixels.min() <= pixels.max() <= 1:
        raise ValueError(
            f"pixels must lie in [0, 1], but these go from {pixels.min():.2f} to "
            f"{pixels.max():.2f}; divide 0 to 255 by 255"
        )
    return pixels if pixels.ndim == 4 else _with_channel(pixels)


def need_floats(images: Tensor) -> None:
    """Refuse what is no batch of floats (N, 1, H, W).

    Raises:
        ValueError: saying what it is.
    """
    is_batch = isinstance(images, Tensor) and images.is_floating_point() and images.ndim == 4
    if not is_batch or _odd_tensor(images):
        raise ValueError(
            f"pixels must be float (N, 1, 28, 28), as as_pixels makes them, not {kind_of(images)}"
        )


# --- Of any shape -------------------------------------------------------------------------------


def is_tensor(values: object, dtype: torch.dtype) -> bool:
    """Say whether this is a dense tensor of one type."""
    return isinstance(values, Tensor) and values.dtype == dtype and not _odd_tensor(values)


def as_numbers(values: object, what: str = "pixels") -> Tensor:
    """Return a tensor or array as a dense tensor on the processor: uint8 as it is, else float32.

    Raises:
        ValueError: for another type, or one that does not hold a real number at each place.
    """
    if not isinstance(values, Tensor | np.ndarray):
        raise ValueError(f"{what} must be a tensor or an array, not {type(values).__name__}")
    odd = _odd_tensor(values) if isinstance(values, Tensor) else _odd_array(values)
    if odd:
        raise ValueError(f"{what} must be real numbers, one at each place, but these are {odd}")
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return values if values.dtype == torch.uint8 else values.float()
    with np.errstate(over="ignore"):  # beyond float32 lies infinity, and that is no pixel
        # an array may be turned or locked, which a tensor cannot be; its copy is not
        return torch.from_numpy(np.array(values, np.uint8 if values.dtype == np.uint8 else "f4"))


def kind_of(values: object) -> str:
    """Say what these are, in a few words."""
    if not isinstance(values, Tensor):
        return f"of type {type(values).__name__}"
    odd = _odd_tensor(values).partition(";")[0]
    return odd or f"{values.dtype} of shape {tuple(values.shape)}"


def _odd_tensor(values: Tensor) -> str:
    """Say why a tensor does not hold a real number at each place, and what helps; else nothing."""
    plain = values.layout == torch.strided and not values.is_nested and not values.is_meta
    if plain and values.dtype in NUMBERS:
        return ""
    kinds = {
        "nested; fill the gaps with .to_padded_tensor(0)": values.is_nested,
        "on the device meta, which has no values; take another one": values.is_meta,
        f"{values.layout}; make them dense with .to_dense()": not plain,
        f"{values.dtype}; make them floats with .dequantize()": values.is_quantized,
        f"{values.dtype}; take their .real part": values.is_complex(),
    }
    return next((words for words, so in kinds.items() if so), f"{values.dtype}; make them floats")


def _odd_array(values: np.ndarray) -> str:
    kinds = {
        "masked in part; fill the gaps with .filled(0)": np.ma.is_masked(values),
        f"{values.dtype}; take their .real part": values.dtype.kind == "c",
        f"{values.dtype}; make them floats": values.dtype.kind not in "biufc",
    }
    return next((words for words, so in kinds.items() if so), "")


NUMBERS = {
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint16, torch.uint32, torch.uint64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
}
