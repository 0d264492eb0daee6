"""Build the site, as `make docs` does: notebooks -> nbdev -> _proc -> build/docs -> Sphinx with MyST-NB -> _docs.

No Quarto, no network, and no notebook is run: the saved outputs are the docs. Warnings are errors.
"""
import os
import shutil
import sys
import time
import warnings
from copy import deepcopy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES, DOCTREES, PAGES, OUT = ROOT / "build/docs", ROOT / "build/doctrees", ROOT / "build/html", ROOT / "_docs"


def processed() -> tuple:
    """The notebooks as nbdev processes them for its own docs, and what it could not process."""
    from nbdev.process import NBProcessor
    from nbdev import serve  # reads settings.ini in the current folder
    problems = []

    class Processed(serve.FilterDefaults):
        def __call__(self, nb):
            spare = deepcopy(nb)
            try: return super().__call__(nb)
            except Exception as e:  # whatever the notebook's cells raise: nbdev_docs would end here
                problems.append(f"nbdev_docs can't process a notebook: {e}\n(it runs cells with imports: let imports stand alone)")
            nb.clear(), nb.update(spare)
            return self.nb_proc(nb, without={"exec_show_docs"}).process()

        def nb_proc(self, nb, without=()):
            return NBProcessor(nb=nb, procs=[p for p in self.procs() if getattr(p, "__name__", "") not in without])

    serve.FilterDefaults = Processed
    return serve.proc_nbs(force=True, n_workers=0), problems


def main() -> int:
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
    warnings.filterwarnings("ignore", category=FutureWarning)
    start = time.time()
    said = lambda what: print(f"{time.time() - start:6.1f} s  {what}", flush=True)  # noqa: E731
    proc, problems = processed()
    said("notebooks processed by nbdev")
    from stage import stage_all
    stage = stage_all(ROOT, proc, SOURCES)
    said(f"{len(stage.notebooks)} notebooks and {len(stage.reference.entries)} public names staged")
    problems += stage.problems
    from sphinx.cmd.build import build_main
    for folder in (PAGES, OUT): shutil.rmtree(folder, ignore_errors=True)
    failed = build_main(["-b", "html", "-c", "docs", "-d", str(DOCTREES), "-q", "-E", "-j", "2", "-W", "--keep-going", str(SOURCES), str(PAGES)]) or bool(problems)
    if PAGES.exists(): PAGES.rename(OUT)  # MyST-NB leaves a folder beside what it builds: under build/ nobody meets it
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    said(f"{sum(1 for _ in OUT.rglob('*.html'))} pages in {OUT.relative_to(ROOT)}/" if not failed else "the site has the errors above")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
