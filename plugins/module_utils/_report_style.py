# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The style of the HTML report: on a screen by day and night, on a phone, on paper."""

from __future__ import annotations

STYLE = """
:root {
  --paper: #fff; --raised: #fff; --wash: #f4f6f8; --line: #dfe4e9; --faint: #b4c0cb; --soft: #56626e; --ink: #17212b; --link: #0b5c94;
  --good: #0b6b57; --bad: #b3300f; --unsure: #7a5600;
  /* Told apart by lightness as much as by hue, and each has a sign as well. */
  --open: #cfe3f2; --on-open: #0b4f80;
  --blocked: #eef1f4; --on-blocked: #7d8994;
  --leak: #c4390d; --on-leak: #fff;
  --cut: #5b2a86; --on-cut: #fff;
  --mute: #f2b12e; --on-mute: #2b1d00;
  --unknown: #fff; --on-unknown: #4a5560;
  --square: 1.5rem;
  --sans: Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  color-scheme: light;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12181e; --raised: #1c242c; --wash: #1a2229; --line: #2f3a44; --faint: #56636f; --soft: #9aa8b5; --ink: #e8edf2; --link: #7fc0f0;
    --good: #4cc3a5; --bad: #ff8660; --unsure: #e9b949;
    --open: #17405f; --on-open: #bfe0f8;
    --blocked: #1f282f; --on-blocked: #71808d;
    --leak: #ff7a4d; --on-leak: #2a0a00;
    --cut: #b78cf0; --on-cut: #1d0836;
    --mute: #e9b03a; --on-mute: #2b1d00;
    --unknown: #12181e; --on-unknown: #c3ced8;
    color-scheme: dark;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 var(--sans); border-top: .375rem solid var(--verdict); }
body.passed { --verdict: var(--good); }
body.failed { --verdict: var(--bad); }
body.incomplete { --verdict: var(--unsure); }
.top, main, footer { max-width: 78rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 3rem); }
h1, h2, h3, p, dl, dd, ol, ul, figure { margin: 0; padding: 0; }
a { color: var(--link); text-underline-offset: .15em; text-decoration-thickness: .06em; }
button, input, select { font: inherit; color: inherit; }
:focus-visible { outline: .1875rem solid var(--link); outline-offset: .125rem; }
/* For ears only. */
.aside { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

/* ---- the verdict ---- */
.top { padding-top: 2.5rem; padding-bottom: 2rem; }
.kicker { color: var(--soft); font-size: .875rem; letter-spacing: .01em; }
h1 { display: flex; align-items: center; gap: .35em; margin: .25rem 0 .5rem; color: var(--verdict);
  font-size: clamp(2.25rem, 7vw, 3.5rem); line-height: 1.1; font-weight: 700; letter-spacing: -.01em; }
.seal { display: inline-grid; place-items: center; width: 1.05em; height: 1.05em; border-radius: 50%; flex: none;
  background: var(--verdict); color: var(--paper); font-size: .72em; line-height: 1; }
.lead { max-width: 46rem; font-size: clamp(1.0625rem, 2.5vw, 1.3125rem); line-height: 1.4; text-wrap: pretty; overflow-wrap: anywhere; }
.occasion { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin-top: 1rem; color: var(--soft); font-size: .875rem; }
.occasion div { display: flex; gap: .4rem; min-width: 0; }
.occasion dt::after { content: ":"; }
.occasion dd { color: var(--ink); overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1.25rem 2rem; margin-top: 2rem;
  padding-top: 1.25rem; border-top: 1px solid var(--line); }
.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures dt { color: var(--soft); font-size: .8125rem; }
.figures dd { font-size: 1.75rem; line-height: 1.2; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.figures dd small { font-size: .6em; font-weight: 500; color: var(--soft); }
.figures .wrong dd { color: var(--bad); }
.figures .unsure dd { color: var(--unsure); }

/* ---- sections ---- */
section { padding: 2rem 0; border-top: 1px solid var(--line); }
h2 { font-size: 1.3125rem; line-height: 1.3; font-weight: 650; letter-spacing: -.005em; }
h2 + p { max-width: 48rem; margin-top: .25rem; color: var(--soft); font-size: .9375rem; }
.note { margin-top: .75rem; color: var(--soft); font-size: .875rem; max-width: 48rem; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; }
.namespace { color: var(--soft); font-weight: 400; }
.scrolls { overflow: auto; overscroll-behavior-x: contain; }

/* ---- a state: a square with its sign ---- */
.state { display: inline-grid; place-items: center; flex: none; width: var(--square); height: var(--square); padding: 0; border: 0;
  border-radius: .25rem; font: 700 .8125rem/1 var(--sans); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.state.open { background: var(--open); color: var(--on-open); font-size: .6875rem; }
.state.blocked { background: var(--blocked); color: var(--on-blocked); }
.state.leak { background: var(--leak); color: var(--on-leak); }
.state.cut { background: var(--cut); color: var(--on-cut); }
.state.mute, .state.flaky { background: var(--mute); color: var(--on-mute); font-size: 1rem; }
.state.other { background: none; color: var(--bad); box-shadow: inset 0 0 0 .09rem currentColor; font-size: .9375rem; }
.state.unknown { background: var(--unknown); color: var(--on-unknown); box-shadow: inset 0 0 0 .09rem var(--on-unknown);
  background-image: repeating-linear-gradient(135deg, transparent 0 .22rem, var(--line) .22rem .3rem); }

/* ---- what is not as declared ---- */
.group { display: grid; grid-template-columns: minmax(11rem, 17rem) 1fr; gap: .25rem 2rem; padding: 1rem 0; border-top: 1px solid var(--line); }
.groups { margin-top: 1rem; }
.group h3 { display: flex; gap: .625rem; align-items: start; font-size: .9375rem; line-height: 1.6; font-weight: 600; }
.group h3 b { font-weight: 400; color: var(--soft); font-variant-numeric: tabular-nums; }
.mismatches { list-style: none; min-width: 0; font-size: .9375rem; }
.mismatches li { padding: .0625rem 0 .3125rem; overflow-wrap: anywhere; text-wrap: pretty; }
.mismatches a { color: inherit; text-decoration-color: var(--faint); }
.mismatches a:hover { text-decoration-color: currentColor; }
.times { color: var(--soft); white-space: nowrap; }
.more { position: absolute; opacity: 0; pointer-events: none; }
.more + label { display: inline-block; margin-top: .75rem; padding: .4rem .9rem; border: 1px solid var(--line); border-radius: .4rem;
  color: var(--link); font-size: .9375rem; cursor: pointer; }
.more:focus-visible + label { outline: .1875rem solid var(--link); outline-offset: .125rem; }
.more:checked + label .few, .more:not(:checked) + label .every { display: none; }

/* ---- legend, which is a filter as well ---- */
.legend { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; margin-top: 1rem; }
.legend button { display: flex; align-items: center; gap: .5rem; min-height: 2.25rem; padding: .25rem .75rem .25rem .375rem; border-radius: .5rem;
  border: 1px solid var(--line); background: none; font-size: .875rem; text-align: left; cursor: pointer; }
.legend button:disabled { cursor: default; color: inherit; }
.legend button:not(:disabled):hover { border-color: var(--soft); }
.legend button[aria-pressed="true"] { border-color: var(--link); box-shadow: inset 0 0 0 1px var(--link); background: var(--wash); }
.legend b { font-weight: 650; font-variant-numeric: tabular-nums; }

/* ---- filters ---- */
.filters { display: none; flex-wrap: wrap; align-items: end; gap: .75rem 1rem; margin-top: 1rem; padding: .875rem 1rem; border-radius: .6rem;
  background: var(--wash); font-size: .875rem; }
.scripted .filters { display: flex; }
.filters label { display: flex; flex-direction: column; gap: .2rem; color: var(--soft); min-width: 0; }
.filters label.only { flex-direction: row; align-items: center; gap: .5rem; min-height: 2.25rem; color: var(--ink); }
.filters label.text { flex: 1 1 10rem; }
.filters select, .filters input[type="search"] { min-height: 2.25rem; max-width: 100%; padding: .25rem .5rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--paper); color: var(--ink); }
.filters input[type="checkbox"] { width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--link); }
.filters button { min-height: 2.25rem; padding: .25rem .8rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--paper); cursor: pointer; }
.filters output { flex: 1 0 100%; color: var(--soft); }

/* ---- the matrix ---- */
.matrix { margin-top: 1rem; width: fit-content; max-width: 100%; max-height: min(85vh, 60rem); border: 1px solid var(--line); border-radius: .6rem; }
.matrix table { line-height: 1.2; font-size: .8125rem; }
.matrix thead { position: sticky; top: 0; z-index: 2; }
.matrix th, .matrix td { background: var(--paper); }
.matrix thead th { vertical-align: bottom; padding: 0; font-weight: 500; }
.matrix thead th > span { display: block; margin: 0 auto; max-height: 11rem; padding: .5rem 0 .25rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; writing-mode: vertical-rl; transform: rotate(180deg); }
.matrix thead tr:first-child th > span { padding: .25rem 0 .625rem; font-weight: 600; }
.matrix thead tr:last-child th { border-bottom: 1px solid var(--line); color: var(--soft); font-size: .6875rem; font-weight: 400; }
.matrix .corner { z-index: 3; padding: .5rem .75rem; color: var(--soft); font-weight: 400; font-size: .75rem; border-bottom: 1px solid var(--line); }
.matrix tbody th, .matrix .corner { position: sticky; left: 0; z-index: 1; border-right: 1px solid var(--line); }
.matrix .corner { z-index: 3; }
.matrix tbody th { padding: .125rem .75rem; white-space: nowrap; max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
.matrix td { padding: 1px; width: calc(var(--square) + 2px); height: calc(var(--square) + 2px); text-align: center; }
.matrix .state { display: grid; cursor: default; }
.scripted .matrix .state { cursor: pointer; }
.matrix .first, .matrix thead tr:first-child th:not(.corner) { padding-left: .5rem; }
.matrix .starts { border-left: 1px solid var(--line); }
.matrix tbody .starting > * { border-top: 1px solid var(--line); }
.matrix tbody tr:first-child > * { border-top: 0; }
.matrix .at, .matrix tbody tr:hover th { background: var(--wash); }
.matrix .dim { opacity: .2; }
.matrix .state[aria-current="true"] { outline: .1875rem solid var(--ink); outline-offset: 1px; position: relative; }
.none { margin-top: 1rem; color: var(--soft); }

/* ---- the explanation ---- */
#explanation { position: fixed; z-index: 5; right: 1.25rem; bottom: 1.25rem; width: min(26rem, calc(100vw - 2.5rem)); max-height: 70vh; overflow: auto;
  padding: 1.125rem 1.25rem 1.25rem; border: 1px solid var(--line); border-radius: .75rem; background: var(--raised);
  box-shadow: 0 .75rem 2.5rem rgb(0 0 0 / .22); font-size: .9375rem; }
#explanation.left { right: auto; left: 1.25rem; }
#explanation[hidden] { display: none; }
#explanation .found { display: flex; align-items: center; gap: .6rem; padding-right: 2.5rem; }
#explanation .ends { margin-top: .75rem; font-size: 1.0625rem; line-height: 1.35; font-weight: 600; overflow-wrap: anywhere; }
#explanation .ends span { color: var(--soft); font-weight: 400; }
#explanation .means { margin-top: .25rem; color: var(--soft); }
#explanation dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin-top: .75rem; padding-top: .75rem; border-top: 1px solid var(--line);
  font-size: .875rem; font-variant-numeric: tabular-nums; }
#explanation dt { color: var(--soft); }
#explanation dd { overflow-wrap: anywhere; }
.close { position: absolute; top: .5rem; right: .5rem; width: 2.5rem; height: 2.5rem; border: 0; border-radius: .5rem; background: none; font-size: 1.375rem;
  line-height: 1; color: var(--soft); cursor: pointer; }
.close:hover { background: var(--wash); }

/* ---- the graph ---- */
.graph { margin-top: 1rem; border: 1px solid var(--line); border-radius: .6rem; }
.graph svg { display: block; margin: 0 auto; font: 500 12.5px var(--sans); }
.band rect { fill: var(--wash); }
.band text { fill: var(--soft); font-size: 12px; }
.node rect { fill: var(--raised); stroke: var(--line); stroke-width: 1.25; }
.node text { fill: var(--ink); text-anchor: middle; }
.scripted .node, .scripted .edge, .scripted .badge { cursor: pointer; }
.line { fill: none; stroke-width: 1.4; }
.reach { fill: none; stroke: transparent; stroke-width: 12; }
.edge.open .line { stroke: #7fa9c9; }
.tip.open { fill: #7fa9c9; }
.edge.leak .line { stroke: var(--leak); stroke-width: 2.2; }
.tip.leak, .badge.leak circle { fill: var(--leak); }
.edge.cut .line { stroke: var(--cut); stroke-width: 2.2; stroke-dasharray: 6 4; }
.tip.cut, .badge.cut circle { fill: var(--cut); }
.edge.mute .line, .edge.flaky .line { stroke: var(--mute); stroke-width: 2.2; stroke-dasharray: 2 3; }
.tip.mute, .tip.flaky, .badge.mute circle, .badge.flaky circle { fill: var(--mute); }
.edge.unknown .line { stroke: var(--on-unknown); stroke-width: 1.6; stroke-dasharray: 1.5 4; }
.tip.unknown { fill: var(--on-unknown); }
.badge.unknown circle { fill: var(--paper); stroke: var(--on-unknown); }
.badge text { text-anchor: middle; font-weight: 700; font-size: 11px; fill: var(--on-leak); }
.badge.cut text { fill: var(--on-cut); }
.badge.mute text, .badge.flaky text { fill: var(--on-mute); }
.badge.unknown text { fill: var(--on-unknown); }
.graph .dim { opacity: .12; }
.graph .edge:hover .line { stroke-width: 3; }
.graph .node:hover rect { stroke: var(--link); stroke-width: 2; }

/* ---- tables ---- */
.list { width: 100%; margin-top: 1rem; font-size: .875rem; }
.list th, .list td { padding: .5rem .75rem .5rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.workloads td:nth-child(2) { min-width: 6rem; }
.list thead th { border-top: 0; padding-top: 0; color: var(--soft); font-size: .8125rem; font-weight: 500; overflow-wrap: normal; }
.list .number { text-align: right; white-space: nowrap; }
.list .wrong { color: var(--bad); font-weight: 600; }
.list .unsure { color: var(--unsure); font-weight: 600; }
.list .name { max-width: 18rem; }
.connections td:nth-child(1) { width: 18%; }
.connections .ends { width: 22%; }
.connections td:nth-child(3) { width: 19%; }
.connections td:nth-child(5) { width: 9%; }
.list tbody th { font-weight: 600; }
.list .verdict { display: flex; gap: .6rem; align-items: center; white-space: nowrap; }
.list .pod > td { padding: .25rem .75rem .25rem 0; border-top: 0; color: var(--soft); }
.list .pod:last-child > td { padding-bottom: .625rem; }
.list .pod > td:first-child { padding-left: 1rem; }
tr:target > * { background: var(--wash); }
footer { padding-top: 1.5rem; padding-bottom: 4rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8125rem; max-width: none; }
footer p { max-width: 72rem; margin: 0 auto; }

@media screen {
  .out { display: none; }
  .groups:has(+ .more:not(:checked)) li:nth-child(n + 5) { display: none; }
}
@media screen and (max-width: 48rem) {
  :root { --square: 1.625rem; }
  .top { padding-top: 1.5rem; }
  .figures { grid-template-columns: repeat(auto-fit, minmax(6.25rem, 1fr)); gap: 1rem; }
  .group { grid-template-columns: minmax(0, 1fr); gap: .5rem; }
  .filters label:not(.only) { flex: 1 1 8rem; }
  .matrix tbody th { max-width: 36vw; padding: .125rem .5rem; }
  .matrix tbody .namespace { display: block; font-size: .6875rem; line-height: 1.1; }
  .matrix .corner { padding: .5rem; white-space: nowrap; }
  #explanation, #explanation.left { right: 0; left: 0; bottom: 0; width: auto; max-height: 60vh; border-radius: .9rem .9rem 0 0; border-width: 1px 0 0;
    padding-bottom: max(1.25rem, env(safe-area-inset-bottom)); }
  /* Each row a card: the column's name before its value. */
  .list, .list tbody, .list tr, .list th, .list td { display: block; width: auto; }
  .list thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .list tr { padding: .75rem 0; border-top: 1px solid var(--line); }
  .list th, .list td, .list .pod > td { padding: .1rem 0; border: 0; text-align: left; }
  .list td:nth-child(n), .list .name, .connections .ends { width: auto; max-width: none; min-width: 0; }
  .list .number { display: inline-block; margin-right: 1.5rem; text-align: left; }
  .list td:empty, .list .number:empty { display: none; }
  .list td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); font-weight: 400; }
  /* A pod in one line of words. */
  .list .pod { padding: .25rem 0 .25rem .75rem; border-top: 0; border-left: .1875rem solid var(--line); margin-bottom: .5rem; }
  .list .pod > td, .list .pod > td:first-child, .list .pod:last-child > td { display: inline; padding: 0; }
  .list .pod > td:empty { display: none; }
  .list .pod > td[data-label]::before { content: " · "; }
  .list .verdict { white-space: normal; padding-bottom: .25rem; }
}
/* A row of a filtered table must stay away though rows are blocks on a phone. */
@media screen { .list .out { display: none; } }

@media print {
  @page { size: A4; margin: 14mm 12mm; }
  :root { --square: 1.125rem; font-size: 11px; }
  body { border-top-width: .25rem; }
  .top, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  .top { padding-top: 1rem; padding-bottom: 1rem; }
  section { padding: 1.25rem 0; }
  .filters, #explanation, .more, .more + label { display: none !important; }
  .scrolls { overflow: visible; max-height: none; border: 0; }
  .matrix thead, .matrix tbody th, .matrix .corner { position: static; }
  .matrix thead { display: table-header-group; }
  .matrix .dim, .graph .dim { opacity: 1; }
  .matrix .state[aria-current="true"] { outline: 0; }
  .graph svg { max-width: 100%; height: auto; max-height: 24cm; }
  .mismatches li, .list tr, .matrix table, .matrix tr, .graph, .figures { break-inside: avoid; }
  .list .verdict { white-space: normal; }
  h2, h2 + p { break-after: avoid; }
  .legend button { min-height: 0; }
  a { color: inherit; text-decoration: none; }
  .list th, .list td { padding-top: .25rem; padding-bottom: .25rem; }
  .band rect, .node rect, .badge circle { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
"""

# A matrix of many columns gets paper of its own size: cut off, it would be worth nothing.
STYLE_OF_WIDE_PAPER = """
@page matrix { size: $width $height; margin: 12mm; }
@media print { .matrix { page: matrix; } }
"""
