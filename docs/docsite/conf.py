# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sphinx' settings for the site: the Markdown pages as they stand in the checkout, and the reference that antsibull-docs derives."""

from __future__ import annotations

import os
import pathlib
import re

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

CHECKOUT = pathlib.Path(os.environ["AZORA_CHECKOUT"])
REPOSITORY = "https://github.com/azora/azora.platform/tree/main/"
# What a Markdown link leads to, without its anchor; images and addresses elsewhere are not meant.
LINK = re.compile(r"(?<!!)(\[[^\]\n]*\])\(([^)#\s:]+)(#[^)\s]*)?\)")
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
PLUGIN = re.compile(r"ansible_collections\.(\w+)\.(\w+)\.(\w+?)(?:__.*)?")
# Chapters of Ansible's own documentation that the reference refers to.
CHAPTERS = {
    "common_return_values": "reference_appendices/common_return_values.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
}

project = "azora.platform"
project_copyright = "azora.platform contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_theme_options = {"display_version": False, "topbar_links": {}, "vcs_pageview_mode": "edit"}
html_title = "azora.platform"
html_copy_source = False
exclude_patterns = ["**/links.yml"]
# Headings are linked to as GitHub names them.
myst_heading_anchors = 4
# Pages begin with a comment, and some skip a level of headings.
suppress_warnings = ["myst.header"]


def lead_to_what_the_site_has(app: Sphinx, docname: str, source: list[str]) -> None:
    """A link to a folder leads to its README; one to a file that is no page of the site leads to the repository."""
    if app.env.doc2path(docname).suffix != ".md":
        return
    page = (CHECKOUT / docname).parent

    def lead(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        place = (page / target).resolve()
        if place.is_dir() and (place / "README.md").is_file():
            return f"{text}({target.rstrip('/')}/README.md{anchor})"
        if place.suffix in {".md", ".rst"}:
            return match[0]
        return f"{text}({REPOSITORY}{place.relative_to(CHECKOUT)}{anchor})"

    source[0] = LINK.sub(lead, source[0])


def lead_to_ansible(
    _app: Sphinx, _env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """What is described in Ansible's documentation is linked to there; anything else that is missing stays a warning."""
    target = str(node.get("reftarget", ""))
    plugin = PLUGIN.fullmatch(target)
    if target in CHAPTERS:
        page = CHAPTERS[target]
    elif plugin and plugin.group(1, 2) != ("azora", "platform"):
        page = "collections/{}/{}/{}.html".format(*plugin.groups())
    else:
        return None
    link = nodes.reference("", "", internal=False, refuri=ANSIBLE + page)
    link += content
    return link


def setup(app: Sphinx) -> None:
    app.connect("source-read", lead_to_what_the_site_has)
    app.connect("missing-reference", lead_to_ansible)
    # Pictures in Mermaid are drawn by what shows the repository; here they stay readable text, since the site loads nothing from elsewhere.
    app.add_lexer("mermaid", TextLexer)
