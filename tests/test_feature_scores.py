"""FID, KID, LPIPS and DISTS against other people's code, on the same features; where weights come from."""

import pickle
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.functional.image.dists import _PATH_WEIGHT_DISTS
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd
from torchvision.models import alexnet, vgg

from atme.metrics.feature_weights import OFFICIAL, Network, networks
from atme.metrics.inception import KernelSums, fid
from atme.metrics.intervals import groups


class Features(nn.Module):
    """A small seeded network that stands in for Inception: (B, 3, H, W) in [-1, 1] -> (B, 16)."""

    num_features = 16

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Conv2d(3, 16, 5, stride=2).double().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.net(images.double()).relu().mean(dim=(2, 3))
        return found


def pictures(seed: int, count: int, gain: float = 1.0) -> Tensor:
    return (torch.rand(count, 3, 20, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * gain


def features(images: Tensor) -> np.ndarray:
    return Features()(images).numpy()


SETS = [(12, 12), (40, 40), (9, 30)]
"""Fewer and more pictures than there are features."""


@pytest.mark.parametrize(("few", "many"), SETS)
def test_fid_is_that_of_torchmetrics_and_torch_fidelity(few: int, many: int) -> None:
    ones, others = pictures(0, few, gain=0.7), pictures(1, many)
    theirs = FrechetInceptionDistance(feature=Features()).set_dtype(torch.float64)
    theirs.update(others, real=True)
    theirs.update(ones, real=False)
    found = fid(features(ones), features(others))
    assert found > 0
    assert found == pytest.approx(float(theirs.compute()), rel=1e-4)
    both = (fid_features_to_statistics(Features()(each)) for each in (ones, others))
    assert found == pytest.approx(next(iter(fid_statistics_to_metric(*both, False).values())), rel=1e-4)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
@pytest.mark.parametrize("count", [12, 45])
def test_kid_is_that_of_torchmetrics_and_torch_fidelity(count: int) -> None:
    ones, others = pictures(0, count, gain=0.7), pictures(1, count)
    theirs = KernelInceptionDistance(feature=Features(), subsets=1, subset_size=count).set_dtype(torch.float64)
    theirs.update(others, real=True)
    theirs.update(ones, real=False)
    sums = KernelSums.of(features(ones), features(others), groups(count))
    assert sums.kid() == pytest.approx(float(theirs.compute()[0]), rel=1e-9)
    keys = {"kid_subsets": 1, "kid_subset_size": count, "kid_kernel": "poly", "kid_kernel_poly_degree": 3}
    keys |= {"kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1.0, "verbose": False, "rng_seed": 0}
    found = kid_features_to_metric(Features()(ones), Features()(others), **keys)
    assert sums.kid() == pytest.approx(found["kernel_inception_distance_mean"], rel=1e-9)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_kid_of_all_is_the_mean_over_subsets() -> None:
    ones, others = pictures(0, 60, gain=0.7), pictures(1, 60)
    theirs = KernelInceptionDistance(feature=Features(), subsets=400, subset_size=20).set_dtype(torch.float64)
    theirs.update(others, real=True)
    theirs.update(ones, real=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mean, deviation = (float(each) for each in theirs.compute())
    found = KernelSums.of(features(ones), features(others), groups(60)).kid()
    assert abs(found - mean) < 3 * deviation / np.sqrt(400)


def test_kid_without_a_group_is_that_of_the_others() -> None:
    ones, others, group = features(pictures(0, 45, gain=0.7)), features(pictures(1, 45)), groups(45)
    sums = KernelSums.of(ones, others, group)
    for without in (0, 19):
        rest = (torch.from_numpy(each[group != without]) for each in (others, ones))
        assert sums.kid(without=without) == pytest.approx(float(poly_mmd(*rest)))


def test_a_set_is_nearest_to_itself() -> None:
    others = features(pictures(0, 30))
    worse = [features(pictures(0, 30, gain=gain)) for gain in (0.9, 0.5)] + [features(pictures(1, 30))]
    assert fid(others, others) == pytest.approx(0, abs=1e-9)
    assert min(fid(each, others) for each in worse) > 1e-4
    itself = KernelSums.of(others, others, groups(30)).kid()
    assert itself < min(KernelSums.of(each, others, groups(30)).kid() for each in worse)


# Networks.


def save(path: Path, state: dict[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def seeded_alexnet() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return alexnet(weights=None).features


def seeded_vgg() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return vgg.make_layers(vgg.cfgs["D"], batch_norm=False)


def named(features: nn.Module) -> dict[str, Tensor]:
    return {f"features.{name}": value for name, value in features.state_dict().items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Files of weights as torchvision and torch-fidelity lay them out, drawn by chance."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inception = untrained_inception()
    return {
        "lpips": save(folder / "alexnet.pth", named(seeded_alexnet())),
        "dists": save(folder / "vgg16.pth", named(seeded_vgg())),
        "inception": save(folder / "inception.pth", inception.state_dict()),
    }


def untrained_inception() -> nn.Module:
    with pytest.MonkeyPatch.context() as patch:
        module = "torch_fidelity.feature_extractor_inceptionv3"
        patch.setattr(f"{module}.load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_, **__: None)
        return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch's hub cache is empty, and a download is a failure."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this would be downloaded")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))


def of(kind: str, files: dict) -> Network:
    (name,) = {"lpips": ["lpips"], "dists": ["dists"], "inception": ["fid"]}[kind]
    found, _ = networks([name], given={kind: files[kind]})
    return found[kind]


@pytest.mark.filterwarnings("ignore")
def test_lpips_is_that_of_its_authors(files: dict) -> None:
    theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    layers = dict(seeded_alexnet().named_children())
    for slice_ in theirs.net.children():
        for number, layer in slice_.named_children():
            layer.load_state_dict(layers[number].state_dict())
    one, other = (F.interpolate(pictures(seed, 2), (40, 64)) for seed in (0, 1))
    with torch.no_grad():
        expected = theirs(one, other).flatten()
        found = of("lpips", files).compute(one, other)
    assert float(expected.min()) > 0
    torch.testing.assert_close(found, expected)


def test_dists_is_its_formula(files: dict) -> None:
    """Ding et al. 2020, equations 5 to 7, in float64."""
    one, other = (F.interpolate(pictures(seed, 1), (32, 48)) for seed in (0, 1))
    weights = torch.load(_PATH_WEIGHT_DISTS)
    sizes = [3, 64, 128, 256, 512, 512]
    total = float(weights["alpha"].sum() + weights["beta"].sum())
    alpha, beta = ((weights[name].flatten().double() / total).split(sizes) for name in ("alpha", "beta"))
    similarity = 0.0
    for x, y, a, b in zip(_stages(one), _stages(other), alpha, beta, strict=True):
        mx, my = x.mean(dim=(1, 2)), y.mean(dim=(1, 2))
        vx, vy = x.var(dim=(1, 2), correction=0), y.var(dim=(1, 2), correction=0)
        both = (x * y).mean(dim=(1, 2)) - mx * my
        similarity += float((a * (2 * mx * my + 1e-6) / (mx**2 + my**2 + 1e-6)).sum())
        similarity += float((b * (2 * both + 1e-6) / (vx + vy + 1e-6)).sum())
    found = of("dists", files).compute(one, other)
    assert float(found) == pytest.approx(1 - similarity, abs=1e-4)
    assert 1 - similarity > 0.01


def _stages(image: Tensor) -> list[Tensor]:
    """The picture in [0, 1], and VGG's five stages with pooling of squares under a Hann window: each (C, H, W)."""
    x = (image.double() + 1) / 2
    found = [x[0]]
    mean, deviation = (
        torch.tensor(each).double().view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    h = (x - mean) / deviation
    window = torch.tensor([0.5, 1, 0.5]).double()
    window = torch.outer(window, window) / 4
    for number, layer in enumerate(seeded_vgg().double()):
        if isinstance(layer, nn.MaxPool2d):
            found.append(h[0])
            if number == 30:
                break
            squares = F.conv2d(h**2, window.expand(h.shape[1], 1, 3, 3), stride=2, padding=1, groups=h.shape[1])
            h = (squares + 1e-12).sqrt()
        else:
            with torch.no_grad():
                h = layer(h)
    return found


def test_inception_reads_pictures_as_torch_fidelity_does(files: dict) -> None:
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=files["inception"]
    )
    image = pictures(0, 1)
    eight = ((image + 1) * 127.5).round().to(torch.uint8)
    found = of("inception", files).compute(image)
    assert found.shape == (1, 2048)
    torch.testing.assert_close(found, theirs(eight)[0])


def test_a_picture_has_no_distance_to_itself_and_gray_is_repeated(files: dict) -> None:
    gray = F.interpolate(pictures(0, 1)[:, :1], (32, 48))
    for kind in ("lpips", "dists"):
        compute = of(kind, files).compute
        assert float(compute(gray, gray)) == pytest.approx(0, abs=1e-5)
        assert float(compute(gray, -gray)) == pytest.approx(
            float(compute(gray.repeat(1, 3, 1, 1), -gray.repeat(1, 3, 1, 1)))
        )
        assert float(compute(gray, -gray)) > 1e-6


def test_chance_elsewhere_is_not_disturbed(files: dict) -> None:
    before = torch.get_rng_state()
    networks(["lpips", "dists", "fid"], given=files)
    assert torch.equal(torch.get_rng_state(), before)


# Where weights come from.


def test_what_is_missing_is_said_with_a_remedy_that_works(files: dict, tmp_path: Path) -> None:
    found, remarks = networks(["l1", "lpips", "dists", "fid", "kid"], given={})
    assert found == {}
    assert len(remarks) == 3
    for kind, remark in zip(("inception", "lpips", "dists"), remarks, strict=True):
        official = OFFICIAL[kind]
        place = tmp_path / "hub" / "checkpoints" / official.file
        assert f"put {official.address} at {place}" in remark
        assert f"--weights.{kind}" in remark
        assert official.address.endswith(official.file)
        assert official.sha256 in official.file
    assert remarks[0].startswith("fid and kid: left out")
    place = tmp_path / "hub" / "checkpoints" / OFFICIAL["lpips"].file
    place.parent.mkdir(parents=True)
    place.write_bytes(files["lpips"].read_bytes())
    found, remarks = networks(["lpips"], given={})
    assert found.keys() == {"lpips"}
    assert found["lpips"].about["file"] == place.name
    assert len(found["lpips"].about["sha256"]) == 64
    assert "cannot be compared with published ones" in remarks[0]


def test_nothing_is_read_for_scores_that_nobody_asked_for(tmp_path: Path) -> None:
    assert networks(["l1", "swd"], given={"lpips": tmp_path / "missing"}) == ({}, [])


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("executed"),))


def test_files_that_are_no_weights_are_refused_in_one_line(
    tmp_path: Path, files: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "text.pth").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("evil.pth", "text.pth", "list.pth", "missing.pth"):
        for kind, score in (("inception", "fid"), ("lpips", "lpips"), ("dists", "dists")):
            with pytest.raises(ValueError, match=rf"^weights\.{kind}: .*{name}.*get https://") as refused:
                networks([score], given={kind: tmp_path / name})
            assert "\n" not in str(refused.value)
    assert not Path("executed").exists()
    for kind, score in (("inception", "fid"), ("lpips", "lpips"), ("dists", "dists")):
        other = {"inception": "lpips", "lpips": "inception", "dists": "lpips"}[kind]
        with pytest.raises(ValueError, match="holds another network's weights") as refused:
            networks([score], given={kind: files[other]})
        assert "\n" not in str(refused.value)


def test_inception_reads_sixteen_bits_rounded_to_eight(files: dict) -> None:
    compute = of("inception", files).compute
    levels = torch.randint(1, 255, (1, 3, 20, 24), generator=torch.Generator().manual_seed(0))
    eight, between = levels / 127.5 - 1, (levels + 0.3) / 127.5 - 1
    assert torch.equal(compute(eight), compute(between))
    assert not torch.equal(compute(eight), compute((levels + 1) / 127.5 - 1))
