# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script of the HTML report: explanations, filters and keys. Without it the page says everything as well."""

from __future__ import annotations

SCRIPT = r"""
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;
  root.classList.add("scripted");

  // What the page knows of each connection; texts that repeat are told once and pointed to.
  const rows = page.rows.map((row) => {
    const [source, destination, port, spoken, state, reason, because, answered, milliseconds, attempts, allowed] = row;
    const text = (index) => (index < 0 ? "" : page.texts[index]);
    return {
      source: text(source), destination: text(destination), port: text(port), spoken: text(spoken), state: page.states[state],
      reason: text(reason), because: text(because), answered: text(answered), milliseconds, attempts, allowed,
      from: text(page.namespaces[source]), to: text(page.namespaces[destination]),
    };
  });
  for (const row of rows) {
    row.place = `${row.source},${row.destination},${row.port}`;
    // With the arrow one can ask for one side: "user→" or "→pg:5432".
    row.search = `${row.source}→${row.destination}:${row.port} ${row.spoken}`.toLowerCase();
  }
  const rowOfPlace = new Map(rows.map((row, number) => [row.place, number]));

  // ---- the state of the page, which its address carries after the # ------------------------------------------------

  const form = one("form.filters");
  const chips = all(".legend button");
  const choice = { only: false, from: "", to: "", text: "", states: new Set(), cell: -1 };

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const states = (given.get("state") || "").split(",");
    choice.only = given.get("only") === "mismatches";
    choice.from = given.get("from") || "";
    choice.to = given.get("to") || "";
    choice.text = given.get("text") || "";
    choice.states = new Set(page.states.map((state) => state.name).filter((name) => states.includes(name)));
    choice.cell = rowOfPlace.has(given.get("cell")) ? rowOfPlace.get(given.get("cell")) : -1;
  }

  function writeAddress() {
    const parts = {
      only: choice.only ? "mismatches" : "", from: choice.from, to: choice.to, text: choice.text.trim(), state: [...choice.states].join(","),
      cell: choice.cell < 0 ? "" : rows[choice.cell].place,
    };
    const readable = (text) => encodeURIComponent(text).replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%3A/g, ":");
    const told = Object.entries(parts).filter(([, text]) => text).map(([name, text]) => `${name}=${readable(text)}`);
    history.replaceState(null, "", told.length ? `#${told.join("&")}` : location.href.split("#")[0]);
  }

  function showChoice() {
    if (form) {
      form.elements.only.checked = choice.only;
      form.elements.from.value = choice.from;
      form.elements.to.value = choice.to;
      form.elements.text.value = choice.text;
    }
    for (const chip of chips) chip.setAttribute("aria-pressed", String(choice.states.has(chip.dataset.state)));
    filter();
    explain();
  }

  // ---- the matrix -------------------------------------------------------------------------------------------------

  const matrix = one(".matrix table");
  const scroller = one(".matrix");
  const squares = [];
  for (const square of all(".matrix .state")) {
    squares[square.dataset.row] = square;
    const row = rows[square.dataset.row];
    square.tabIndex = -1;
    square.setAttribute("aria-label", `${row.port}: ${row.state.words}`);
    row.line = square.parentNode.parentNode;
    row.column = square.parentNode.cellIndex - 1;
  }
  const lines = matrix ? [...matrix.tBodies[0].rows] : [];
  const portHeads = matrix ? [...matrix.tHead.rows[1].cells] : [];
  const destinationHeads = matrix ? [...matrix.tHead.rows[0].cells].slice(1) : [];
  const headOfColumn = [];
  for (const head of destinationHeads) for (let port = head.colSpan; port > 0; port -= 1) headOfColumn.push(head);
  const firstSquare = squares.find(Boolean);
  if (firstSquare) firstSquare.tabIndex = 0;

  const edges = all(".edge, .badge");
  const nodes = all(".node");
  const listed = all("table.connections tr[data-row]");
  const workloads = all("table.workloads tbody");

  function filter() {
    const terms = choice.text.toLowerCase().split(/\s+/).filter(Boolean);
    const active = choice.only || choice.from || choice.to || terms.length || choice.states.size;
    const wanted = (row) =>
      (!choice.only || !row.state.good)
      && (!choice.from || row.from === choice.from)
      && (!choice.to || row.to === choice.to)
      && (!choice.states.size || choice.states.has(row.state.name))
      && terms.every((term) => row.search.includes(term));
    const linesShown = new Set();
    const columnsShown = new Set();
    const pairsShown = new Set();
    let count = 0;
    rows.forEach((row, number) => {
      row.shown = wanted(row);
      squares[number].classList.toggle("dim", !row.shown);
      if (!row.shown) return;
      count += 1;
      linesShown.add(row.line);
      columnsShown.add(row.column);
      pairsShown.add(`${row.source} ${row.destination}`);
    });
    for (const line of lines) {
      line.classList.toggle("out", !linesShown.has(line));
      // A cell that says nothing has no column to keep: only its place counts.
      portHeads.forEach((_head, column) => line.cells[column + 1].classList.toggle("out", !columnsShown.has(column)));
    }
    const widths = new Map();
    portHeads.forEach((head, column) => {
      const shown = columnsShown.has(column);
      head.classList.toggle("out", !shown);
      const destination = headOfColumn[column];
      widths.set(destination, (widths.get(destination) || 0) + (shown ? 1 : 0));
    });
    for (const [head, width] of widths) {
      head.classList.toggle("out", width === 0);
      if (width) head.colSpan = width;
    }
    if (scroller) scroller.classList.toggle("out", count === 0);
    const none = one(".none");
    if (none) none.hidden = count > 0;
    for (const line of listed) line.classList.toggle("out", !rows[line.dataset.row].shown);
    for (const edge of edges) edge.classList.toggle("dim", Boolean(active) && !pairsShown.has(`${edge.dataset.from} ${edge.dataset.to}`));
    const ends = new Set([...pairsShown].flatMap((pair) => pair.split(" ")));
    for (const node of nodes) node.classList.toggle("dim", Boolean(active) && !ends.has(node.dataset.id));
    for (const body of workloads) {
      const { id, namespace, wrong } = body.dataset;
      const chosen = [choice.from, choice.to].filter(Boolean);
      const itself = choice.only && wrong === "yes" && (!chosen.length || chosen.includes(namespace))
        && terms.every((term) => id.toLowerCase().includes(term));
      body.classList.toggle("out", Boolean(active) && !itself && !ends.has(id));
    }
    if (form) form.elements.shown.value = active ? `${count} of ${rows.length} connections` : `${rows.length} connections`;
  }

  // ---- one connection explained -----------------------------------------------------------------------------------

  const panel = one("#explanation");

  function explain() {
    const before = one('.state[aria-current="true"]');
    if (before) before.removeAttribute("aria-current");
    const row = rows[choice.cell];
    panel.hidden = !row;
    if (!row) return;
    const square = squares[choice.cell];
    square.setAttribute("aria-current", "true");
    bringIntoView(square);
    const sign = one(".state", panel);
    sign.className = `state ${row.state.name}`;
    sign.textContent = row.state.sign;
    one("strong", panel).textContent = row.state.words;
    const ends = one(".ends", panel);
    const arrow = document.createElement("span");
    arrow.textContent = " → ";
    ends.replaceChildren(row.source, arrow, `${row.destination}:${row.port}`);
    one(".means", panel).textContent = row.state.means;
    const told = [
      ["Port", row.spoken ? `${row.port} (${row.spoken})` : row.port],
      ["Expected", (row.allowed ? "OPEN" : "BLOCKED") + (row.because ? `: ${row.because}` : "")],
      ["Verdict", row.state.verdict],
      ["It rests on", row.reason === row.because ? "" : row.reason],
      ["Answered", row.answered],
      ["Connect took", row.milliseconds === null ? "" : `${row.milliseconds} ms`],
      ["Attempts", String(row.attempts)],
    ];
    const list = one("dl", panel);
    list.replaceChildren();
    for (const [name, text] of told) {
      if (!text) continue;
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = text;
      list.append(term, detail);
    }
    uncover(square);
  }

  // The explanation must not lie on what it explains: it goes to the other side, or the page moves on below it.
  function uncover(square) {
    panel.classList.remove("left");
    if (covered(square)) panel.classList.add("left");
    const place = covered(square);
    if (place) window.scrollBy({ top: place.bottom - panel.getBoundingClientRect().top + 16, behavior: "instant" });
  }

  function covered(square) {
    const place = square.getBoundingClientRect();
    const lid = panel.getBoundingClientRect();
    const apart = place.right < lid.left || place.left > lid.right || place.bottom < lid.top || place.top > window.innerHeight;
    return apart ? null : place;
  }

  // Only the matrix moves, not the page under the reader.
  function bringIntoView(square) {
    const cell = square.getBoundingClientRect();
    const frame = scroller.getBoundingClientRect();
    const left = frame.left + matrix.tHead.rows[0].cells[0].offsetWidth;
    const top = frame.top + matrix.tHead.offsetHeight;
    if (cell.left < left) scroller.scrollLeft -= left - cell.left + 8;
    else if (cell.right > frame.right) scroller.scrollLeft += cell.right - frame.right + 24;
    if (cell.top < top) scroller.scrollTop -= top - cell.top + 8;
    else if (cell.bottom > frame.bottom) scroller.scrollTop += cell.bottom - frame.bottom + 24;
  }

  function choose(number) {
    choice.cell = number;
    explain();
    writeAddress();
  }

  // ---- hands: pointer and keys ------------------------------------------------------------------------------------

  document.addEventListener("click", (event) => {
    const target = event.target.closest('.matrix .state, .edge, .badge, .node, a[data-row], a[href^="#state="], .legend button, .close');
    if (!target) return;
    if (target.matches(".close")) {
      const square = squares[choice.cell];
      choose(-1);
      if (square) square.focus({ preventScroll: true });
    } else if (target.matches(".legend button")) {
      const name = target.dataset.state;
      if (!choice.states.delete(name)) choice.states.add(name);
      showChoice();
      writeAddress();
    } else if (target.matches('a[href^="#state="]')) {
      event.preventDefault();
      history.replaceState(null, "", target.getAttribute("href"));
      readAddress();
      showChoice();
      one("#matrix-title").scrollIntoView();
    } else if (target.matches(".node")) {
      choice.text = choice.text === target.dataset.id ? "" : target.dataset.id;
      showChoice();
      writeAddress();
    } else {
      event.preventDefault();
      choose(Number(target.dataset.row));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && choice.cell >= 0) choose(-1);
    const square = event.target.closest && event.target.closest(".matrix .state");
    if (!square || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = neighbour(square, event.key);
    if (!next) return;
    event.preventDefault();
    square.tabIndex = -1;
    next.tabIndex = 0;
    next.focus({ preventScroll: true });
    bringIntoView(next);
    // With the explanation open, it follows.
    if (choice.cell >= 0) choose(Number(next.dataset.row));
  });

  function neighbour(square, key) {
    const line = square.parentNode.parentNode;
    const column = square.parentNode.cellIndex;
    const ways = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const [down, right] = ways[key] || [0, 0];
    if (key === "Home" || key === "End") {
      const seen = all("td:not(.out) .state", line);
      return key === "Home" ? seen[0] : seen[seen.length - 1];
    }
    if (!down && !right) return null;
    let y = lines.indexOf(line) + down;
    let x = column + right;
    while (lines[y] && x > 0 && x < line.cells.length) {
      const cell = lines[y].cells[x];
      const found = one(".state", cell);
      if (found && !cell.classList.contains("out") && !lines[y].classList.contains("out")) return found;
      y += down;
      x += right;
    }
    return null;
  }

  if (scroller) {
    let marked = [];
    const mark = (event) => {
      for (const head of marked) head.classList.remove("at");
      marked = [];
      const square = event.target.closest(".state");
      if (!square || event.type === "mouseleave") return;
      const row = rows[square.dataset.row];
      square.title = `${row.source} → ${row.destination}:${row.port}: ${row.state.words}`;
      marked = [row.line.cells[0], portHeads[row.column], headOfColumn[row.column]];
      for (const head of marked) head.classList.add("at");
    };
    scroller.addEventListener("mouseover", mark);
    scroller.addEventListener("mouseleave", mark);
    scroller.addEventListener("focusin", mark);
  }

  if (form) {
    const read = () => {
      choice.only = form.elements.only.checked;
      choice.from = form.elements.from.value;
      choice.to = form.elements.to.value;
      choice.text = form.elements.text.value;
      filter();
      writeAddress();
    };
    form.addEventListener("input", read);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      Object.assign(choice, { only: false, from: "", to: "", text: "", states: new Set() });
      showChoice();
      writeAddress();
    });
  }
  for (const chip of chips) chip.disabled = false;
  window.addEventListener("hashchange", () => {
    readAddress();
    showChoice();
  });
  readAddress();
  showChoice();
})();
"""
