"""The average of weights, against the formula written out."""

import pytest
import torch
from torch import nn

from atme.training.average import Average


def test_it_is_the_formula() -> None:
    module = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0]]))
    average, expected = Average(module, decay=0.9), torch.tensor([[1.0, 2.0]])
    for step in range(1, 200):
        with torch.no_grad():
            module.weight.add_(0.1)
        average.update(module, step=step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.weight.detach()
    torch.testing.assert_close(average.weights["weight"], expected)


def test_it_works_for_a_while_and_leaves_the_weights_as_they_were() -> None:
    module = nn.Linear(3, 3)
    average = Average(module, decay=0.5)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
    trained = {name: value.clone() for name, value in module.state_dict().items()}
    with average.swapped_in(module):
        for name, value in module.state_dict().items():
            assert torch.equal(value, before[name])
    for name, value in module.state_dict().items():
        assert torch.equal(value, trained[name])


def test_a_module_without_weights_has_an_empty_average() -> None:
    average = Average(nn.Identity(), decay=0.9)
    average.update(nn.Identity(), step=1)
    assert average.weights == {}


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_is_none_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"training\.average"):
        Average(nn.Linear(1, 1), decay=decay)
