// Sorting, filtering and live charts. The page reads without all of this; nothing here asks the network.
"use strict";

/** The number that a cell's text begins with ("94.7 ± 0.6", "12,345"), or NaN. */
const numberOf = (text) => Number.parseFloat(text.trim().replace(/(\d),(?=\d{3})/g, "$1"));

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

/** A labelled menu; `options` are [value, text]. */
function menu(label, options, value, onChange) {
  const select = make("select");
  for (const [key, text] of options) select.append(make("option", { value: key, textContent: text }));
  select.value = value;
  select.addEventListener("change", () => onChange(select.value));
  return { select, field: make("label", {}, make("span", { textContent: label }), select) };
}

// ---- Sorting: a click on a head sorts by it, another one turns the order round.

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const isNumber = head.classList.contains("n");
    const button = make("button", { type: "button", className: "sort" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Figures are looked at from the largest down, words from A.
      const first = isNumber ? "descending" : "ascending";
      const other = isNumber ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sortRows(table.tBodies[0], column, isNumber, order === "descending" ? -1 : 1);
    });
  });
}

function sortRows(body, column, isNumber, sign) {
  const words = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => {
    if (!isNumber) return sign * words.compare(a, b);
    // What is no number stays at the end, either way.
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a - b);
  };
  const rows = [...body.rows].map((row) => {
    const text = row.cells[column].textContent;
    return { row, key: isNumber ? numberOf(text) : text };
  });
  rows.sort((a, b) => compare(a.key, b.key));
  body.append(...rows.map(({ row }) => row));
}

// ---- Filtering: a search over all cells, and a menu for each head that asks for one.

function makeFilterable(table) {
  const rows = [...table.tBodies[0].rows];
  const count = make("output", { className: "count" });
  const search = make("input", { type: "search", placeholder: "any word of a row" });
  const chosen = new Map();
  const apply = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = [...chosen].every(([column, value]) => row.cells[column].textContent === value);
      row.hidden = !(fits && row.textContent.toLowerCase().includes(wanted));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  search.addEventListener("input", apply);
  const bar = make("div", { className: "choices" }, make("label", {}, make("span", { textContent: "Search" }), search));
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!("filter" in head.dataset)) return;
    const values = [...new Set(rows.map((row) => row.cells[column].textContent))];
    const options = [["", "all"], ...values.map((value) => [value, value])];
    const { field } = menu(head.textContent.trim(), options, "", (value) => {
      if (value === "") chosen.delete(column);
      else chosen.set(column, value);
      apply();
    });
    bar.append(field);
  });
  bar.append(count);
  table.closest(".scroll").before(bar);
  apply();
}

// ---- Charts: each is drawn from the table below it.

/** The rows of a table as objects, by the keys of its heads. */
function rowsOf(table) {
  const heads = [...table.tHead.rows[0].cells];
  const value = (head, text) => {
    const number = "number" in head.dataset && text !== "" ? Number(text) : Number.NaN;
    return Number.isNaN(number) ? text || null : number;
  };
  return [...table.tBodies[0].rows].map((row) =>
    Object.fromEntries(heads.map((head, at) => [head.dataset.key, value(head, row.cells[at].textContent)])),
  );
}

/** How charts look: as the page around them, whose colours follow the reader's theme. */
function look(width) {
  const ink = "var(--ink)";
  const muted = "var(--muted)";
  const font = getComputedStyle(document.body).fontFamily;
  const labelWidth = Math.min(260, width - 60);
  return {
    background: null,
    font,
    view: { stroke: null },
    text: { color: ink, font, fontSize: width < 480 ? 9 : 11 },
    axisTop: { labelAngle: width < 480 ? -90 : -35 },
    axis: {
      labelColor: muted, titleColor: ink, titleFontWeight: "normal", gridColor: "var(--grid)",
      domainColor: muted, tickColor: muted, labelFontSize: 12, titleFontSize: 12,
    },
    legend: {
      orient: "bottom", labelColor: ink, titleColor: ink, labelFontSize: 13, symbolSize: 90,
      labelLimit: labelWidth, columns: Math.max(1, Math.floor(width / 230)),
    },
  };
}

class Figure {
  constructor(figure) {
    this.place = figure.querySelector(".live");
    this.drawing = figure.querySelector(".static");
    this.rows = rowsOf(figure.querySelector(".data table"));
    const { choices, spec } = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    this.spec = spec;
    this.chosen = new Map();
    this.menus = new Map();
    const bar = figure.querySelector(".choices");
    for (const { key, label, prefix, initial } of choices) {
      const values = [...new Set(this.rows.map((row) => String(row[key])))];
      if (values.length < 2) continue;
      const options = values.map((value) => [value, prefix + value]);
      if (initial === null) options.unshift(["", "all"]);
      this.chosen.set(key, initial ?? "");
      const { select, field } = menu(label, options, initial ?? "", (value) => this.choose(key, value));
      this.menus.set(key, select);
      bar.append(field);
    }
    bar.hidden = bar.childElementCount === 0;
  }

  choose(key, value) {
    this.chosen.set(key, value);
    this.menus.get(key).value = value;
    return this.draw();
  }

  /** Whether a menu offers this value. */
  offers(key, value) {
    return [...(this.menus.get(key)?.options ?? [])].some((option) => option.value === value);
  }

  async draw() {
    const fits = (row) => [...this.chosen].every(([key, value]) => value === "" || String(row[key]) === value);
    this.place.hidden = false;
    const width = this.place.clientWidth;
    const spec = {
      ...this.spec,
      autosize: { type: "fit-x", contains: "padding" },
      data: { values: this.rows.filter(fits) },
    };
    const { spec: vega } = charts.compile(spec, { config: look(width) });
    this.view?.finalize();
    this.view = new charts.View(charts.parse(vega, null, { ast: true }), {
      expr: charts.expressionInterpreter,
      renderer: "svg",
      container: this.place,
      hover: true,
      loader: null,
    });
    this.view.tooltip(new charts.Handler({ disableDefaultStyle: true }).call);
    await this.view.runAsync();
    this.drawing.hidden = true;
  }

  /** Back to the static drawing, where a chart fails. */
  fail(error) {
    console.error(error);
    this.place.hidden = true;
    this.drawing.hidden = false;
  }
}

/** Charts are drawn as they come near the screen, and all of them before the page is printed. */
function makeLive(figures) {
  const waiting = new Map(figures.map((figure) => [figure.drawing, figure]));
  const draw = (figure) => {
    waiting.delete(figure.drawing);
    return figure.draw().catch((error) => figure.fail(error));
  };
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || !waiting.has(target)) continue;
        watch.unobserve(target);
        draw(waiting.get(target));
      }
    },
    { rootMargin: "600px" },
  );
  for (const drawing of waiting.keys()) watch.observe(drawing);
}

/** One menu that sets the budget of every figure that has it. */
function makeBudgetMenu(figures) {
  const withBudgets = figures.filter((figure) => figure.menus.has("budget"));
  const values = new Set(withBudgets.flatMap((f) => [...f.menus.get("budget").options].map((o) => o.value)));
  if (withBudgets.length < 2) return;
  const options = [...values].sort((a, b) => a - b).map((value) => [value, `L = ${value}`]);
  const { field, select } = menu("Budget of all figures", options, withBudgets[0].chosen.get("budget"), (value) => {
    for (const figure of withBudgets) {
      if (figure.offers("budget", value)) figure.choose("budget", value).catch((error) => figure.fail(error));
    }
  });
  select.id = "budget";
  const controls = document.getElementById("controls");
  controls.classList.add("choices");
  controls.append(field);
  controls.hidden = false;
}

document.querySelectorAll("table.filterable").forEach(makeFilterable);
document.querySelectorAll("table.sortable").forEach(makeSortable);
const figures = [...document.querySelectorAll("figure")].map((figure) => new Figure(figure));
makeBudgetMenu(figures);
makeLive(figures);
document.documentElement.dataset.ready = "";
