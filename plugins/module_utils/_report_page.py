# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the HTML report as it is written by hand: its frame and its filters; style and script have files of their own.

They are Python because a module takes nothing else with it to where it runs. The page asks nobody for anything: no font, no image, no
script from elsewhere; the policy in its head forbids it, and names its own style and script by their hashes.
"""

from __future__ import annotations

# For string.Template; what is put in is escaped already.
FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="generator" content="$generator">
<title>$title</title>
<style>$style</style>
</head>
<body class="$class_of_verdict">
<header class="top">
<p class="kicker">$kicker</p>
<h1><span class="seal" aria-hidden="true">$seal</span>$headline</h1>
<p class="lead">$lead</p>
<dl class="occasion">$occasion</dl>
<dl class="figures">$figures</dl>
</header>
<main>
$sections
</main>
<footer><p>$footer</p></footer>
<aside id="explanation" aria-label="Explanation of a connection" aria-live="polite" hidden>
<button type="button" class="close" aria-label="Close the explanation">&times;</button>
<p class="found"><span class="state" aria-hidden="true"></span> <strong></strong></p>
<p class="ends"></p>
<p class="means"></p>
<dl></dl>
</aside>
<script type="application/json" id="data">$data</script>
<script>$script</script>
</body>
</html>
"""

# Shown only where the script runs, since nothing filters without it.
FILTERS = """\
<form class="filters" aria-label="Filters" autocomplete="off">
<label class="only"><input type="checkbox" name="only"> Only what is not as declared</label>
<label>From namespace <select name="from"><option value="">any</option>$from_options</select></label>
<label>To namespace <select name="to"><option value="">any</option>$to_options</select></label>
<label class="text">Name or port <input type="search" name="text" placeholder="user 5432" spellcheck="false"></label>
<button type="reset">Show everything</button>
<output name="shown"></output>
</form>
"""
