"""A trained game as a function from pictures to pictures.

A picture goes through whole where memory allows it (else see `tiling.py`), at the size that the run was tested at if it
had one, and gets its own size back: continued by reflection to the generator's stride and cut back, so no pixel moves.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor

from atme.data import Pair
from atme.data.sizes import resize
from atme.images import Pixels, to_array, to_tensor
from atme.inference.as_trained import as_trained, draws
from atme.inference.hub import find_folder
from atme.inference.inside import Inside, inside
from atme.inference.large import Large
from atme.inference.loading import Loaded, Weights, load
from atme.inference.pictures import (
    AtWork,
    Picture,
    Scale,
    at_work,
    is_one,
    require_batch,
    require_holdable,
    require_seed,
    several_pictures,
    size_of,
    to_pil,
    within_memory,
)
from atme.inference.pretrained import Dtype, save
from atme.inference.tiling import WHOLE, Tiling
from atme.machine import give_back_freed_memory, keep_freed_memory
from atme.models.any_size import translate
from atme.models.knowledge import knowledge
from atme.noise import Corrupted

Precision = Literal["float32", "bf16"]


class Translator:
    """Translates pictures, one or many; made by `from_run` or `from_pretrained`.

    Args:
        loaded: model, networks, and where they come from.
        precision: ``bf16`` runs most of the network in bfloat16.
        as_trained: batch norms read each picture's own statistics, and dropout is on, as in training.

    Attributes:
        knows: what the run knows of pictures: sizes, channels, bits, and which half of A|B it translates.
        large: says whether a picture is translated whole, and does it otherwise.

    Raises:
        ValueError: for another precision, or options that cannot be read.
    """

    def __init__(self, loaded: Loaded, *, precision: Precision = "float32", as_trained: bool = False) -> None:
        if precision not in ("float32", "bf16"):
            raise ValueError(f"precision: {precision!r} is none; use float32 or bf16")
        self.model, self.networks, self.measured = loaded.model, loaded.networks, loaded.measured
        self.source, self.options, self.calls = loaded.source, loaded.options, loaded.calls
        self.precision, self.as_trained, self._loaded = precision, as_trained, loaded
        keep_freed_memory()
        generator: Any = self.networks.generator
        self.device, stride = next(generator.parameters()).device, generator.stride
        self.knows = knowledge(self.options, self.measured, stride=stride, root=loaded.root)
        self.large = Large(self.model, self.networks, self.knows, bf16=precision == "bf16", calls=self.calls)

    @classmethod
    def from_run(
        cls,
        run: str | Path,
        *,
        weights: Weights = "average",
        device: str = "auto",
        precision: Precision = "float32",
        as_trained: bool = False,
        calls: int | None = None,
        trust: bool = False,
    ) -> Self:
        """The translator of a run.

        Args:
            run: the run's folder, for its last checkpoint; the folder of one of its checkpoints; one that
                `save_pretrained` wrote; or the name of a model that comes along, such as ``earth``.
            weights: ``average`` takes the averaged weights where the run has them; ``last`` the trained ones.
            device: ``auto`` takes a GPU where there is one; or a device's name, such as ``cpu`` or ``cuda:1``.
            precision: ``bf16`` is faster on most machines and a little less exact.
            as_trained: translate as pix2pix's authors do: batch norms read each picture's own statistics, and
                dropout stays on, drawn by the seed.
            calls: of the generator for each translation, of a model that leaves a choice, as a DenoisingGAN does.
            trust: whether the run's options may name classes that are not of atme, which are then imported and
                run. Read them first where the folder is a stranger's.

        Raises:
            ValueError: if the folder holds no run, a file of it is missing or damaged, it names code that is not of
                atme, or its model cannot translate in so many calls.
        """
        loaded = load(run, weights=weights, device=device, trust=trust, calls=calls)
        return cls(loaded, precision=precision, as_trained=as_trained)

    @classmethod
    def from_pretrained(
        cls,
        place: str | Path,
        *,
        revision: str | None = None,
        device: str = "auto",
        precision: Precision = "float32",
        as_trained: bool = False,
        calls: int | None = None,
        trust: bool = False,
    ) -> Self:
        """The translator that `save_pretrained` wrote; a run or a checkpoint is taken too.

        Args:
            place: the folder that it was written to; the name of a model that comes along, such as ``earth``; or that
                of a model at the Hugging Face Hub, OWNER/NAME, which is fetched once and then found on disk. A folder
                that is there comes first.
            revision: of a model at the hub: a branch, a tag or a commit.
            device: as for `from_run`.
            precision: as for `from_run`.
            as_trained: as for `from_run`.
            calls: as for `from_run`.
            trust: as for `from_run`.

        Raises:
            ValueError: as for `from_run`, or if there is neither such a folder nor such a model that can be reached.
        """
        folder = find_folder(place, revision=revision, trust=trust)
        loaded = load(folder, weights="average", device=device, trust=trust, calls=calls)
        return cls(loaded, precision=precision, as_trained=as_trained)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        license: str = "unknown",
        dtype: Dtype = "float32",
        overwrite: bool = False,
    ) -> None:
        """Write what `from_pretrained` reads, laid out as model hubs have it.

        ``config.json`` holds the options and all that `knows` is made of, ``model.safetensors`` the weights in use,
        ``README.md`` the model's card, filled from the run, with its last grid of samples.

        Args:
            folder: made if it is missing.
            name: of the model, in its card; the folder's by default.
            license: of the weights, in a hub's word such as ``mit``.
            dtype: of the weights in the file: ``float16`` and ``bfloat16`` take half the room, and round.
            overwrite: whether the files of an earlier saving may be replaced.

        Raises:
            ValueError: if files are there, or the folder holds a run.
            OSError: if the folder cannot be written.
        """
        save(self._loaded, self.knows, Path(folder), name=name, license=license, dtype=dtype, overwrite=overwrite)

    def __call__(
        self,
        picture: Picture | Iterable[Picture],
        *,
        scale: Scale = "run",
        bits: Literal[8, 16] | None = None,
        seed: int = 0,
        tiling: Tiling = WHOLE,
        as_labels: bool = False,
    ) -> Any:
        """Translate a picture, or several.

        Args:
            picture: a path, a PIL image, an array (H, W, C) of uint8 or uint16, or a list, each of its own size.
            scale: ``run`` works at the size that the run was tested at, if all pictures were resized to one, else
                at each picture's own; ``native`` always at its own; a number at so many times its own.
            bits: of each value of the translation; None for as many as the run's targets have.
            seed: of what the model draws; another seed is another answer, unless ``one_answer``.
            tiling: how pictures are translated that are too large for memory.
            as_labels: of a run whose targets are labels: every pixel gets the nearest class's color, or its id.

        Returns:
            A PIL image of the picture's size; a list of them for a list.

        Raises:
            ValueError: if a picture cannot be read or has other channels than the generator reads, or if PIL cannot
                hold translations (colors of 16 bits); or if the run has no labels, and they are asked for.
        """
        require_holdable(self.knows, bits=bits)
        made = partial(self.pixels, scale=scale, bits=bits, seed=seed, tiling=tiling, as_labels=as_labels)
        if is_one(picture):
            return to_pil(made(picture))
        return [to_pil(made(each, name=f"picture {i}")) for i, each in enumerate(several_pictures(picture))]

    @property
    def one_answer(self) -> bool:
        """Whether a picture has one translation; if not, each is drawn, by a seed."""
        return self.model.one_answer and not (self.as_trained and draws(self.networks.generator))

    def pixels(
        self,
        picture: Picture,
        *,
        scale: Scale = "run",
        bits: Literal[8, 16] | None = None,
        name: str = "picture",
        seed: int = 0,
        tiling: Tiling = WHOLE,
        as_labels: bool = False,
    ) -> Pixels:
        """Translate one picture into an array (H, W, C') of uint8, or of uint16 for 16 bits.

        Arguments and errors are those of a call; ``name`` is what errors call a picture that is no path.
        """
        works = [at_work(picture, scale, self.knows, name=name)]
        (made,) = self.together(works, bits=bits, seed=seed, tiling=tiling)
        return self.knows.snapped(made) if as_labels else made

    @torch.inference_mode()
    def together(
        self,
        works: Sequence[AtWork],
        *,
        bits: Literal[8, 16] | None = None,
        seed: int = 0,
        tiling: Tiling = WHOLE,
    ) -> list[Pixels]:
        """Translate pictures that are worked on at one size, as a batch where they go whole; no answer depends on it.

        The last bits may, since sums are taken in another order. Arguments and errors are those of `pixels`.
        """
        deep, first = bits or self.knows.target_bits, works[0]
        with within_memory(size_of(first.pixels), name=first.name):
            way = self.large.way(size_of(first.pixels), first.own, tiling=tiling, name=first.name)
            if way.whole:
                fakes = self.tensor(torch.stack([to_tensor(work.pixels) for work in works]), seed=seed)
                made = [to_array(fake, bits=deep) for fake in fakes]
            else:
                with give_back_freed_memory(), self._alive(seed):
                    large = partial(self.large.translate, way=way, bits=deep, seed=seed, scratch=tiling.scratch)
                    made = [large(work.pixels) for work in works]
            how = self.knows.target_interpolation
            return [resize(each, work.own, how=how) for each, work in zip(made, works, strict=True)]

    @torch.inference_mode()
    def look_inside(
        self,
        picture: Picture,
        *,
        scale: Scale = "run",
        bits: Literal[8, 16] | None = None,
        name: str = "picture",
        seed: int = 0,
    ) -> Inside:
        """As `pixels`, with what the generator read: W and x·(1 + W), where the game has such noise.

        Arguments and errors are those of `pixels`.
        """
        work = at_work(picture, scale, self.knows, name=name)
        with within_memory(size_of(work.pixels), name=work.name):
            corrupted, fake = self._translate(to_tensor(work.pixels)[None], seed=seed)
            made = to_array(fake[0], bits=bits or self.knows.target_bits)
            translation = resize(made, work.own, how=self.knows.target_interpolation)
            return inside(translation, corrupted, size=work.own, knows=self.knows)

    @torch.inference_mode()
    def tensor(self, source: Tensor, *, seed: int = 0) -> Tensor:
        """Translate a batch (B, C, H, W) in [-1, 1] into (B, C', H, W) in [-1, 1], float32, on the same device.

        Raises:
            ValueError: if it is no such batch.
        """
        require_batch(source, self.knows)
        parts = source.split(1) if self.as_trained else [source]  # each has its own statistics, and its own draws
        return torch.cat([self._translate(part, seed=seed)[1] for part in parts])

    def _translate(self, source: Tensor, *, seed: int) -> tuple[Corrupted, Tensor]:
        view = torch.eye(2, 3, device=self.device).expand(len(source), 2, 3)
        pair = Pair(source.to(self.device, torch.float32), None, None, view, ("",) * len(source))
        with self._alive(seed):
            rng = torch.Generator().manual_seed(seed)
            corrupted, fake = translate(self.model, self.networks, pair, rng=rng, calls=self.calls)
        return corrupted, fake.float().clamp(-1, 1).to(source.device)

    @contextmanager
    def _alive(self, seed: int) -> Iterator[None]:
        """The networks in the precision, and with the batch norms and dropout, that were asked for."""
        require_seed(seed)
        alive = as_trained(self.networks.generator, seed=seed) if self.as_trained else nullcontext()
        with alive, torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            yield
