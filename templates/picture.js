"use strict";
(() => {
  const page = document.documentElement;
  addEventListener("error", (event) => { page.dataset.error = event.message; });
  const byId = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // The data: src/cli/picture/rows.rs says what the columns are.
  const data = JSON.parse(byId("data").textContent);
  const KINDS = { f: "", d: "/", l: "@", h: "=", b: "=", s: "?", w: " (removed)", o: "/ (emptied)", i: "/" };
  const names = data.names.split("/");
  const kinds = data.kinds;
  const rows = kinds.length;
  const depth = data.depths;
  if (names.length !== rows || depth.length !== rows) throw new Error("the data is damaged");
  const unrolled = (runs) => {
    const column = new Int32Array(rows);
    for (let at = 0, row = 0; at < runs.length; at += 2) {
      column.fill(runs[at], row, row += runs[at + 1]);
    }
    return column;
  };
  const group = unrolled(data.groups);
  const mode = unrolled(data.modes);
  const isCovered = (row) => kinds.charCodeAt(row) < 97;
  const kind = (row) => kinds[row].toLowerCase();
  const isDirectory = (row) => "dio".includes(kind(row));
  const isMark = (row) => "wo".includes(kind(row));
  const isFile = (row) => "fb".includes(kind(row));
  const size = new Float64Array(rows);
  const notes = new Map();
  // The first row of a row's path, that of the directory above it, the row after all of the path, and that after all below it.
  const own = new Int32Array(rows);
  const after = new Int32Array(rows);
  const above = new Int32Array(rows).fill(-1);
  const end = new Int32Array(rows);
  {
    const open = [];
    for (let row = 0, next = 0; row < rows; row += 1) {
      if (isFile(row)) size[row] = data.sizes[next++];
      if (row > 0 && names[row] === "") {
        own[row] = own[row - 1];
        above[row] = above[own[row]];
        end[row] = row + 1;
        after[own[row]] = row + 1;
        continue;
      }
      own[row] = row;
      after[row] = row + 1;
      while (open.length > depth[row]) end[open.pop()] = row;
      if (open.length > 0) above[row] = open[open.length - 1];
      open.push(row);
    }
    while (open.length > 0) end[open.pop()] = rows;
    for (let at = 0, row = 0; at < data.notes.length; at += 2) {
      notes.set(row += data.notes[at], data.texts[data.notes[at + 1]]);
    }
  }

  // What a reader does not see or a page acts on is written out; so is a byte that is no text.
  const HIDDEN = /[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{115f}\u{1160}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{d800}-\u{dfff}\u{feff}\u{ffa0}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]/gu;
  const shown = (text) => text.replace(HIDDEN, (character) => {
    const point = character.codePointAt(0);
    return point >= 0xdc80 && point <= 0xdcff ? `\\x${(point - 0xdc00).toString(16)}` : `\\u{${point.toString(16)}}`;
  });
  const path = (row) => {
    const parts = [];
    for (let at = own[row]; at > 0; at = above[at]) parts.push(names[at]);
    return `/${parts.reverse().join("/")}`;
  };
  const amount = (bytes) => {
    if (bytes < 1000) return `${bytes} B`;
    // As all figures of the page: tenths of a unit, rounded half up.
    let [tenths, prefix] = [0, -1];
    for (let unit = 1000; prefix < 0 || tenths >= 10000; unit *= 1000) {
      tenths = Math.floor((bytes * 10 + unit / 2) / unit);
      prefix += 1;
    }
    return `${Math.floor(tenths / 10)}.${tenths % 10} ${"kMGTPE"[prefix]}B`;
  };
  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  const described = (row) => {
    const parts = [path(row), data.labels[group[row]]];
    if (isFile(row)) parts.push(amount(size[row]));
    if (notes.has(row)) parts.push(notes.get(row));
    return shown(parts.join(" · "));
  };

  // The filter. 0: not shown, 1: something below it is, 2: it is.
  const state = { query: "", group: -1, covered: false };
  const keep = new Uint8Array(rows);
  const total = new Float64Array(rows);
  const lost = new Float64Array(rows);
  const opened = new Set([0]);
  const hasBelow = (row) => own[row] === row && after[row] < end[row];
  let matches = 0;
  // Directories without an entry of their own do not count.
  const listed = rows - kinds.split("i").length + 1;
  let lower = null;
  const found = () => {
    const hit = new Uint8Array(rows);
    const query = state.query.toLowerCase();
    if (query === "") return hit.fill(1);
    lower = lower || names.map((name) => name.toLowerCase());
    const full = query.includes("/") ? new Array(rows) : null;
    for (let row = 1; row < rows; row += 1) {
      if (own[row] !== row) { hit[row] = hit[own[row]]; continue; }
      if (full) full[row] = `${above[row] > 0 ? full[above[row]] : ""}/${lower[row]}`;
      hit[row] = hit[above[row]] || (full ? full[row] : lower[row]).includes(query) ? 1 : 0;
    }
    return hit;
  };
  const filter = () => {
    const hit = found();
    keep.fill(0); total.fill(0); lost.fill(0);
    matches = 0;
    const isFiltered = state.query !== "" || state.covered || state.group >= 0;
    for (let row = rows - 1; row >= 0; row -= 1) {
      const first = own[row];
      const isMade = kind(row) === "i";
      if (hit[row] && (state.group < 0 || group[row] === state.group && !isMade) && (!state.covered || isCovered(row))) {
        keep[row] = 2;
        matches += isMade ? 0 : 1;
        if (isCovered(row)) lost[first] += size[row]; else total[first] += size[row];
      }
      if (first !== row) { if (keep[row]) keep[first] = Math.max(keep[first], 1); continue; }
      if (keep[row] && above[row] >= 0) {
        const up = above[row];
        keep[up] = Math.max(keep[up], 1);
        total[up] += total[row];
        lost[up] += lost[row];
      }
    }
    opened.clear();
    // Opens the root, and what is alone in its directory.
    for (let only = [0]; only.length === 1 && isDirectory(only[0]); only = below(only[0])) opened.add(only[0]);
    if (isFiltered && matches <= 1000) {
      // Opens what leads to the matches, and not what is in a directory that matches itself.
      for (let row = 1; row < rows; row += 1) {
        if (own[row] !== row || !keep[row]) continue;
        if (state.query !== "" && hit[row] && isDirectory(row)) row = end[row] - 1;
        else if (hasBelow(row)) opened.add(row);
      }
    }
  };

  // The list: only the rows in sight are in the page.
  const ROW = 22;
  // Browsers bound the height of an element.
  const MOST = 600000;
  const list = byId("list");
  const space = byId("space");
  let visible = [];
  let chosen = 0;
  const below = (directory) => {
    const children = [];
    for (let row = directory + 1; row < end[directory]; row = end[row]) {
      if (own[row] === row && keep[row]) children.push(row);
    }
    if (byId("by-size").checked) {
      // Of equal ones that which covers more, as `--tree` has it.
      children.sort((a, b) => total[b] - total[a] || lost[b] - lost[a] || a - b);
    }
    return children;
  };
  const layOut = () => {
    visible = [];
    const waiting = [0];
    while (waiting.length > 0 && visible.length < MOST) {
      const row = waiting.pop();
      visible.push(row);
      // Other layers have the path, too. Of a directory, all say the same but for its mode.
      for (let again = row + 1; again < rows && own[again] === row; again += 1) {
        if (keep[again] && !(kind(again) === "d" && isDirectory(row))) visible.push(again);
      }
      if (opened.has(row)) for (const child of below(row).reverse()) waiting.push(child);
    }
    space.style.height = `${visible.length * ROW}px`;
    chosen = Math.min(chosen, visible.length - 1);
    const shownRows = matches === listed ? count(matches, "row") : `${matches.toLocaleString("en")} of ${count(listed, "row")}`;
    byId("count").textContent = matches === 0
      ? "nothing has this"
      : `${shownRows}, ${amount(total[0])}${lost[0] > 0 ? `, and ${amount(lost[0])} covered` : ""}`;
    draw();
  };
  const rowOf = (at) => {
    const row = visible[at];
    const isFirst = own[row] === row;
    const element = make("div", at === chosen ? "row chosen" : "row");
    element.id = `row-${row}`;
    element.dataset.at = at;
    element.style.top = `${at * ROW}px`;
    element.setAttribute("role", "treeitem");
    element.setAttribute("aria-level", depth[row] + 1);
    element.setAttribute("aria-selected", at === chosen);
    if (hasBelow(row)) element.setAttribute("aria-expanded", opened.has(row));
    const figures = isFirst ? [total[row], lost[row]] : [isCovered(row) ? 0 : size[row], isCovered(row) ? size[row] : 0];
    // Nothing is a figure of an empty file, and not of a row that only leads to others.
    const isEmptyFile = kind(row) === "f" && !isCovered(row) && keep[row] === 2;
    for (const [index, figure] of figures.entries()) {
      element.append(make("span", index ? "faint" : "", figure > 0 || (isEmptyFile && !index) ? amount(figure) : ""));
    }
    element.append(make("span", "", kind(row) === "i" ? "" : shown(data.labels[group[row]])));
    element.append(make("span", "mode", kind(row) === "i" || isMark(row) ? "" : data.modeTexts[mode[row]] || ""));
    const cell = make("span");
    cell.style.paddingLeft = `${Math.min(depth[row], 40) * 1.1}rem`;
    cell.append(make("span", "twist", hasBelow(row) ? (opened.has(row) ? "▾" : "▸") : ""));
    const name = row === 0 ? "/" : shown(names[own[row]]) + KINDS[kind(row)];
    cell.append(make("bdi", isCovered(row) ? "gone" : "", name));
    if (notes.has(row)) cell.append(make("bdi", "faint", `  ${shown(notes.get(row))}`));
    cell.title = described(row);
    element.append(cell);
    return element;
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(visible.length, first + Math.ceil(list.clientHeight / ROW) + 10);
    const inSight = [];
    for (let at = first; at < last; at += 1) inSight.push(rowOf(at));
    space.replaceChildren(...inSight);
    if (chosen >= first && chosen < last) list.setAttribute("aria-activedescendant", `row-${visible[chosen]}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const choose = (at) => {
    chosen = Math.max(0, Math.min(visible.length - 1, at));
    const top = chosen * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    draw();
  };
  const toggle = (row, isOpen) => {
    if (!hasBelow(row)) return;
    if (isOpen) opened.add(row); else opened.delete(row);
    layOut();
  };
  list.addEventListener("scroll", draw, { passive: true });
  list.addEventListener("click", (event) => {
    const element = event.target.closest(".row");
    if (!element) return;
    choose(Number(element.dataset.at));
    const row = visible[chosen];
    toggle(row, !opened.has(row));
  });
  list.addEventListener("keydown", (event) => {
    const row = visible[chosen];
    const step = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
    const moves = {
      ArrowDown: () => choose(chosen + 1), ArrowUp: () => choose(chosen - 1),
      PageDown: () => choose(chosen + step), PageUp: () => choose(chosen - step),
      Home: () => choose(0), End: () => choose(visible.length - 1),
      Enter: () => toggle(row, !opened.has(row)), " ": () => toggle(row, !opened.has(row)),
      ArrowRight: () => (hasBelow(row) && !opened.has(row) ? toggle(row, true) : choose(chosen + 1)),
      ArrowLeft: () => (hasBelow(row) && opened.has(row) ? toggle(row, false) : choose(visible.indexOf(above[row]))),
    };
    if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    moves[event.key]();
  });
  const reveal = (row) => {
    for (let up = above[own[row]]; up >= 0; up = above[up]) opened.add(up);
    layOut();
    const at = visible.indexOf(row) < 0 ? visible.indexOf(own[row]) : visible.indexOf(row);
    list.scrollTop = at * ROW - list.clientHeight / 2;
    choose(at);
  };

  // The map: squares as square as they can be, for each group, and in it for each directory.
  const canvas = byId("map");
  let cells = [];
  const squares = (items, x, y, width, height, place) => {
    const sum = items.reduce((all, item) => all + item.size, 0);
    const scale = sum > 0 ? width * height / sum : 0;
    for (let first = 0; first < items.length && width > 0.5 && height > 0.5;) {
      const side = Math.min(width, height);
      let area = 0;
      let worst = Infinity;
      let last = first;
      for (; last < items.length; last += 1) {
        const next = area + items[last].size * scale;
        const ratio = Math.max(side * side * items[first].size * scale / (next * next), next * next / (side * side * items[last].size * scale));
        if (ratio > worst) break;
        worst = ratio;
        area = next;
      }
      const thick = area / side;
      for (let at = first, along = 0; at < last; at += 1) {
        const long = items[at].size * scale / thick;
        if (width >= height) place(items[at], x, y + along, thick, long);
        else place(items[at], x + along, y, long, thick);
        along += long;
      }
      if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
      first = last;
    }
  };
  const drawMap = () => {
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const pixels = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * pixels);
    canvas.height = Math.round(height * pixels);
    const context = canvas.getContext("2d");
    if (!context) { byId("map-part").hidden = true; return; }
    context.scale(pixels, pixels);
    const style = getComputedStyle(page);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const paper = color("page");
    const onColor = color("on");
    cells = [];
    const of = data.labels.map(() => ({ rows: [], size: 0 }));
    for (let row = 0; row < rows; row += 1) {
      if (keep[row] === 2 && size[row] > 0) { of[group[row]].rows.push(row); of[group[row]].size += size[row]; }
    }
    const fits = (text, room) => context.measureText(text).width <= room;
    // A text that does not fit is cut, and a sign says so.
    const cut = (text, room) => {
      if (fits(text, room)) return text;
      const characters = Array.from(text);
      let [least, most] = [0, characters.length];
      while (least < most) {
        const middle = Math.ceil((least + most) / 2);
        if (fits(`${characters.slice(0, middle).join("")}…`, room)) least = middle; else most = middle - 1;
      }
      return least > 0 ? `${characters.slice(0, least).join("")}…` : "";
    };
    const label = (text, x, y, w) => {
      if (w < 40) return;
      context.fillStyle = onColor;
      context.fillText(cut(text, w - 8), x + 4, y + 12);
    };
    const leaf = (row, x, y, w, h, fill) => {
      context.fillStyle = fill;
      context.fillRect(x, y, w, h);
      if (isCovered(row) && w > 3 && h > 3) {
        context.save();
        context.beginPath();
        context.rect(x, y, w, h);
        context.clip();
        context.strokeStyle = paper;
        context.lineWidth = 1.5;
        context.beginPath();
        for (let at = -h; at < w; at += 6) { context.moveTo(x + at, y + h); context.lineTo(x + at + h, y); }
        context.stroke();
        context.restore();
      }
      context.strokeStyle = paper;
      context.lineWidth = 0.6;
      context.strokeRect(x, y, w, h);
      cells.push([row, x, y, w, h]);
      if (w > 70 && h > 22) {
        const name = row === 0 ? "/" : shown(names[own[row]]);
        context.fillStyle = fill;
        if (isCovered(row)) context.fillRect(x + 2, y + 2, Math.min(w - 4, context.measureText(name).width + 6), 15);
        label(name, x, y + 1, w);
      }
    };
    const nest = (members, from, to, level, x, y, w, h, fill) => {
      const items = [];
      for (let at = from; at < to;) {
        let top = own[members[at]];
        while (depth[top] > level) top = above[top];
        const item = { row: top, from: at, size: 0, to: at };
        while (item.to < to && members[item.to] < end[top]) item.size += size[members[item.to++]];
        if (item.to === at) item.size += size[members[item.to++]];
        at = item.to;
        items.push(item);
      }
      items.sort((a, b) => b.size - a.size);
      squares(items, x, y, w, h, (item, left, top, wide, high) => {
        const row = item.to - item.from === 1 ? members[item.from] : item.row;
        if (item.to - item.from === 1 || wide * high < 40) { leaf(row, left, top, wide, high, fill); return; }
        const isTitled = wide > 70 && high > 44;
        const edge = wide > 12 && high > 12 ? 1.5 : 0;
        cells.push([item.row, left, top, wide, high]);
        context.fillStyle = fill;
        context.fillRect(left, top, wide, high);
        if (isTitled) label(`${shown(names[item.row])}/`, left, top, wide);
        const head = isTitled ? 16 : edge;
        nest(members, item.from, item.to, level + 1, left + edge, top + head, wide - 2 * edge, high - head - edge, fill);
        context.strokeStyle = paper;
        context.lineWidth = edge ? 1.2 : 0.6;
        context.strokeRect(left, top, wide, high);
      });
    };
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    const groups = of.map((item, number) => ({ ...item, number })).filter((item) => item.size > 0).sort((a, b) => b.size - a.size || a.number - b.number);
    squares(groups, 0, 0, width, height, (item, x, y, w, h) => {
      const className = data.classes[item.number];
      const fill = color(className);
      context.fillStyle = fill;
      context.fillRect(x, y, w, h);
      const isTitled = w > 50 && h > 40;
      const head = isTitled ? 18 : 0;
      const name = shown(data.labels[item.number]);
      const part = className === "other" || name.includes(className) ? "" : `, ${className}`;
      const titles = [`${name}${part}: ${amount(item.size)}`, `${name}: ${amount(item.size)}`, name];
      if (isTitled) label(titles.find((title) => fits(title, w - 9)) || name, x + 1, y + 2, w - 1);
      const edge = w > 8 && h > 8 ? 2 : 0;
      nest(item.rows, 0, item.rows.length, 1, x + edge, y + head + edge, w - 2 * edge, h - head - 2 * edge, fill);
      context.strokeStyle = paper;
      context.lineWidth = edge ? 3 : 0.6;
      context.strokeRect(x, y, w, h);
    });
    if (groups.length === 0) {
      context.fillStyle = color("faint");
      context.fillText("No bytes to draw.", 12, 24);
    }
  };
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    for (let at = cells.length - 1; at >= 0; at -= 1) {
      const [row, left, top, wide, high] = cells[at];
      if (x >= left && x < left + wide && y >= top && y < top + high) return row;
    }
    return -1;
  };
  canvas.addEventListener("mousemove", (event) => {
    const row = cellAt(event);
    if (row >= 0) byId("at").textContent = described(row) + (isDirectory(row) ? ` · ${amount(total[row])} in all` : "");
  });
  canvas.addEventListener("click", (event) => {
    const row = cellAt(event);
    if (row >= 0) { reveal(row); list.focus(); }
  });
  const key = byId("key");
  const drawKey = () => {
    const style = getComputedStyle(page);
    key.replaceChildren();
    for (const className of new Set(data.classes)) {
      const item = make("span");
      const box = make("canvas");
      [box.width, box.height] = [12, 12];
      const context = box.getContext("2d");
      if (!context) return;
      context.fillStyle = style.getPropertyValue(`--${className}`).trim();
      context.fillRect(0, 0, 12, 12);
      item.append(box, ` ${className === "other" ? "layers" : className}`);
      key.append(item);
    }
    if (/[A-Z]/.test(kinds)) key.append(make("span", "", "▨ hatched: covered by a later layer"));
  };

  // The state is in the address, so that a view can be linked to.
  const write = () => {
    const parameters = new URLSearchParams();
    if (state.query) parameters.set("q", state.query);
    if (state.group >= 0) parameters.set("group", state.group);
    if (state.covered) parameters.set("covered", "1");
    const text = parameters.toString();
    try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { /* A page without an address. */ }
  };
  const apply = () => {
    filter();
    chosen = 0;
    list.scrollTop = 0;
    layOut();
    drawMap();
    for (const button of document.querySelectorAll("#chooser button")) {
      button.setAttribute("aria-pressed", Number(button.dataset.group) === state.group);
    }
  };
  const read = () => {
    const parameters = new URLSearchParams(location.hash.slice(1));
    state.query = parameters.get("q") || "";
    const number = Number(parameters.get("group") ?? -1);
    state.group = Number.isInteger(number) && number < data.labels.length ? number : -1;
    state.covered = parameters.get("covered") === "1";
    byId("query").value = state.query;
    byId("covered").checked = state.covered;
    apply();
  };
  const change = (changes) => { Object.assign(state, changes); write(); apply(); };
  let timer = 0;
  byId("query").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ query: byId("query").value }), 120);
  });
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("covered").addEventListener("change", () => change({ covered: byId("covered").checked }));
  byId("by-size").addEventListener("change", layOut);
  const showAll = () => {
    byId("query").value = "";
    byId("covered").checked = false;
    change({ query: "", group: -1, covered: false });
  };
  byId("all").addEventListener("click", showAll);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") showAll();
    if (event.key === "/" && event.target !== byId("query")) { event.preventDefault(); byId("query").focus(); }
  });
  for (const line of document.querySelectorAll("#chooser tr[data-group]")) {
    const cell = line.firstElementChild;
    const button = make("button", "", cell.textContent);
    button.type = "button";
    button.dataset.group = line.dataset.group;
    button.title = "Show only these files";
    button.addEventListener("click", () => {
      const number = Number(line.dataset.group);
      change({ group: state.group === number ? -1 : number });
    });
    cell.replaceChildren(button);
  }
  byId("group-head").textContent = data.group;
  // Of differences there are neither modes nor covered files.
  page.classList.toggle("is-plain", data.modeTexts.length === 0);
  byId("covered").parentElement.hidden = !/[A-Z]/.test(kinds);
  byId("map-part").hidden = false;
  byId("list-part").hidden = false;
  addEventListener("hashchange", read);
  addEventListener("resize", () => { drawMap(); draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawMap(); drawKey(); });
  drawKey();
  read();
  page.dataset.ready = Math.round(performance.now());
})();
