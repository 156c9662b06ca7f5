"""A folder of published weights as a run of ours: what its files tell is measured, what they cannot tell is asked for.

What the authors' options do not say is as their code has it by default, and the user is told. Memory and optimizers
are not distributed, nor how many pairs and updates there were: such a run translates, is scored, and can be begun from
(``training.start_from``).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import yaml
from jsonargparse import ArgumentParser
from safetensors.torch import save_file

from atme.data.recipes import recipe_paths
from atme.inference.published import load_published
from atme.inference.published_files import OPTION_FILES, Options, read_options_text, read_published
from atme.inference.published_networks import (
    Weights,
    is_atme,
    measure_discriminator,
    measure_generator,
    measure_widths,
)
from atme.models import Networks
from atme.models.build import SECTIONS, Measured, add_arguments, build
from atme.outputs import some
from atme.run_folder import FORMAT, checkpoint_path

Kind = Literal["auto", "atme", "pix2pix"]
_Value = TypeVar("_Value")

_ADVERSARIAL = {"vanilla": "vanilla", "lsgan": "least_squares", "wgangp": "wgan_gp"}
_INITIALIZATION = {name: name for name in ("normal", "xavier", "kaiming", "orthogonal")}


@dataclass(frozen=True)
class Told:
    """What the user and the authors' options tell, and what had to be assumed."""

    path: Path | None
    """Of the options."""
    options: Options
    assumed: list[str] = field(default_factory=list)
    """In words; appended to as options are asked for."""

    def get(self, name: str, default: _Value, *, read: Callable[[str], _Value]) -> _Value:
        """An option; the default of the authors' code where they do not tell.

        Raises:
            ValueError: if its value cannot be read.
        """
        if name not in self.options:
            self.assumed.append(f"{name} {default}")
            return default
        try:
            return read(self.options[name])
        except (ValueError, KeyError) as error:
            raise ValueError(f"{self.path}: {name}: {self.options[name]!r} cannot be read; repair this line") from error


def import_published(
    folder: Path,
    run: Path,
    *,
    kind: Kind = "auto",
    epoch: str = "latest",
    direction: Literal["AtoB", "BtoA"] | None = None,
    crop_size: int | None = None,
    dropout: bool | None = None,
) -> list[str]:
    """Write a run that holds published weights.

    Args:
        folder: ``latest_net_G.pth`` and what lies beside it.
        run: the run's folder, which must be new.
        kind: of which authors; ``auto`` finds out by the generator.
        epoch: of the files, which begin with it.
        direction: what is translated into what; None: the authors' options say it.
        crop_size: side of the samples that it was trained on, to which pictures are resized for tests; None: the
            authors' options say it, or 256.
        dropout: whether a U-Net of pix2pix has dropout; None: the authors' options say it, or it has.

    Returns:
        What the user is told.

    Raises:
        ValueError: if a file is missing, damaged, of another kind or holds code; if what must be known is not; or if
            the run's folder is there.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give the one that holds {epoch}_net_G.pth")
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ValueError(f"{run}: exists already; choose a new folder for the run")
    given = {"direction": direction, "crop_size": crop_size, "no_dropout": None if dropout is None else not dropout}
    path, published = read_options_text(folder)
    told = Told(path, {**published, **{name: str(value) for name, value in given.items() if value is not None}})
    weights = _read(folder, kind=kind, epoch=epoch)
    no_dropout = _is_unet(weights["G"]) and told.get("no_dropout", False, read=_flag)
    options, measured = _options(folder, run, told, weights, dropout=not no_dropout)
    networks = _networks(folder, options, measured, weights)
    _write(run, options, measured, networks)
    remarks = [] if "D" in weights else [f"no {epoch}_net_D.pth in {folder}: its discriminator begins anew"]
    if told.assumed:
        where = path or f"{folder} has no {OPTION_FILES[0]}"
        remarks.append(f"{where}: not told, and taken as the authors' code has it: {some(told.assumed, most=99)}")
    return remarks


def _read(folder: Path, *, kind: Kind, epoch: str) -> dict[str, Weights]:
    """The weights by the letters of their networks."""
    places = {letter: folder / f"{epoch}_net_{letter}.pth" for letter in "GDWT"}
    if not places["G"].is_file():
        there = sorted(path.name for path in folder.glob("*.pth"))
        raise ValueError(f"{places['G']}: is not there ({some(there) or 'no .pth at all'}); choose another --epoch")
    weights: dict[str, Weights] = {
        letter: read_published(path) for letter, path in places.items() if letter in "GD" and path.is_file()
    }
    found: Kind = "atme" if is_atme(weights["G"]) else "pix2pix"
    if kind not in ("auto", found):
        raise ValueError(f"{places['G']}: is a generator of {found}, not of {kind}; import it with --from {found}")
    if found == "atme":
        place = next((places[letter] for letter in "WT" if places[letter].is_file()), None)
        if place is None:
            raise ValueError(f"{places['W']}: is not there, nor under its older name {places['T'].name}; get it, too")
        weights["W"] = read_published(place)
    return weights


def _is_unet(weights: Weights) -> bool:
    return "model.model.0.weight" in weights


def _options(
    folder: Path, run: Path, told: Told, weights: dict[str, Weights], *, dropout: bool
) -> tuple[dict[str, Any], Measured]:
    """The options of the run, and the sizes."""
    generator = _named(folder, "G", lambda: measure_generator(weights["G"], dropout=dropout))
    discriminator = {"class_path": "atme.PatchGAN"}
    if "D" in weights:
        discriminator = _named(folder, "D", lambda: measure_discriminator(weights["D"]))
    noise: dict[str, Any] = {"class_path": "atme.Identity"}
    if "W" in weights:
        widths = _named(folder, "W", lambda: measure_widths(weights["W"]))
        arguments = {"initial": "published", "translate_with": "published", "widths": widths}
        noise = {"class_path": "atme.DecisionMemory", "init_args": arguments}
    data = _data(folder, told)
    batch = told.get("batch_size", 1, read=int)
    side = data["crop_size"] or data["load_size"] or 256
    options = {
        "run": {"dir": str(run), "seed": 0},
        "data": data,
        "model": {"class_path": "atme.Pix2Pix", "init_args": _game(told)},
        "generator": generator.section,
        "discriminator": discriminator,
        "noise": noise,
        "initialization": {
            "scheme": told.get("init_type", "normal", read=_INITIALIZATION.__getitem__),
            "gain": told.get("init_gain", 0.02, read=float),
        },
        "optimizers": {network: _adam(told) for network in ("generator", "discriminator")},
        "training": {
            "rate": {
                "epochs": told.get("n_epochs", 100, read=int),
                "decay_epochs": told.get("n_epochs_decay", 100, read=int),
            },
            "batch_size": batch,
        },
    }
    return options, Measured(*generator.channels, images=1, height=side, width=side, batch=batch)


def _data(folder: Path, told: Told) -> dict[str, Any]:
    """The data section: pictures are resized to the crop for tests, as the authors' test does by default."""
    if "direction" not in told.options:
        where = told.path or f"{folder}, without {OPTION_FILES[0]}"
        raise ValueError(f"{where}: does not say what is translated into what; say it with --direction AtoB or BtoA")
    prepared = told.get("preprocess", "resize_and_crop", read=str)
    crop = told.get("crop_size", 256, read=int)
    root = told.options.get("dataroot", "").rstrip("/") or folder.resolve().name
    return {
        "root": Path(root).name if Path(root).name in recipe_paths() else root,
        "direction": told.get("direction", "AtoB", read={"AtoB": "AtoB", "BtoA": "BtoA"}.__getitem__),
        "load_size": told.get("load_size", 286, read=int) if prepared.startswith("resize") else None,
        "crop_size": crop if "crop" in prepared else None,
        "test_size": crop if prepared.startswith("resize") else None,
        "flip": not told.get("no_flip", False, read=_flag),
    }


def _game(told: Told) -> dict[str, Any]:
    if "gan_mode" not in told.options and "no_lsgan" in told.options:
        adversarial = "vanilla" if _flag(told.options["no_lsgan"]) else "least_squares"
    else:
        adversarial = told.get("gan_mode", "vanilla", read=_ADVERSARIAL.__getitem__)
    return {"adversarial": adversarial, "lambda_l1": told.get("lambda_L1", 100.0, read=float), "d_loss_factor": 0.5}


def _adam(told: Told) -> dict[str, Any]:
    known = Told(told.path, told.options)  # assumed for both networks, and told once
    rate, beta = known.get("lr", 2e-4, read=float), known.get("beta1", 0.5, read=float)
    told.assumed.extend(each for each in known.assumed if each not in told.assumed)
    return {"class_path": "torch.optim.Adam", "init_args": {"lr": rate, "betas": [beta, 0.999]}}


def _flag(text: str) -> bool:
    return {"True": True, "False": False}[text]


def _named(folder: Path, letter: str, measure: Callable[[], _Value]) -> _Value:
    """What is measured of a file, whose name goes before whatever is wrong with it."""
    try:
        return measure()
    except ValueError as error:
        raise ValueError(f"{folder}, net_{letter}: {error}") from error


def _networks(folder: Path, options: dict[str, Any], measured: Measured, weights: dict[str, Weights]) -> Networks:
    """Networks that hold the weights."""
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    try:
        sections = parser.parse_object({name: options[name] for name in SECTIONS if name in options})
        _, networks = build(parser.instantiate(sections), measured)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}; or choose another --crop_size") from error
    modules = {"G": networks.generator, "D": networks.discriminator, "W": getattr(networks.scheme, "network", None)}
    for letter, module in modules.items():
        if module is not None and letter in weights:
            _named(folder, letter, partial(load_published, module, weights[letter]))
    return networks


def _write(run: Path, options: dict[str, Any], measured: Measured, networks: Networks) -> None:
    """The run's folder, whole or not at all."""
    run.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=run.parent, prefix=f".{run.name}.") as unfinished:
        made = Path(unfinished) / "run"
        place = checkpoint_path(made, 0)
        place.mkdir(parents=True)
        for name, module in networks.items():
            state = module.state_dict()
            save_file({key: value.contiguous() for key, value in state.items()}, place / f"{name}.safetensors")
        about = {"step": 0, "seed": 0, "measured": measured.as_dict(), "published": True, "format": FORMAT}
        (place / "state.json").write_text(json.dumps(about, indent=2))
        (made / "options.yaml").write_text(yaml.safe_dump(options, sort_keys=False, allow_unicode=True), "utf-8")
        made.rename(run)
