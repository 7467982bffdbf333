"""Formulas as MathML, which browsers draw themselves: pages need no script from another site."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml


def inline(self, node):
    """Write a formula within a line."""
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise SkipNode


def block(self, node):
    """Write a formula on a line of its own."""
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode


def setup(app):
    """Register the renderer under the name that `html_math_renderer` takes."""
    app.add_html_math_renderer(
        "local_mathml", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
