"""Each rule decides by its facts, and beside each stands a case in which it decides otherwise."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from plans import LABELS, PAGE, PAIRS, Told, facts, table

from atme.cli.arguments import parse
from atme.planning import decide as deciding
from atme.planning import rules
from atme.planning.decide import all_rules, decide
from atme.planning.fingerprint import Splits
from atme.planning.plan import Plan
from atme.planning.rule import NOT_MEASURED, Facts, Rule
from atme.planning.upright import Upright
from atme.planning.words import screen
from atme.training import options

IDS = LABELS.__class__(((0,), (7,)), (0.5, 0.5), 1.0, True)
"""Numbers of two classes."""
MANY = {
    "photographs": facts(),
    "labels": facts(palettes=(None, LABELS)),
    "ids": facts(palettes=(None, IDS), channels=(3, 1)),
    "ids to ids": facts(palettes=2 * (IDS,), channels=(1, 1), pairs=50),
    "two pairs": facts(pairs=2, upright=None, splits=Splits("train", None, None, {"train": 2})),
    "sixteen": facts(pairs=16, upright=None),
    "many": facts(pairs=20_000),
    "tiny": facts(size=(20, 30), largest=(20, 30), detail=((16, 0.1),)),
    "gray": facts(channels=(1, 1), bits=(16, 16), size=(64, 64), largest=(64, 64), detail=()),
    "of all sizes": facts(size=(200, 300), largest=(3000, 4000), detail=((160, 0.1),)),
    "wide": facts(size=(512, 1024), largest=(512, 1024), detail=((192, 0.3), (256, 0.1))),
    "in parts": facts(splits=Splits("train", None, "test", {"train": 1000, "test": 9}), direction="BtoA"),
    "not divided": facts(splits=Splits(".", None, None, {".": 1000})),
    "a layout": facts(layout="A/train"),
    "slow": facts(clock=Told(float32=30.0, bf16=40.0)),
    "little memory": facts(memory=10**8),
}


def chosen(known: Facts) -> dict[str, Any]:
    return {key: setting.value for key, setting in decide(known).chosen.settings.items()}


def planned(known: Facts) -> Plan:
    decided = decide(known)
    return Plan(known, decided, decided, decided)


@pytest.mark.parametrize("name", MANY)
def test_whatever_the_facts_the_preset_is_one(name: str, tmp_path: Path) -> None:
    """Every key is known, every value fits, and each line of a number has a comment, beside it or above."""
    text = planned(MANY[name]).preset
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    read = parse(options.parser(), ["--config", str(tmp_path / "mine.yaml")], classes=options.CLASSES)
    options.parser().instantiate(read)
    preset = yaml.safe_load(text)
    assert preset["training"]["steps"] >= 10
    assert preset["data"]["crop_size"] <= min(preset["data"]["load_size"] or MANY[name].pairs.size)
    assert preset["training"]["batch_size"] <= MANY[name].pairs.pairs
    assert max(map(len, text.splitlines())) <= 200
    lines = text[text.index("\nrun:") + 1 :].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        assert "#" in line or line.endswith(":") or before.lstrip().startswith("#"), line


@pytest.mark.parametrize("name", MANY)
def test_a_plan_is_one_screen(name: str) -> None:
    lines = screen(planned(MANY[name]))
    assert max(map(len, lines)) <= 98
    assert len(lines) <= 50


def test_each_rule_says_why_and_what_it_rests_on() -> None:
    found = all_rules()
    assert {each.name for each in found} == {path.stem for path in Path(rules.__path__[0]).glob("[!_]*.py")}
    for each in found:
        assert len(each.why) > 40
        assert each.measured == NOT_MEASURED or "measured" in each.measured or "." in each.measured
        assert {*each.after} <= {other.name for other in found}


def test_the_docs_list_the_rules_as_they_are() -> None:
    assert table() in PAGE.read_text("utf-8"), "python tests/plans.py writes it anew"


def test_a_rule_is_asked_after_those_that_it_reads() -> None:
    names = [each.name for each in all_rules()]
    for each in all_rules():
        assert all(names.index(other) < names.index(each.name) for other in each.after)


def test_a_new_rule_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "seed.py").write_text(
        '"""A seed."""\n'
        "from atme.planning.rule import Decision, Setting, rule\n\n\n"
        '@rule(measured="not measured", after=("length",))\n'
        "def seed(facts, chosen):\n"
        '    """Whatever."""\n'
        '    return Decision({"run.seed": Setting(chosen["training.steps"], "odd")}, "a seed")\n'
    )
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    monkeypatch.setattr(deciding, "all_rules", deciding.all_rules.__wrapped__)
    decided = decide(facts())
    assert decided.chosen["run.seed"] == decided.chosen["training.steps"]
    assert "seed" in [name for name, _ in decided.in_order]


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({}, "data.load_size", [192, 192]),  # 15 % are lost there, and more below
        ({"detail": ((144, 0.5), (192, 0.3), (224, 0.1))}, "data.load_size", [224, 224]),
        ({"detail": ((64, 0.1),)}, "data.load_size", [144, 144]),  # no smaller than what was measured
        ({"detail": ((256, 0.3),)}, "data.load_size", None),  # every size loses
        ({"size": (512, 1024), "largest": (512, 1024)}, "data.load_size", [192, 384]),  # its shape is kept
        ({"size": (200, 300), "largest": (3000, 4000)}, "data.load_size", [192, 192]),
        ({"size": (150, 200), "largest": (200, 280)}, "data.load_size", None),
        ({"size": (12, 64), "largest": (48, 900), "usual": 48, "detail": ((16, 0.1),)}, "data.load_size", [48, 48]),
        ({"size": (12, 64), "largest": (48, 900), "usual": 48, "detail": ((16, 0.1),)}, "data.crop_size", 48),
        ({}, "data.crop_size", 192),
        ({"detail": ((144, 0.1),)}, "data.crop_size", 128),
        ({"size": (100, 100), "largest": (100, 100), "detail": ()}, "data.crop_size", 96),
        ({"pairs": 49, "detail": ((64, 0.5), (80, 0.3), (192, 0.15))}, "data.crop_size", 64),
        ({"pairs": 49, "detail": ((64, 0.5), (80, 0.19), (192, 0.15))}, "data.crop_size", 192),
        ({"pairs": 50, "detail": ((64, 0.5), (80, 0.3), (192, 0.15))}, "data.crop_size", 192),
        ({"pairs": 9, "size": (900, 900), "largest": (900, 900), "detail": ((256, 0.4),)}, "data.crop_size", 224),
        ({"pairs": 9, "size": (100, 100), "largest": (100, 100), "detail": ((48, 0.4),)}, "data.crop_size", 96),
        ({"size": (22, 90), "largest": (22, 90), "detail": ()}, "data.crop_size", 20),
        ({"size": (900, 900), "largest": (900, 900), "detail": ((512, 0.1),)}, "data.crop_size", 256),
        ({"size": (900, 900), "largest": (900, 900), "detail": ((512, 0.1),)}, "training.batch_size", 4),
        ({}, "training.batch_size", 7),
        ({"detail": ((144, 0.1),)}, "training.batch_size", 16),
        ({"detail": ((144, 0.1),), "pairs": 16}, "training.batch_size", 8),
        ({"pairs": 2}, "training.batch_size", 1),
        ({}, "optimizers.generator", 0.001),
        ({"pairs": 4}, "optimizers.generator", 0.00053),
        ({}, "data.flip", True),
        ({"upright": Upright(0.95, 0.95, 300)}, "data.flip", False),
        ({"upright": Upright(0.7, 0.7, 300)}, "data.flip", False),
        ({"upright": Upright(0.7, 0.7, 300)}, "data.transforms", "albumentations.D4"),
        ({"upright": None}, "data.flip", True),
        ({"palettes": (LABELS, None)}, "data.target_kind", None),
        ({"palettes": (LABELS, None)}, "data.source_kind", None),
        ({"palettes": (IDS, None)}, "data.source_kind", "labels"),
        ({"palettes": (IDS, None)}, "data.one_hot", True),
        ({"palettes": (None, IDS)}, "data.target_labels", {"id_0": 0, "id_7": 7}),
        ({"palettes": (None, IDS)}, "data.label_resizing", None),
        ({"palettes": (None, LABELS)}, "data.label_resizing", "area"),
        ({"palettes": (None, LABELS)}, "data.target_kind", "labels"),
        ({"palettes": (None, LABELS)}, "model.init_args.palette", 1.0),
        ({"palettes": (None, LABELS), "pairs": 50}, "model.init_args.palette", 0.1),
        ({"palettes": (None, LABELS)}, "training.keep_best", "iou"),
        ({"pairs": 50}, "training.keep_best", "l1"),
        ({}, "training.keep_best", None),  # of a game L1 does not tell
        ({}, "model.class_path", "atme.Pix2Pix"),
        ({"pairs": 149}, "model.class_path", "atme.Regression"),
        ({"pairs": 150}, "model.class_path", "atme.Pix2Pix"),
        ({"hours": 0.1}, "model.class_path", "atme.Regression"),
        ({}, "training.precision", "bf16"),
        ({"clock": Told(bf16=0.95)}, "training.precision", "float32"),
        ({"clock": Told(bf16=float("inf"))}, "training.precision", "float32"),
        ({"hours": 1000}, "training.steps", 200 * 143),
        ({"hours": 1000, "pairs": 16}, "training.steps", 1500),
        ({"hours": 0.1}, "training.average", 0.99),
        ({}, "training.average", 0.995),
        ({"memory": 10**8}, "data.cache", "none"),
        ({}, "data.cache", "ram"),
    ],
)
def test_a_rule_goes_by_its_facts(changes: dict[str, Any], key: str, value: object) -> None:
    found = chosen(facts(**changes)).get(key)
    if key == "optimizers.generator":
        found = found["init_args"]["lr"]
    if key == "data.transforms":
        (found,) = (each["class_path"] for each in found)
    assert found == value


def test_rare_colors_of_noisy_pictures_are_no_classes() -> None:
    assert len(chosen(facts(palettes=(None, LABELS)))["data.target_labels"]) == 2
    exact = LABELS.__class__(LABELS.values, LABELS.shares, 1.0, True)
    assert len(chosen(facts(palettes=(None, exact)))["data.target_labels"]) == 3


def test_targets_of_one_color_are_not_of_many() -> None:
    assert "one and the same color" in decide(facts(floor=0.0)).decisions["classes"].words
    assert "many colors" in decide(facts()).decisions["classes"].words


def test_times_are_told_as_people_tell_them() -> None:
    for hours, words in ((0.02, r"about \d\d s"), (0.1, r"about \d minutes"), (3.0, r"about \d\.\d hours")):
        assert re.search(words, decide(facts(hours=hours)).decisions["length"].words)


def test_labels_have_two_classes_however_rare() -> None:
    lonely = LABELS.__class__(LABELS.values, (0.995, 0.004, 0.001), 0.97, False)
    assert len(chosen(facts(palettes=(None, lonely)))["data.target_labels"]) == 2


def test_the_length_is_that_of_the_time() -> None:
    """Start, reading, looks and updates together take the hours, within one update."""
    known = facts(hours=0.5, clock=Told(look=2.0))
    found = chosen(known)
    looks = 12
    spent = 5 + 5 + 1000 * 0.01 + (looks + 1) * (2 + 1 + 0.5) + found["training.steps"] * 0.5
    assert known.seconds - 0.5 < spent <= known.seconds


def test_too_little_time_says_how_much_would_do() -> None:
    with pytest.raises(ValueError, match=r"--hours: 0.002 is too little: an update takes .* or more") as refused:
        decide(facts(hours=0.002))
    enough = float(str(refused.value).split("give ")[1].split()[0])
    assert chosen(facts(hours=enough))["training.steps"] >= 10


def test_where_no_weights_are_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from atme.planning.rules import generator

    monkeypatch.setattr(generator, "is_installed", lambda network: False)
    decided = decide(facts())
    assert decided.chosen["generator"]["class_path"] == "atme.UNet"
    assert 'pip install "atme[pretrained]"' in decided.decisions["generator"].words
    monkeypatch.setattr(generator, "is_installed", lambda network: True)
    decided = decide(facts())
    assert decided.chosen["generator"]["class_path"] == "atme.PretrainedUNet"


def test_what_is_measured_is_known_again() -> None:
    """Twice the same game is measured once; what would be done with more is not measured at all."""
    from atme.planning.speed import Clock

    asked = []
    clock = Clock()
    clock._few = lambda sections: asked.append(sections) or 1.5  # type: ignore[method-assign, func-returns-value]
    preset = {"training": {"batch_size": 2, "precision": "bf16", "steps": 5}, "data": {"crop_size": 32}}
    assert clock.few(preset) == clock.few({**preset, "training": {**preset["training"], "steps": 9}}) == 1.5
    assert len(asked) == 1
    assert clock.without_measuring().few({"data": {"crop_size": 64}}) == 1.5
    assert clock.few({"data": {"crop_size": 64}}) == 1.5
    assert len(asked) == 2


def test_what_more_pairs_would_share_is_not_measured_either() -> None:
    """Of two pairs one process trains; eight have batches that two could share."""
    from atme.planning.speed import Clock, Speed

    alone, clock = Speed(1.0, 2.0, 3.0, look=4.0, grid=5.0), Clock()
    preset = {"training": {"batch_size": 1}}
    clock._once("whole", preset, lambda _: alone)
    assert clock.without_measuring().whole({"training": {"batch_size": 4}}, processes=2) == alone


def test_processes_share_the_batch_and_make_more_updates() -> None:
    """As many as its size allows; alone, the preset says nothing of it."""
    alone = chosen(facts(hours=0.5))
    two = chosen(replace(facts(hours=0.5), processes=lambda batch: min(2, batch)))
    assert (two["training.batch_size"], two["training.share_batch"]) == (alone["training.batch_size"], True)
    assert two["training.steps"] == pytest.approx(2 * alone["training.steps"], rel=0.02)
    assert alone.get("training.share_batch") is None
    single = replace(facts(hours=0.5), processes=lambda batch: min(2, batch), said={"training.batch_size": 1})
    assert decide(single).chosen.get("training.share_batch") is None


def test_rules_are_rules() -> None:
    assert all(isinstance(each, Rule) for each in all_rules())
    assert PAIRS.one_size


def test_rules_read_what_the_user_has_settled() -> None:
    """A smaller batch makes longer epochs, in which each pair is seen as often; a hundred lines are told of any run."""
    plain = chosen(facts(hours=100.0))
    less = chosen(replace(facts(hours=100.0), said={"training.batch_size": 4}))
    assert (plain["training.batch_size"], less["training.batch_size"]) == (7, 4)
    assert less["training.steps"] == 200 * 250
    assert less["training.sample_every"] == pytest.approx(plain["training.sample_every"], abs=1)
    assert less["optimizers.generator"]["init_args"]["lr"] < plain["optimizers.generator"]["init_args"]["lr"]
    short = replace(facts(hours=100.0), said={"training.steps": 300, "training.keep": 5})
    settings = decide(short).chosen.settings
    assert (settings["training.steps"].value, settings["training.log_every"].value) == (300, 3)
    assert settings["training.average"].value == 0.99
    assert "training.keep" not in settings
    assert "300 updates" in decide(short).decisions["length"].words
    assert "as many as said" in decide(short).decisions["length"].words
    assert decide(short).decisions["batch"] == decide(facts(hours=100.0)).decisions["batch"]


NOISES = ("atme.Identity", "atme.DecisionMemory", "atme.Diffusion", "atme.DiffAugment")


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("noise", [None, *NOISES])
def test_a_noise_always_has_a_game(name: str, noise: str | None) -> None:
    """A regression has no discriminator that one could be for."""
    known = replace(MANY[name], said={} if noise is None else {"noise.class_path": noise})
    settings = chosen(known)
    assert settings["noise.class_path"] == (noise or settings["noise.class_path"])
    alone = settings["model.class_path"] == "atme.Regression"
    assert alone != ("discriminator" in settings)
    assert settings["noise.class_path"] == "atme.Identity" or not alone


@pytest.mark.parametrize("pairs", [50, 1000])
def test_rules_go_by_the_model_that_is_said(pairs: int) -> None:
    def by(model: str) -> tuple[dict[str, Any], str]:
        decided = decide(replace(facts(pairs=pairs), said={"model.class_path": model}))
        return {key: each.value for key, each in decided.chosen.settings.items()}, decided.decisions["game"].words

    alone, words = by("atme.Regression")
    assert alone["model.class_path"] == "atme.Regression"
    assert "discriminator" not in alone
    assert words.endswith("50 pairs are few for a game" if pairs == 50 else "alone, as said")
    game, words = by("atme.Pix2Pix")
    assert {"model.init_args.start", "discriminator", "optimizers.discriminator"} <= game.keys()
    assert words.endswith("as said, though 50 pairs are few for a game") == (pairs == 50)
    other, words = by("mine.Game")
    assert [key for key in other if key.startswith("model")] == ["model.class_path"]
    assert words == "mine.Game, as said"
