"""A page in the browser, on which runs are tried: drop a picture, see what they make of it.

Nothing here, and nothing in the page, asks the network for anything. gradio, which draws the page, is imported when a
page is served and not before.
"""

from atme.serve.answers import Limits
from atme.serve.server import serve
from atme.serve.shown import Shown

__all__ = ["Limits", "Shown", "serve"]
