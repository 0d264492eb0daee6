"""Build featinv_nb from settings.ini; put the bundled model and the sample photos into the package."""
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
BUNDLED = ("lite", "presets", "rivals", "samples")  # folders of data/ that the wheel carries; data/photos stays in the checkout

parser = ConfigParser(delimiters=["="], interpolation=None)
parser.read(ROOT / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
package = cfg["lib_name"]


class BuildWithData(build_py):
    """Copy the bundled folders of data/ to featinv_nb/data, except for an editable install, which finds them in data/."""

    def _bundled(self) -> dict:
        """Files to copy: where they lie -> where they go."""
        files = (f for name in BUNDLED for f in sorted((ROOT / "data" / name).rglob("*")))
        target = Path(self.build_lib) / package
        return {f: target / f.relative_to(ROOT) for f in files if f.is_file()}

    def run(self):
        if not self.editable_mode:  # build/ may hold files of an earlier build that are gone from the checkout
            shutil.rmtree(Path(self.build_lib) / package, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            for source, target in self._bundled().items():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def get_outputs(self, include_bytecode=True):
        bundled = [] if self.editable_mode else [str(f) for f in self._bundled().values()]
        return super().get_outputs(include_bytecode) + bundled

    def get_source_files(self):
        return super().get_source_files() + [str(f.relative_to(ROOT)) for f in self._bundled()]


setup(
    name=package,
    version=cfg["version"],
    description=cfg["description"],
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    keywords=cfg["keywords"],
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=[package],
    include_package_data=False,
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require={k.removesuffix("_requirements"): v.split() for k, v in cfg.items() if k.endswith("_requirements")},
    entry_points={"console_scripts": cfg["console_scripts"].split()},
    cmdclass={"build_py": BuildWithData},
    zip_safe=False,
)
