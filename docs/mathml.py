"""Formulas as MathML, made while the site is built: browsers draw them without a script and without a font from elsewhere."""
import html

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from latex2mathml.exceptions import NoAvailableTokensError
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def converted(node, display: str) -> str:
    """The formula; what can't be converted is a warning, and warnings are errors."""
    try: return convert(node.astext().strip(), display=display)
    except (NoAvailableTokensError, ValueError, IndexError) as e:
        LOG.warning("no formula: %r (%s)", node.astext(), type(e).__name__, location=node)
        return f"<code>{html.escape(node.astext())}</code>"


def inline(writer, node):
    writer.body.append(converted(node, "inline"))
    raise SkipNode


def block(writer, node):
    writer.body.append('<div class="formula">' + converted(node, "block") + "</div>")
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
