"""Models are handed on: as a hub's folder with a card, and through a hub; what older versions saved is still read."""

import ast
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import smooth
from local_hub import Hub, local_hub
from runs import make_run, measured, sections
from safetensors.torch import load_file, save_file

from atme import Translator, cli
from atme.images import write_image
from atme.inference.card import CARD, PICTURE
from atme.run_folder import find_run, read_options, read_state

RGB = smooth(np.random.default_rng(0), 16, 24)
SIZES = measured(3, 1, target_bits=16)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of atme's own classes with a memory, one grid of samples and two scored pairs."""
    unet = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2]}}
    data = {
        "root": str(tmp_path / "secret" / "my|maps"),
        "test_size": 16,
        "direction": "BtoA",
        "clear_transparent": False,
    }
    options = sections(unet, **data) | {"noise": {"class_path": "atme.DecisionMemory", "init_args": {"align": True}}}
    options["training"] = {"precision": "float32", "rate": {"epochs": 3}}
    (folder := tmp_path / "runs" / "mine").mkdir(parents=True)
    make_run(folder, options, SIZES)
    (folder / "samples").mkdir()
    write_image(folder / "samples" / "epoch_0001.png", RGB)
    (folder / "evaluation").mkdir()
    protocol = {"step": 4, "weights": "last", "pairs": 2, "split": "test"}
    means = {"l1": 0.2, "psnr": 21.0, "ssim": 0.6}
    baselines = {"median_color": {"l1": 0.4, "psnr": None, "ssim": 0.1}}
    intervals = {"l1": [0.1, 0.3], "psnr": [20.25, 22], "ssim": None}
    summary = {**means, "intervals": intervals, "baselines": baselines, "protocol": protocol}
    (folder / "evaluation" / "test.json").write_text(json.dumps(summary))
    return folder


def saved(run: Path, **how: object) -> Path:
    folder = run.parents[1] / "saved"
    Translator.from_run(run, device="cpu").save_pretrained(folder, **how)
    return folder


def test_what_is_saved_is_a_hubs_folder_and_translates_as_the_run_does(run: Path) -> None:
    folder, own = saved(run), Translator.from_run(run, device="cpu")
    assert sorted(path.name for path in folder.iterdir()) == sorted([CARD, "config.json", "model.safetensors", PICTURE])
    again = Translator.from_pretrained(folder, device="cpu")
    assert again.knows == own.knows
    assert (again.source.step, again.source.weights) == (4, "last")
    assert np.array_equal(again.pixels(RGB), own.pixels(RGB))
    config = (folder / "config.json").read_text()
    assert "secret" not in config + (folder / CARD).read_text()
    assert json.loads(config)["options"]["data"]["clear_transparent"] is False


def test_what_is_remembered_of_training_images_stays_at_home(run: Path) -> None:
    weights = load_file(saved(run) / "model.safetensors")
    own = Translator.from_run(run, device="cpu").networks
    kept = [name for name in own.scheme.state_dict() if name not in ("decisions", "views")]
    assert {name for name in weights if name.startswith("scheme.")} == {f"scheme.{name}" for name in kept}
    assert {"decisions", "views"} == set(own.scheme.memory())


def test_memories_below_other_schemes_are_found() -> None:
    from atme.noise import Brownian, DecisionMemory, Game, Sequence

    game = Game(images=2, size=(32, 32), batch=1, verdict_shape=lambda h, w: (h // 4, w // 4), verdict_stride=4)
    both = Sequence(game, schemes=[DecisionMemory, Brownian])
    assert set(both.memory()) == {"schemes.0.decisions", "schemes.1.visits"}


def test_a_saved_folder_is_taken_wherever_a_run_is(run: Path) -> None:
    folder = saved(run)
    place = find_run(folder)
    assert (place.folder, place.checkpoint) == (folder, folder)
    assert read_state(folder)["measured"] == SIZES.as_dict()
    assert read_options(folder)["generator"]["class_path"] == "atme.UNet"
    Translator.from_pretrained(folder, device="cpu").save_pretrained(folder.parent / "twice")
    for name in ("config.json", CARD, PICTURE):
        assert (folder.parent / "twice" / name).read_bytes() == (folder / name).read_bytes()


def test_what_older_versions_saved_is_read_and_written_over_whole(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run / "checkpoints" / "step_00000004", old)
    options = {key: value for key, value in read_options(run).items() if key not in ("training", "run")}
    del options["data"]["root"]
    (old / "options.yaml").write_text(yaml.safe_dump(options))
    own = Translator.from_run(run, device="cpu")
    translator = Translator.from_pretrained(old, device="cpu")
    assert translator.knows == own.knows
    assert np.array_equal(translator.pixels(RGB), own.pixels(RGB))
    with pytest.raises(ValueError, match=r"options\.yaml, .* exists already; .*overwrite=True"):
        own.save_pretrained(old)
    own.save_pretrained(old, overwrite=True)
    assert sorted(path.name for path in old.iterdir()) == sorted([CARD, "config.json", "model.safetensors", PICTURE])
    assert Translator.from_pretrained(old, device="cpu").knows == own.knows


def test_the_card_is_filled_from_the_run(run: Path) -> None:
    text = (saved(run, license="mit", name="me/maps") / CARD).read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert (front["license"], front["library_name"], front["pipeline_tag"]) == ("mit", "atme", "image-to-image")
    for said in (
        'from_pretrained("me/maps")',
        f"]({PICTURE})",
        "| dataset | my\\|maps |",
        "BtoA (of A\\|B pictures, the right half is the source)",
        "| targets | 1 channels of 16 bits |",
        "| generator | atme.UNet (dim: 8, dim_mults: [1, 2]) |",
        "| epochs | 3 + 0 of decay |",
        "| l1 | 0.2 [0.1, 0.3] | 0.4 |",
        "| psnr | 21 [20.25, 22] |  |",
        "| ssim | 0.6 | 0.1 |",
        "| updates | 4 |",
        "Licensed under mit",
    ):
        assert said in text, said


@pytest.mark.parametrize("damage", ["missing", "other step", "no json", "no protocol"])
def test_a_card_shows_no_scores_of_other_weights(run: Path, damage: str) -> None:
    place = run / "evaluation" / "test.json"
    summary = json.loads(place.read_text())
    if damage == "missing":
        place.unlink()
    elif damage == "no json":
        place.write_text("{")
    elif damage == "no protocol":
        place.write_text("[]")
    else:
        summary["protocol"]["step"] = 3
        place.write_text(json.dumps(summary))
    text = (saved(run) / CARD).read_text()
    assert "were not scored" in text
    assert "0.141" not in text
    assert "license: unknown" in text


@pytest.mark.parametrize("name", ['a"b', "a\\b", "näme", "名前", "x\ny", "\udcff", "[b]", "{{ b }}", "a|b", "'q'"])
def test_a_card_of_any_name_says_how_the_model_is_loaded(run: Path, name: str) -> None:
    Translator.from_run(run, device="cpu").save_pretrained(run.parents[1] / name)
    text = (run.parents[1] / name / CARD).read_text("utf-8")
    (call,) = [line for line in text.splitlines() if "from_pretrained" in line]
    assert ast.literal_eval(call.partition("from_pretrained(")[2].removesuffix(")")) == name
    if name != "\udcff":  # safetensors opens no file in a folder whose name is not UTF-8, and says so
        assert Translator.from_pretrained(run.parents[1] / name, device="cpu").source.step == 4


def test_a_card_that_was_handed_on_gets_another_name_and_license_and_keeps_all_else(run: Path) -> None:
    folder = saved(run, name="me/maps")
    card = (folder / CARD).read_text() + "\nA line of mine: # me/maps | 0.141.\n"
    (folder / CARD).write_text(card)
    again = Translator.from_pretrained(folder, device="cpu")
    expected = card.replace('from_pretrained("me/maps")', 'from_pretrained("you/plans")')
    expected = expected.replace("\n# me/maps\n", "\n# you/plans\n")
    again.save_pretrained(folder.parent / "named", name="you/plans")
    assert (folder.parent / "named" / CARD).read_text() == expected
    again.save_pretrained(folder.parent / "licensed", name="you/plans", license="mit")
    said = "Nobody has said yet under which license these weights may be used: ask who handed them on."
    assert expected.count(said) == expected.count("license: unknown") == 1
    expected = expected.replace("license: unknown", "license: mit")
    expected = expected.replace(said, "Licensed under mit; the license of the data may say more.")
    licensed = folder.parent / "licensed"
    assert (licensed / CARD).read_text() == expected
    Translator.from_pretrained(licensed, device="cpu").save_pretrained(folder.parent / "other", license="cc-by-4.0")
    expected = expected.replace("license: mit", "license: cc-by-4.0")
    expected = expected.replace("Licensed under mit;", "Licensed under cc-by-4.0;")
    assert (folder.parent / "other" / CARD).read_text() == expected


@pytest.mark.parametrize("config", ["{", "[]", '{"options": 3}', '{"options": {}}', '{"model_type": "bert"}'])
def test_a_folder_of_something_else_is_named(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match=r"config\.json|atme") as caught:
        Translator.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_saved_folder_without_its_weights_is_named(run: Path) -> None:
    folder = saved(run)
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"model\.safetensors: the weights cannot be read"):
        Translator.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors: the weights cannot be read"):
        Translator.from_pretrained(folder)


def test_a_strangers_config_names_no_code(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(run)
    config = json.loads((folder / "config.json").read_text())
    config["options"]["generator"] = {"class_path": "os.system", "init_args": {"command": "touch evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=r"names? os\.system, code that is not of atme"):
        Translator.from_pretrained(folder)
    assert not (folder / "evil").exists()


def test_averages_are_saved_once_and_are_no_averages_of_averages(run: Path) -> None:
    checkpoint = find_run(run).checkpoint
    weights = load_file(checkpoint / "generator.safetensors")
    average = {name: weight * 0.5 for name, weight in weights.items()}
    save_file(average, checkpoint / "average_generator.safetensors")
    folder = saved(run)
    again = Translator.from_pretrained(folder, device="cpu")
    assert again.source.weights == "average"
    states = again.networks.generator.state_dict()
    assert all(torch.equal(states[name], average[name]) for name in average)


# Through a hub.


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import huggingface_hub.constants as constants

    with local_hub() as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield


@pytest.mark.usefixtures("hub")
def test_a_run_is_pushed_and_fetched(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["push", str(run), "me/maps", "--license", "mit", "--private"]) == 0
    assert set(Hub.models["me/maps"]) == {CARD, "config.json", "model.safetensors", PICTURE}
    assert Hub.private["me/maps"]
    assert "pushed config.json" in capsys.readouterr().err
    assert b'from_pretrained("me/maps")' in Hub.models["me/maps"][CARD]
    Hub.models["me/maps"]["pytorch_model.bin"] = b"a pickle, perhaps"
    fetched = Translator.from_pretrained("me/maps", device="cpu")
    own = Translator.from_run(run, device="cpu")
    assert np.array_equal(fetched.pixels(RGB), own.pixels(RGB))
    assert not (fetched.source.folder / "pytorch_model.bin").exists()
    again = Translator.from_pretrained("me/maps", device="cpu", revision="main")
    assert again.knows == own.knows


@pytest.mark.usefixtures("hub")
def test_a_dry_run_asks_nothing_and_says_all(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Hub.refuses = 500
    for flag in ("--dry-run", "--dry_run"):
        assert cli.main(["push", str(run), "me/maps", flag]) == 0
        said = capsys.readouterr().err
        assert said.startswith("would push config.json (")
        assert "/me/maps" in said
    assert not Hub.models


@pytest.mark.usefixtures("hub")
def test_a_model_that_is_there_gets_a_commit_only_when_asked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Hub.models["me/maps"] = {"config.json": b"{}"}
    assert cli.main(["push", str(run), "me/maps"]) == 2
    assert "me/maps: holds config.json already" in capsys.readouterr().err
    assert Hub.models["me/maps"] == {"config.json": b"{}"}
    assert cli.main(["push", str(run), "me/maps", "--overwrite"]) == 0
    assert len(Hub.models["me/maps"]) == 4


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("status", "remedy"), [(401, "hf auth login"), (403, "hf auth login"), (400, "try again")])
def test_what_the_hub_refuses_is_one_line(
    run: Path, status: int, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Hub.refuses = status
    assert cli.main(["push", str(run), "me/maps"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("atme: me/maps: could not be pushed (")
    assert remedy in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", ["maps", "me/maps/more", "me/ma ps", "../maps", "me/--maps"])
def test_a_name_that_is_none_is_refused_before_anything_is_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["push", "nowhere", name]) == 2
    assert f"{name}: is no name at the hub; give OWNER/NAME" in capsys.readouterr().err


def test_without_network_a_name_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="no such folder here, and no such model could be had") as caught:
        Translator.from_pretrained("runs/dmeo")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="no such folder here, and no such model could be had"):
        Translator.from_pretrained("runs/dmeo")


@pytest.mark.usefixtures("hub")
def test_a_name_that_the_hub_does_not_know_ends_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"runs/dmeo: no such folder here, .*look its name up") as caught:
        Translator.from_pretrained("runs/dmeo")
    assert "\n" not in str(caught.value)


def test_a_folder_has_no_revision(run: Path) -> None:
    with pytest.raises(ValueError, match=r"revision: .* is here, where it has none"):
        Translator.from_pretrained(str(run), revision="main")
