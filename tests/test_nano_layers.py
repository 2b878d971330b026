"""What the small networks share: how they are made ready to run."""

import threading

import torch

from spatia_core.backends.clicks.network import DESIGNS, ClickNetwork
from spatia_core.backends.nano import layers


def test_a_network_made_ready_says_what_it_said_in_training():
    (name, widths), *_ = DESIGNS.items()
    file = layers.WEIGHTS / f"{name}.safetensors"
    plain, ready = ClickNetwork(widths), ClickNetwork(widths)
    plain.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in layers.load_file(file).items()})
    layers.load_weights(ready, file)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in ready.modules())
    generator = torch.Generator().manual_seed(3)
    rgb, cues = (torch.rand(1, c, 64, 96, generator=generator) for c in (3, 11))
    with torch.inference_mode():
        torch.testing.assert_close(ready(rgb, cues), plain.eval()(rgb, cues), rtol=1e-3, atol=1e-3)


def test_torch_has_its_threads_back_when_the_last_one_is_done():
    first_in, both_in, seen = threading.Event(), threading.Event(), []

    def other() -> None:
        first_in.wait(5)
        with layers.one_thread():
            seen.append(torch.get_num_threads())
            both_in.set()
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        worker = threading.Thread(target=other)
        worker.start()
        with layers.one_thread():
            first_in.set()
            assert both_in.wait(5)
            assert torch.get_num_threads() == 1
            worker.join(5)
        assert torch.get_num_threads() == 3
        assert seen == [1, 3]
    finally:
        torch.set_num_threads(before)
