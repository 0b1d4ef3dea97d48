"""QR codes of short URLs, by segno. Pure."""

import io
from typing import Literal

import segno

QrFormat = Literal["svg", "png"]
ErrorCorrection = Literal["L", "M", "Q", "H"]


def render_qr(
    url: str,
    kind: QrFormat,
    *,
    size_px: int,
    dark: str,
    light: str | None,
    error_correction: ErrorCorrection,
    margin: int,
) -> bytes:
    """The image: `margin` in modules, colours as `#rrggbb`, None for a transparent ground.

    An SVG is `size_px` wide; a PNG is the largest with whole pixels a module that is not wider, and no
    smaller than one pixel a module.
    """
    code = segno.make_qr(url, error=error_correction, boost_error=False)
    modules = code.symbol_size(border=margin)[0]
    image = io.BytesIO()
    if kind == "svg":
        # "none" would draw no ground at all, which is what transparent means.
        code.save(
            image,
            kind="svg",
            scale=size_px / modules,
            border=margin,
            dark=dark,
            light=light,
            xmldecl=False,
            title=url,
        )
    else:
        code.save(image, kind="png", scale=max(1, size_px // modules), border=margin, dark=dark, light=light)
    return image.getvalue()
