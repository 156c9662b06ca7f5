"""The page itself, in gradio: what is dropped on the left, and a column for each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

import gradio as gr

from atme.images import Pixels
from atme.serve.answers import Answer, Asked, Limits, answer, open_picture
from atme.serve.apart import apart
from atme.serve.examples import Example
from atme.serve.look import ABOUT
from atme.serve.shown import Shown

_HALVES = [("the whole picture", "none"), ("its left half", "left"), ("its right half", "right")]
_SCALES: list[tuple[str, str | float]] = [("as the run was tested", "run"), ("the picture's own", "native")]
_SCALES += [("a half of its own", 0.5), ("a quarter", 0.25), ("an eighth", 0.125)]
_MOST = 8  # answers to a picture
_BUTTONS = ["download", "fullscreen"]  # and none that shares with others

_EMPTY, _AT_WORK = "The translation appears here.", "Translating …"

_Update = dict[Any, Any]
Kind = Literal["trouble", "notes", "waiting"]
"""Of words on the page: what went wrong, what is worth knowing, and what stands where nothing is yet."""


@dataclass(frozen=True)
class _Column:
    """The components that show what one run makes of a picture."""

    words: gr.HTML
    slider: gr.ImageSlider
    answers: gr.Gallery
    noise: gr.Image
    read: gr.Image
    scale: gr.HTML
    """Of the colors of W."""

    @property
    def parts(self) -> list[Any]:
        return [self.words, self.slider, self.answers, self.noise, self.read, self.scale]

    def only(self, words: str, kind: Kind) -> _Update:
        """Nothing is shown but words."""
        return {part: _hidden() for part in self.parts} | {self.words: _words(words, kind)}

    def of(self, found: Answer) -> _Update:
        """What is shown of an answer."""
        first, several = found.translations[0], len(found.translations) > 1
        return {
            self.words: _hidden(),
            self.slider: gr.update(value=(str(found.source), str(first)), visible=True),
            self.answers: _some(list(map(str, found.translations)) if several else None),
            self.noise: _some(found.noise),
            self.read: _some(found.read),
            self.scale: _words(found.noise_in_words, "notes"),
        }


@dataclass(frozen=True)
class _Page:
    """What happens on the page."""

    shown: Sequence[Shown]
    examples: Sequence[Example]
    limits: Limits
    folder: Path
    file: gr.File
    words: gr.HTML
    target: gr.Image
    columns: Sequence[_Column]

    def listen(self, thumbnails: gr.Dataset, settings: Sequence[Any]) -> None:
        """Connect what a visitor does with what is shown then: at once what is known at once, then run by run.

        Each run is an event of its own: of what a generator yields in quick succession, a browser may show the last
        alone.
        """
        number, job = gr.State(None), gr.State(None)  # of the example that is shown, and what is to be translated
        every = [part for column in self.columns for part in column.parts]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        shows: dict[str, Any] = quiet | {"outputs": [job, number, self.file, self.words, self.target, *every]}
        begin, changes = partial(self._begin, job, number), [each.change for each in settings]
        in_turn = quiet | {"concurrency_id": "translating", "concurrency_limit": 1}
        begun = [
            self.file.upload(partial(begin, None), [self.file, *settings], **shows),
            self.file.clear(partial(begin, None, None), settings, **shows),
            thumbnails.click(begin, [thumbnails, self.file, *settings], **shows),
            gr.on(changes, begin, [number, self.file, *settings], trigger_mode="always_last", **shows),
        ]
        for event in begun:
            for run, column in zip(self.shown, self.columns, strict=True):
                work = partial(self._translate, run, column)
                event = event.then(work, [job], column.parts, **in_turn)

    async def _begin(
        self, job: gr.State, number: gr.State, example: int | None, file: str | None, *asked: Any
    ) -> _Update:
        """What is known of an example, by its number, or of a file, before it is translated."""
        if example is None and file is None:
            return self._nothing() | {job: None, number: None}
        chosen = None if example is None else self.examples[example]
        path = chosen.source if chosen else Path(file or "")
        wanted = Asked("none", *asked[1:]) if chosen else Asked(*asked)
        begun = {number: example} | ({self.file: None} if chosen else {})
        try:
            picture = await apart(partial(open_picture, path, half=wanted.half))
        except ValueError as error:
            return begun | self._nothing(str(error)) | {job: None}
        shows: _Update = {each.words: _words(_AT_WORK, "waiting") for each in self.columns}
        shows |= {self.words: _words(self._hint(picture, wanted), "notes")}
        shows |= {self.target: _some(chosen.target if chosen else None)}
        return begun | shows | {job: (path, wanted)}

    async def _translate(self, run: Shown, column: _Column, job: tuple[Path, Asked] | None) -> _Update:
        """What a run makes of a picture."""
        if job is None:
            return {column.words: gr.skip()}
        path, wanted = job
        rmtree(self.folder, ignore_errors=True)  # gradio has copied what is shown: one is translated at a time
        self.folder.mkdir()
        try:
            return column.of(await apart(partial(self._answer, run, path, wanted)))
        except ValueError as error:
            return column.only(str(error), "trouble")

    def _answer(self, run: Shown, path: Path, wanted: Asked) -> Answer:
        picture = open_picture(path, half=wanted.half)
        return answer(run.translator, picture, wanted, name=path.name, limits=self.limits, folder=self.folder)

    def _nothing(self, words: str = "") -> _Update:
        update: _Update = {self.words: _words(words, "trouble"), self.target: _hidden()}
        for column in self.columns:
            update |= column.only(_EMPTY, "waiting")
        return update

    def _hint(self, picture: Pixels, asked: Asked) -> str:
        height, width = picture.shape[:2]
        pair = any(each.translator.knows.may_be_pair(height, width) for each in self.shown)
        if asked.half != "none" or not pair:
            return ""
        return "It is twice as wide as high: if this is an A|B pair, choose one half in the settings."


def build(shown: Sequence[Shown], examples: Sequence[Example], *, limits: Limits, folder: Path) -> gr.Blocks:
    """The page.

    Args:
        shown: the runs, one a column.
        examples: pictures to begin with.
        limits: of what may be asked.
        folder: of files of answers, of which gradio serves copies; it is emptied time and again.
    """
    with gr.Blocks(title="atme", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)) as page:
        gr.HTML(ABOUT, elem_classes="about")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                file = gr.File(label="Picture", elem_id="picture", height=140)
                words = gr.HTML(visible=False, elem_id="words")
                thumbnails = _thumbnails(examples)
                target = _picture("What it should become", elem_id="target")
                settings = _settings(draws=any(each.draws for each in shown))
            with gr.Column(scale=3, min_width=280), gr.Row():
                columns = [_column(each, number) for number, each in enumerate(shown)]
        _Page(shown, examples, limits, folder, file, words, target, columns).listen(thumbnails, settings)
    return page


def _thumbnails(examples: Sequence[Example]) -> gr.Dataset:
    image = gr.Image(render=False, type="filepath")
    return gr.Dataset(
        label="Or one of the run's test pictures",
        components=[image],
        samples=[[str(example.source)] for example in examples],
        type="index",
        layout="gallery",
        visible=bool(examples),
        elem_id="examples",
    )


def _settings(*, draws: bool) -> list[Any]:
    """What a visitor can choose, in the order of `Asked`."""
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        return [
            gr.Radio(_HALVES, value="none", label="Translate"),
            gr.Dropdown(_SCALES, value="run", label="Size to work at"),
            gr.Number(0, label="First seed", minimum=0, precision=0, visible=draws),
            gr.Slider(1, _MOST, value=3, step=1, label="Answers", visible=draws),
        ]


def _column(shown: Shown, number: int) -> _Column:
    with gr.Column(min_width=280, elem_id=f"run{number}"):
        gr.HTML(f"<h2>{escape(shown.name)}</h2><p>{escape(shown.in_words)}</p>", elem_classes="run")
        words = gr.HTML(_said(_EMPTY, "waiting"))
        slider = gr.ImageSlider(
            label="Picture and translation",
            visible=False,
            interactive=False,
            elem_classes="slider",
            max_height=640,
            buttons=_BUTTONS,
        )
        answers = gr.Gallery(
            label="All answers",
            visible=False,
            interactive=False,
            columns=3,
            height="auto",
            elem_classes="answers",
            buttons=_BUTTONS,
        )
        with gr.Row():
            noise = _picture("W", elem_classes="noise")
            read = _picture("x·(1 + W)", elem_classes="read")
        scale = gr.HTML(visible=False)
    return _Column(words, slider, answers, noise, read, scale)


def _picture(label: str, **more: Any) -> gr.Image:
    return gr.Image(label=label, visible=False, interactive=False, min_width=130, buttons=_BUTTONS, **more)


def _some(value: Any, **more: Any) -> Any:
    """A component with a value, hidden if there is none."""
    shown = str(value) if isinstance(value, Path) else value
    return gr.update(value=shown, visible=value is not None, **(more if value is not None else {}))


def _hidden() -> Any:
    return gr.update(value=None, visible=False)


def _words(text: str, kind: Kind) -> Any:
    return gr.update(value=_said(text, kind), visible=bool(text))


def _said(text: str, kind: Kind) -> str:
    role = "alert" if kind == "trouble" else "status"
    return f'<p class="{kind}" role="{role}">{escape(text)}</p>'
