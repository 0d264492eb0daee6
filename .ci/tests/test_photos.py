"""No photo that the bundled models are tested with, or that data/samples shows, is among the photos that they are trained on."""
import importlib.util
from pathlib import Path

from PIL import Image, ImageEnhance

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("build", ROOT / "data/photos/build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def test_held_out_photos_are_not_trained_on():
    report = build.check()
    assert report["foolbox"][0] == 20 and report["data/samples"][0] == 12, report
    for name, (count, nearest, photo, held) in report.items():
        assert nearest >= build.SAME, f"{photo} of data/photos is like {held} of {name}: {nearest} of 256 bits differ"
    assert not build.shared_sources()


def test_a_copy_would_be_found(tmp_path):
    "A held-out photo, smaller, brighter and saved with losses, lies among the training photos."
    held = build.references()["data/samples"][0]
    copy = ImageEnhance.Brightness(Image.open(held).convert("RGB").resize((300, 220))).enhance(1.2)
    copy.save(tmp_path / "copy.webp", quality=60)
    count, nearest, photo, picture = build.check(tmp_path)["data/samples"]
    assert nearest < build.SAME and (photo, picture) == ("copy.webp", held.name)
