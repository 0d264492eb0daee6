"""Sphinx's configuration; `build.py` calls it with the staged sources."""
import sys
from configparser import ConfigParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
settings = ConfigParser(delimiters=["="], interpolation=None)
settings.read(HERE.parent / "settings.ini", encoding="utf-8")
cfg = settings["DEFAULT"]

project, author, copyright = cfg["title"], cfg["author"], cfg["copyright"]
version = release = cfg["version"]
extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.githubpages", "mathml"]

nb_execution_mode = "off"  # the saved outputs are the docs
nb_ipywidgets_js = {}  # nothing is loaded from elsewhere; viewers show their stills
nb_output_stderr = "remove"
nb_merge_streams = True
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
myst_url_schemes = ["http", "https", "mailto"]

html_theme = "furo"
html_title = cfg["title"]
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_favicon = str(HERE / "static/eye.svg")
html_logo = str(HERE / "static/eye.svg")
html_copy_source = False
html_show_sourcelink = False
html_baseurl = cfg["doc_host"] + cfg["doc_baseurl"] + "/"
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#0b6e5f", "color-brand-content": "#0b6e5f", "color-brand-visited": "#5b4a8a"},
    "dark_css_variables": {"color-brand-primary": "#5fd0ba", "color-brand-content": "#5fd0ba", "color-brand-visited": "#b7a5ea"},
}
copybutton_exclude = ".linenos, .gp, .go"
pygments_style, pygments_dark_style = "friendly", "github-dark"
exclude_patterns = []
