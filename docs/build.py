"""Build the site, as `make docs` does: notebooks -> nbdev -> _proc -> build/docs -> Sphinx with MyST-NB -> _docs.

No Quarto, no network, and no notebook is run: the saved outputs are the docs. Warnings are errors.
"""
import os
import shutil
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES, DOCTREES, OUT = ROOT / "build/docs", ROOT / "build/doctrees", ROOT / "_docs"


def processed() -> Path:
    """The notebooks as nbdev processes them for its own docs."""
    from nbdev.serve import proc_nbs  # reads settings.ini in the current folder
    return proc_nbs(force=True, n_workers=0)


def main() -> int:
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
    warnings.filterwarnings("ignore", category=FutureWarning)
    start = time.time()
    said = lambda what: print(f"{time.time() - start:6.1f} s  {what}", flush=True)  # noqa: E731
    proc = processed()
    said("notebooks processed by nbdev")
    from stage import stage_all
    stage = stage_all(ROOT, proc, SOURCES)
    said(f"{len(stage.notebooks)} notebooks and {len(stage.reference.entries)} public names staged")
    print(*stage.problems, sep="\n", file=sys.stderr, end="\n" if stage.problems else "")
    from sphinx.cmd.build import build_main
    shutil.rmtree(OUT, ignore_errors=True)
    failed = build_main(["-b", "html", "-c", "docs", "-d", str(DOCTREES), "-q", "-E", "-W", "--keep-going", str(SOURCES), str(OUT)]) or len(stage.problems)
    said(f"{sum(1 for _ in OUT.rglob('*.html'))} pages in {OUT.relative_to(ROOT)}/" if not failed else "the site has the errors above")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
