"""The headers of every answer: what a browser may do with it, and what it may keep."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        # regl, which draws the maps, writes its drawing code and makes functions of it.
        "script-src 'self' 'unsafe-eval'",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Of the explorer's page: its own files, and nothing of anyone else's."""
DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of everything else: not a page."""
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "midi=(), payment=(), usb=(), serial=(), hid=()",
}


def is_page(method: str, path: str) -> bool:
    """Whether a request is for the explorer's files, which hold no data."""
    if method not in ("GET", "HEAD"):
        return False
    if path in ("/", "/explore"):  # both lead to the next
        return True
    return path.startswith("/explore/") and not path.startswith("/explore/api")


def add_headers(headers: MutableHeaders, *, page: bool, status: int) -> None:
    """Complete the headers of an answer; what a route set itself stays.

    Parameters
    ----------
    headers : MutableHeaders
    page : bool
        Whether it is a file of the explorer.
    status : int
    """
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    headers.setdefault("content-security-policy", PAGE_POLICY if page else DATA_POLICY)
    kept = page and status in (200, 206, 304)
    # The page's files are asked for by their ETag each time, and sent only when they changed.
    headers.setdefault("cache-control", "no-cache" if kept else "no-store")
