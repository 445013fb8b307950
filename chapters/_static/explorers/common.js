// What the explorers share: forms that compute while one types, texts with values in them, drawings.
"use strict";

const Explorers = {};

// Put values into a text such as "The output has the shape {shape}."
function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

// Write a shape as PyTorch does: (3, 4), and (3,) with one dimension.
function shapeText(shape) {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

// Return an element of the explorer with a class, such as "result" for .explorer-result.
function part(explorer, name) {
  return explorer.querySelector(`.explorer-${name}`);
}

// Show an error, or none; what was computed before is hidden meanwhile.
function showError(explorer, text) {
  part(explorer, "error").textContent = text;
  part(explorer, "answer").hidden = text !== "";
}

// Let a function show what the form's values lead to, now and after each change.
function explore(name, show) {
  for (const explorer of document.querySelectorAll(`[data-explorer="${name}"]`)) {
    const form = explorer.querySelector("form");
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => show(explorer, form.elements));
    show(explorer, form.elements);
  }
}

// Make an SVG element.
function draw(tag, attributes, children = []) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Draw a grid in the book's look; kind(row, column) is the class of a square.
function grid(x, y, rows, columns, size, kind) {
  const squares = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const place = { x: x + column * size, y: y + row * size, width: size, height: size, rx: 2 };
      squares.push(draw("g", { class: `num ${kind(row, column)}` }, [draw("rect", place)]));
    }
  }
  return squares;
}

// Show a drawing instead of the one before.
function showPicture(explorer, width, height, marks) {
  const svg = draw("svg", { class: "pic", viewBox: `-2 -2 ${width + 4} ${height + 4}` }, marks);
  svg.style.maxWidth = `${width + 4}px`;
  part(explorer, "picture").replaceChildren(svg);
}
