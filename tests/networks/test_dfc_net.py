"""DFC-Net's sub-networks are the published ones: names, shapes, sizes on the way, and what they compute."""

import json
from pathlib import Path

import numpy as np
import pytest
import reference_dfc as reference
import torch
from torch import nn

from vsdfvi.errors import WeightsError
from vsdfvi.networks import dfc_net
from vsdfvi.networks.dfc_net import Bottleneck, DFCSubNet, MultiHead, SingleHead, fill_trunk

PUBLISHED = json.loads((Path(__file__).parent / "keys.json").read_text(encoding="utf-8"))
FORMS = {
    "dfc_stage1_resnet101": dfc_net.stage1_resnet101,
    "dfc_stage1_resnet50": dfc_net.stage1_resnet50,
    "dfc_refine_resnet50": dfc_net.refine_resnet50,
    "dfc_refine_resnet101": dfc_net.refine_resnet101,
}

# Float32 against doubles, of values up to 30 and sums over up to 51200 products. Measured: 3e-6. (Nov 2026)
SUMMED = 1e-5


def without_values(form):
    """Return a network that has shapes only, which costs nothing."""
    with torch.device("meta"):
        return FORMS[form]()


@pytest.fixture(scope="module")
def shallow():
    """Return the trunk with one block a layer, and random statistics."""
    torch.manual_seed(3)
    network = DFCSubNet(blocks=(1, 1, 1, 1), inputs=33, head=SingleHead, outputs=2)
    randomise(network)
    return network


def randomise(module):
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -1, 1)


@pytest.mark.parametrize("form", FORMS)
def test_names_and_shapes_are_those_of_the_published_weights(form):
    network = without_values(form)
    found = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert found == PUBLISHED[form]["tensors"]
    assert list(found) == list(PUBLISHED[form]["tensors"])
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED[form]["parameters"]


@pytest.mark.parametrize(
    ("size", "halved", "pooled", "seen"),
    [
        ((256, 416), (128, 208), (65, 105), (33, 53)),
        ((240, 424), (120, 212), (61, 107), (31, 54)),
        ((224, 448), (112, 224), (57, 113), (29, 57)),
    ],
    ids=str,
)
def test_pooling_rounds_up_as_in_caffe(size, halved, pooled, seen):
    network = without_values("dfc_stage1_resnet101")
    windows = torch.empty(1, 33, *size, device="meta")
    assert network.conv1(windows).shape[2:] == halved
    assert network.pool(network.conv1(windows)).shape[2:] == pooled
    assert network.features(windows).shape == (1, 2048, *seen)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (61, 95), (240, 424)], ids=str)
def test_flow_has_the_size_of_the_input(form, size):
    network = without_values(form)
    windows = torch.empty(2, network.inputs, *size, device="meta")
    assert network(windows).shape == (2, 4 if "refine" in form else 2, *size)


@pytest.mark.parametrize(
    ("stride", "dilation", "project"), [(1, 1, True), (2, 1, True), (1, 2, True), (1, 4, False), (1, 1, False)]
)
def test_a_bottleneck_equals_its_statement(stride, dilation, project):
    torch.manual_seed(1)
    block = Bottleneck(6 if project else 16, 4, stride, dilation, project=project)
    randomise(block.eval())
    features = 3 * torch.randn(1, 6 if project else 16, 11, 9)
    weights = {name: tensor.double().numpy() for name, tensor in block.state_dict().items()}
    expected = reference.bottleneck(features[0].double().numpy(), weights, stride, dilation)
    with torch.no_grad():
        found = block(features)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=SUMMED)


def test_layers_stride_and_dilate_as_published():
    network = without_values("dfc_stage1_resnet50")
    found = [
        [(block.conv1.stride[0], block.conv2.stride[0], block.conv2.dilation[0]) for block in layer]
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4)
    ]
    assert found == [[(1, 1, 1)] * 3, [(2, 1, 1)] + [(1, 1, 1)] * 3, [(1, 1, 2)] * 6, [(1, 1, 4)] * 3]


def test_the_single_head_equals_its_statement():
    torch.manual_seed(2)
    head, features = SingleHead(2), torch.randn(1, 2048, 3, 4)
    with torch.no_grad():
        found = head(features, (21, 30))[0].numpy()
        weight, bias = head.conv1.weight.double().numpy(), head.conv1.bias.double().numpy()
    coarse = reference.convolution(features[0].double().numpy(), weight, bias, 1)
    expected = np.stack([reference.bilinear(plane, (21, 30)) for plane in coarse])
    np.testing.assert_allclose(found, expected, rtol=0, atol=SUMMED)


def test_the_multi_head_equals_its_statement():
    torch.manual_seed(2)
    head, features = MultiHead(4), torch.randn(1, 2048, 2, 2)
    for layer in (head.conv1, head.conv2, head.conv3):
        nn.init.normal_(layer.weight, 0, 0.05)
    # In doubles: how floats add up over 51,200 products is the processor's affair.
    head, features = head.double(), features.double()
    with torch.no_grad():
        found = head(features, (13, 11))[0].numpy()
    weights = {name: tensor.double().numpy() for name, tensor in head.state_dict().items()}
    planes = features[0].double().numpy()
    for number, (size, padding) in enumerate([((3, 2), 2), ((6, 5), 1), ((13, 11), 0)], 1):
        planes = np.stack([reference.bilinear(plane, size) for plane in planes])
        layer = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
        planes = reference.convolution(planes, *layer, 1, padding=padding)
        if number < 3:
            planes = np.maximum(planes, 0)
    np.testing.assert_allclose(found, planes, rtol=0, atol=SUMMED)


def test_normalisation_never_learns(shallow):
    assert shallow.train() is shallow
    assert shallow.eval() is shallow
    parent = nn.Sequential(shallow).train()
    assert shallow.training
    before = {name: tensor.clone() for name, tensor in shallow.state_dict().items()}
    with torch.no_grad():
        parent(torch.randn(2, 33, 24, 32))
    for name, tensor in shallow.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    frozen = {name for name, parameter in shallow.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in shallow.named_parameters() if "bn" in name or "downsample.1" in name}
    shallow.eval()


def test_weights_start_as_in_the_authors_program():
    torch.manual_seed(0)
    network = DFCSubNet(blocks=(1, 1, 1, 1), inputs=66, head=MultiHead, outputs=4)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach()
            assert abs(float(weight.std()) - 0.01) < 0.001, name
            assert abs(float(weight.mean())) < 0.001, name
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.all(module.weight == 1), name
            assert torch.all(module.bias == 0), name
    bound = (66 * 49) ** -0.5  # torch's own for a bias
    assert bound / 2 < float(network.conv1.bias.detach().abs().max()) <= bound


def imagenet(network):
    """Return weights in torchvision's layout that fit a network's trunk."""
    torch.manual_seed(7)
    tensors = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    for name, own in network.state_dict().items():
        if not name.startswith("layer5.") and name != "conv1.bias":
            tensors[name] = torch.rand(own.shape).to(own.dtype)
    tensors["conv1.weight"] = torch.rand(64, 3, 7, 7)
    return tensors


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "not counted"])
def test_the_trunk_is_filled_from_imagenet_weights(counted):
    network = DFCSubNet(blocks=(1, 1, 1, 1), inputs=33, head=SingleHead, outputs=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = imagenet(network)
    if not counted:
        given = {name: tensor for name, tensor in given.items() if not name.endswith("num_batches_tracked")}
    fill_trunk(network, given)
    for name, tensor in network.state_dict().items():
        if name.startswith("layer5.") or name == "conv1.bias" or name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, before[name]), name
        elif name == "conv1.weight":
            mean = (given[name][:, 0] + given[name][:, 1] + given[name][:, 2]) / 3 / 33
            for channel in range(33):
                torch.testing.assert_close(tensor[:, channel], mean, rtol=1e-6, atol=0)
        else:
            assert torch.equal(tensor, given[name]), name


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"layer1.0.conv2.weight": None},
            r"layer1.0.conv2.weight of the trunk must be a tensor of \(64, 64, 3, 3\), got none",
        ),
        ({"layer4.0.bn3.bias": torch.zeros(512)}, r"layer4.0.bn3.bias .* must be a tensor of \(2048,\), got \(512,\)"),
        ({"conv1.weight": torch.zeros(64, 33, 7, 7)}, r"conv1.weight .* \(64, 3, 7, 7\), got \(64, 33, 7, 7\)"),
    ],
    ids=["missing", "of another depth", "not of pictures"],
)
def test_weights_of_another_trunk_are_refused_whole(shallow, change, sentence):
    before = shallow.conv1.weight.clone()
    given = {**imagenet(shallow), **change}
    given = {name: tensor for name, tensor in given.items() if tensor is not None}
    with pytest.raises(WeightsError, match=sentence):
        fill_trunk(shallow, given)
    assert torch.equal(shallow.conv1.weight, before)


@pytest.mark.parametrize("form", ["dfc_stage1_resnet101", "dfc_refine_resnet50"])
def test_a_full_network_gives_finite_flow_that_depends_on_every_map(form):
    torch.manual_seed(5)
    network = FORMS[form]().eval()
    windows = torch.randn(1, network.inputs, 64, 96, requires_grad=True)
    flow = network(windows)
    assert torch.isfinite(flow).all()
    flow[..., 30:34, 40:44].sum().backward()
    assert windows.grad is not None
    assert (windows.grad.abs().amax((0, 2, 3)) > 0).all()
