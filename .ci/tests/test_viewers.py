"""A thousand random events: no thread left, no growing memory, no stale picture, no swallowed error."""
import gc
import html
import random
import threading
import time

import psutil
import pytest
import torch
from traitlets import TraitError

from featinv_nb.backbones import Backbone
from featinv_nb.denoisers import PixelDenoiser
from featinv_nb.images import samples
from featinv_nb.inverter import Inverter, InverterError
from featinv_nb.states import SIDE, from_mask
from featinv_nb.viewers import CompositionViewer, InversionViewer, ProbeViewer, SteeringViewer

EVENTS, SECONDS = 1000, 60
PHOTOS = ["chelsea", "espresso", "ladybird", samples(6)[5].read_bytes()]


@pytest.fixture(scope="module")
def inverter():
    """The real classes with few channels and random weights, on the bundled backbone."""
    torch.manual_seed(0)
    net = PixelDenoiser(channels=112, kept=16, size=32, width=16, dim=16, fine=16, temb=16)
    inverter = Inverter(net, Backbone("tf_efficientnet_lite0", "blocks.4"), dict(refine=1), dict(name="tiny"))
    inverter(torch.zeros(1, 112, 14, 14), samples=1, steps=1)  # tqdm starts a thread of its own at first use
    return inverter


def half(rng):
    """A mask of some rows, or none."""
    mask = torch.zeros(SIDE, SIDE)
    mask[:rng.randrange(SIDE)] = 1
    return from_mask(mask)


def change(rng, state) -> dict:
    """A random setting of a state, now and then one that can't be painted."""
    photos = lambda: [rng.choice(PHOTOS) for _ in range(rng.randint(2, 3))]  # noqa: E731
    common = [lambda: dict(seed=rng.randrange(5)), lambda: dict(scale=rng.choice([1.0, 2.0])), lambda: dict(steps=rng.randint(1, 3))]
    own = {
        "InversionState": [lambda: dict(photo=rng.choice([*PHOTOS, None])), lambda: dict(samples=rng.randint(1, 2))],
        "CompositionState": [lambda: dict(weights=[rng.choice([0, 0.5, 1]) for _ in state.photos]), lambda: dict(mask=half(rng)),
                             lambda: (lambda p: dict(photos=p, weights=[1] * len(p)))(photos())],
        "SteeringState": [lambda: dict(concept=rng.randrange(4)), lambda: dict(strength=rng.uniform(-2, 2)), lambda: dict(mask=half(rng)),
                          lambda: dict(how=rng.choice(["amplify", "remove"]))],
        "ProbeState": [lambda: dict(perturbation=rng.choice(["FGSM", "contrast", "pixelate"])), lambda: dict(eps=rng.choice([2.0, 8.0])),
                       lambda: dict(severity=rng.randint(1, 5)), lambda: dict(photo=rng.choice([*PHOTOS, None]))],
    }[type(state).__name__]
    return rng.choice(own * 2 + common)()


def impossible(state) -> bool:
    """Whether the settings as they are can't be painted."""
    return (getattr(state, "photo", "") is None or not sum(getattr(state, "weights", [1])) or getattr(state, "concept", 0) >= 3)


def at_rest(viewer):
    """What a viewer must show when nothing runs any more."""
    state = viewer.state
    assert state.wait(SECONDS * 10)
    if state.status == "cancelled":
        state.refresh()
        assert state.wait(SECONDS * 10)
    if impossible(state):
        assert state.error and state.failure is not None and not state.fresh, state.settings()
        assert html.escape(state.error) in viewer.error.value
        return
    assert state.fresh and not state.error and not viewer.error.value, (state.error, state.status)
    asked = state.shown.result.settings
    assert (asked["seed"], asked["steps"], asked["scale"]) == (state.seed, state.steps, state.scale)
    assert html.escape(state.shown.label, quote=True) in viewer.picture.value and viewer.progress.value == 1
    assert len(state.results) <= state.results.limit and len(state.maps) <= state.maps.limit


def test_a_thousand_events(inverter, capfd):
    rng, threads, process = random.Random(0), set(threading.enumerate()), psutil.Process()
    viewers = [InversionViewer(inverter, photo="chelsea", steps=2), CompositionViewer(inverter, photos=PHOTOS[:2], steps=2),
               SteeringViewer(inverter, photo="chelsea", count=3, steps=2), ProbeViewer(inverter, photo="chelsea", perturbation="FGSM", steps=2)]
    for v in viewers: v.state.results.limit = 8  # full early, so that memory that grows later is a leak
    heard, memory, began = [], [], time.perf_counter()
    for v in viewers: v.state.on_update(lambda state: heard.append(state.error) if state.error else None)
    for i in range(EVENTS):
        viewer = rng.choice(viewers)
        kind = rng.random()
        if kind < 0.05: viewer.state.cancel()
        elif kind < 0.10: viewer.run.click()
        elif kind < 0.15:
            viewer.controls["seed"].value = -1  # refused at once, and shown
            assert "Error:" in viewer.error.value and viewer.state.seed >= 0
            viewer.controls["seed"].value = viewer.state.seed
        elif kind < 0.20:
            with pytest.raises((TraitError, InverterError)): viewer.state.update(steps=0)
        else: viewer.set(**change(rng, viewer.state))
        time.sleep(rng.uniform(0, 0.05))
        if i % 100 == 99:
            for v in viewers: at_rest(v)
            gc.collect()
            memory.append(process.memory_info().rss / 2**20)
    seconds = time.perf_counter() - began
    inversion = viewers[0].state
    inversion.update(photo="chelsea", seed=3, steps=3, samples=2)
    at_rest(viewers[0])
    _, features = inversion.features("tiny", inversion.photo)
    fresh = inverter(features, samples=2, steps=3, scale=inversion.scale, seed=3)
    assert torch.equal(fresh.images, inversion.shown.result.images)  # nothing of a thousand other requests got into it
    for v in viewers: v.close()
    print(f"{EVENTS} events in {seconds:.0f} s; MiB after each hundred: {[round(m) for m in memory]}; {len(heard)} errors seen")
    assert set(threading.enumerate()) == threads
    assert memory[-1] - memory[4] < 40, memory
    assert len(heard) > 20 and len(set(heard)) >= 4, set(heard)
    out, err = capfd.readouterr()
    assert "Traceback" not in err, err
    with capfd.disabled(): print(out)


def test_closing_while_it_paints(inverter):
    threads = set(threading.enumerate())
    for _ in range(5):
        viewer = InversionViewer(inverter, photo="chelsea", steps=50)
        began = time.time()
        while not viewer.state.runner.busy and time.time() - began < 5: time.sleep(0.01)
        viewer.close()
        assert set(threading.enumerate()) == threads
        with pytest.raises(RuntimeError, match="closed"): viewer.state.seed = 5
