// Whether two shapes can be broadcast, and to which.
"use strict";

const DRAWN = 8; // the most rows or columns of a grid that is drawn
const UNIT = 22;

// Read "3, 1" or "(3, 1)" as [3, 1]; null if it is no shape.
Explorers.parseShape = function parseShape(text) {
  const bare = text.trim().replace(/^[([]|[)\]]$/g, "").trim();
  if (bare === "") return [];
  const parts = bare.replace(/,$/, "").split(/\s*,\s*|\s+/);
  return parts.every((digits) => /^\d{1,6}$/.test(digits)) ? parts.map(Number) : null;
};

// Align two shapes at the right. Each dimension has what a and b say (null: nothing) and what
// comes out (null: they do not fit).
Explorers.align = function align(a, b) {
  const length = Math.max(a.length, b.length);
  const at = (shape, i) => (i < length - shape.length ? null : shape[i - length + shape.length]);
  return Array.from({ length }, (_, i) => {
    const [m, n] = [at(a, i), at(b, i)];
    const [p, q] = [m ?? 1, n ?? 1];
    return { a: m, b: n, out: p === q || q === 1 ? p : p === 1 ? q : null };
  });
};

function row(name, dimensions, key) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  line.append(head);
  for (const dimension of dimensions) {
    const cell = document.createElement("td");
    const size = dimension[key];
    const stretched = key !== "out" && dimension.out !== null && (size ?? 1) !== dimension.out;
    cell.textContent = size === null ? (key === "out" ? "✗" : "·") : String(size);
    if (stretched) cell.textContent += ` → ${dimension.out}`;
    cell.className = dimension.out === null ? "clash" : stretched ? "stretched" : "";
    line.append(cell);
  }
  return line;
}

function picture(explorer, dimensions) {
  const two = [...Array(Math.max(0, 2 - dimensions.length)).fill({ a: 1, b: 1, out: 1 })];
  const [rows, columns] = [...two, ...dimensions];
  const drawable =
    dimensions.length <= 2 &&
    dimensions.every(({ out }) => out !== null && out > 0 && out <= DRAWN);
  if (!drawable) {
    part(explorer, "picture").replaceChildren();
    return;
  }
  const step = columns.out * UNIT + 2 * UNIT;
  const marks = [];
  ["a", "b", "out"].forEach((key, number) => {
    const own = (r, c) =>
      key === "out" ? "hot" : r < (rows[key] ?? 1) && c < (columns[key] ?? 1) ? "" : "pad";
    marks.push(...grid(number * step, 0, rows.out, columns.out, UNIT, own));
    if (number < 2) {
      const place = { class: "shape", x: (number + 1) * step - UNIT, y: (rows.out * UNIT) / 2 + 5 };
      marks.push(draw("text", place, [number ? "=" : "+"]));
    }
  });
  showPicture(explorer, 3 * step - 2 * UNIT, rows.out * UNIT, marks);
}

explore("broadcast", (explorer, fields) => {
  const [a, b] = ["a", "b"].map((name) => Explorers.parseShape(fields[name].value));
  if (a === null || b === null) {
    explorer.dataset.shape = "unreadable";
    showError(explorer, part(explorer, "error").dataset.shape);
    return;
  }
  showError(explorer, "");
  const dimensions = Explorers.align(a, b);
  const result = part(explorer, "result");
  const clash = dimensions.findLastIndex(({ out }) => out === null);
  if (clash < 0) {
    const shape = dimensions.map(({ out }) => out);
    explorer.dataset.shape = shape.join(" ");
    const shown = shape.length ? shapeText(shape) : "()";
    result.textContent = fill(result.dataset.fits, { shape: shown });
  } else {
    explorer.dataset.shape = "error";
    const dimension = dimensions.length - clash;
    result.textContent = fill(result.dataset.fails, { dimension, ...dimensions[clash] });
  }
  part(explorer, "table")
    .querySelector("tbody")
    .replaceChildren(
      row("a", dimensions, "a"),
      row("b", dimensions, "b"),
      row("a + b", dimensions, "out"),
    );
  picture(explorer, dimensions);
});
