"""How the page looks: quiet, light or dark as the system is, in fonts that every system has."""

from typing import Any

import gradio as gr

ABOUT = (
    "<h1>atme</h1><p>Drop a picture and see its translation. It does not leave the machine that serves this page.</p>"
)

_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

CSS = """
.gradio-container {max-width: 1400px !important; margin: 0 auto !important}
.html-container {padding: 0 !important}
.about h1 {font-size: 1.35rem; font-weight: 650; margin: 0}
.about p, .run p, p.notes {color: var(--body-text-color-subdued); margin: .15rem 0 0}
.about p, .run p, p.notes {font-size: .9rem; line-height: 1.4}
.run h2 {font-size: 1.05rem; font-weight: 600; margin: 0; overflow-wrap: anywhere}
p.waiting {border: 1px dashed var(--border-color-primary); border-radius: var(--radius-md); margin: 0}
p.waiting {color: var(--body-text-color-subdued); padding: 5rem 1rem; text-align: center}
.answers .grid-wrap {min-height: 0 !important}
p.trouble {border-left: 3px solid #d97706; margin: 0; padding: .2rem .7rem; overflow-wrap: anywhere}
"""


def theme() -> Any:
    """Without the fonts that gradio's own themes ask Google for."""
    base = gr.themes.Base(primary_hue="sky", neutral_hue="slate", font=_FONT, font_mono=_MONO)
    return base.set(block_shadow="none", body_text_color_subdued="*neutral_500")  # which can be read on white
