"""What all widgets share: each one is also a picture of itself."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, VBox

from digitlab.picture import Picture, img_tag


class Explorer(VBox):
    """A column of controls and pictures that also shows as a static picture.

    Where no kernel runs (a saved notebook, an exported page) its `snapshot` is shown, with
    alternative text.
    """

    def snapshot(self) -> Picture:
        """Return a picture of what the widget shows now."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # without the traits of its parts

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        picture = self.snapshot()
        return bundle | {"text/html": img_tag(picture.png(), picture.alt)}


def show(place: HTML, picture: Picture) -> None:
    """Put a picture, with its alternative text, where an HTML widget stands."""
    image = img_tag(picture.png(), picture.alt)
    place.value = image.replace("<img ", '<img style="max-width: 100%" ', 1)
