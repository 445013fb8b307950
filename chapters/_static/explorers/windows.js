// Which shape comes out of a convolution or of pooling, and which window each output reads.
"use strict";

const MOST = 20; // rows and columns of the largest input that is drawn
const SQUARE = 18;

// The numbers of outputs along one axis. With ceil, a window may hang over the end, as long as it
// starts inside the input or the padding before it.
Explorers.outputs = function outputs(size, kernel, stride, padding, dilation, ceil = false) {
  const room = size + 2 * padding - dilation * (kernel - 1) - 1;
  let count = Math.floor((room + (ceil ? stride - 1 : 0)) / stride) + 1;
  if (ceil && (count - 1) * stride >= size + padding) count -= 1;
  return count;
};

// Return what is wrong with the first field that holds no number within its limits, or "".
function wrongField(fields, says) {
  const field = [...fields].find((each) => each.willValidate && !each.checkValidity());
  if (field === undefined) return "";
  const called = field.getAttribute("aria-label") || field.labels[0].textContent;
  return fill(says.number, { field: called, min: field.min, max: field.max });
}

// Read the fields: for each of the names a number, or [height, width].
function read(fields, names) {
  const values = {};
  for (const name of names) {
    const pair = fields[`${name}_h`];
    values[name] = pair
      ? [Number(pair.value), Number(fields[`${name}_w`].value)]
      : Number(fields[name].value);
  }
  return values;
}

const reach = (values, axis) => values.dilation[axis] * (values.kernel[axis] - 1) + 1;

// Show the formula with the numbers in it, for both axes. What it counts and is not in the output
// is the last window, where ceil_mode drops it.
function showFormula(explorer, values, out, ceil = false) {
  const brackets = ceil ? ["⌈", "⌉"] : ["⌊", "⌋"];
  const lines = ["H", "W"].map((axis, i) => {
    const { size, padding, dilation, kernel, stride } = values;
    const top = `${size[i]} + 2·${padding[i]} − ${dilation[i]}·(${kernel[i]} − 1) − 1`;
    const room = size[i] + 2 * padding[i] - reach(values, i);
    const dropped = ceil && Math.ceil(room / stride[i]) + 1 > out[i] ? " − 1" : "";
    const count = `${brackets[0]}(${top}) / ${stride[i]}${brackets[1]} + 1${dropped}`;
    return `${axis}_out = ${count} = ${out[i]}`;
  });
  part(explorer, "formula").textContent = lines.join("\n");
}

// Show the input with its padding, the outputs, and the window of one of them.
function showWindow(explorer, fields, values, out) {
  const { size, padding, stride, dilation, kernel } = values;
  const covers = part(explorer, "covers");
  const slider = fields.position;
  slider.max = out[0] * out[1] - 1;
  const position = Number(slider.value);
  const at = [Math.floor(position / out[1]), position % out[1]];
  const starts = at.map((place, i) => place * stride[i] - padding[i]);
  const reads = starts.map((start, i) =>
    Array.from({ length: kernel[i] }, (_, k) => start + k * dilation[i]),
  );
  // With ceil_mode a window can hang over the padding.
  const last = [0, 1].map((i) =>
    Math.max(size[i] + padding[i], (out[i] - 1) * stride[i] - padding[i] + reach(values, i)),
  );
  const whole = [0, 1].map((i) => last[i] + padding[i]);
  if (Math.max(...whole) > MOST) {
    slider.parentElement.classList.add("too-large");
    part(explorer, "picture").replaceChildren();
    covers.textContent = fill(covers.dataset.large, { most: MOST });
    return;
  }
  slider.parentElement.classList.remove("too-large");
  const inside = (row, column) => row >= 0 && row < size[0] && column >= 0 && column < size[1];
  const marks = grid(0, 0, whole[0], whole[1], SQUARE, (r, c) => {
    const [row, column] = [r - padding[0], c - padding[1]];
    const read = reads[0].includes(row) && reads[1].includes(column);
    return `${inside(row, column) ? "" : "pad"} ${read ? "hot" : ""}`;
  });
  const beside = whole[1] * SQUARE + 2 * SQUARE;
  const outputs = grid(beside, 0, out[0], out[1], SQUARE, (r, c) =>
    r === at[0] && c === at[1] ? "pick hot" : "pick",
  );
  // With the mouse an output can be picked; from the keyboard there is the slider.
  outputs.forEach((square, i) => {
    square.addEventListener("click", () => {
      slider.value = i;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    });
  });
  marks.push(...outputs);
  const height = Math.max(whole[0], out[0]) * SQUARE;
  showPicture(explorer, beside + out[1] * SQUARE, height, marks);
  const beyond = reads.some((places, i) => places.some((n) => n < 0 || n >= size[i]));
  const list = (places) => places.join(", ").replaceAll("-", "−");
  covers.textContent = fill(beyond ? covers.dataset.beyond : covers.dataset.covers, {
    row: at[0],
    column: at[1],
    rows: list(reads[0]),
    columns: list(reads[1]),
    h: size[0] - 1,
    w: size[1] - 1,
  });
}

function showShape(explorer, shape) {
  const result = part(explorer, "result");
  result.textContent = fill(result.dataset.result, { shape: shapeText(shape) });
  explorer.dataset.shape = shape.join(" ");
}

const WINDOW = ["size", "kernel", "stride", "padding", "dilation"];

function showConv(explorer, fields) {
  const says = part(explorer, "error").dataset;
  const fail = (text) => {
    explorer.dataset.shape = "error";
    showError(explorer, text);
  };
  const wrong = wrongField(fields, says);
  if (wrong) return fail(wrong);
  const values = read(fields, ["n", "c_in", "c_out", "groups", ...WINDOW]);
  const { n, c_in, c_out, groups, size, kernel, padding } = values;
  if (c_in % groups || c_out % groups) return fail(fill(says.groups, { groups }));
  const padded = size.map((length, i) => length + 2 * padding[i]);
  const kernels = [0, 1].map((i) => reach(values, i));
  if (kernels.some((length, i) => length > padded[i])) {
    return fail(fill(says.kernel, { kernel: shapeText(kernels), input: shapeText(padded) }));
  }
  showError(explorer, "");
  const out = [0, 1].map((i) =>
    Explorers.outputs(...WINDOW.map((name) => values[name][i])),
  );
  showShape(explorer, [n, c_out, ...out]);
  showFormula(explorer, values, out);
  showWindow(explorer, fields, values, out);
  const weight = [c_out, c_in / groups, ...kernel];
  const count = weight.reduce((a, b) => a * b) + c_out;
  const more = part(explorer, "more");
  explorer.dataset.parameters = count;
  more.textContent = fill(more.dataset.more, { weight: shapeText(weight), count });
}

function showPool(explorer, fields) {
  const says = part(explorer, "error").dataset;
  const fail = (text) => {
    explorer.dataset.shape = "error";
    showError(explorer, text);
  };
  const average = fields.kind.value === "avg";
  for (const axis of ["h", "w"]) fields[`dilation_${axis}`].disabled = average;
  const wrong = wrongField(fields, says);
  if (wrong) return fail(wrong);
  const values = read(fields, ["n", "c", ...WINDOW]);
  if (average) values.dilation = [1, 1]; // nn.AvgPool2d has no dilation
  const ceil = fields.ceil.checked;
  const { kernel, padding } = values;
  const wide = [0, 1].find((i) => 2 * padding[i] > kernel[i]);
  if (wide !== undefined) {
    return fail(fill(says.padding, { padding: padding[wide], kernel: kernel[wide] }));
  }
  const out = [0, 1].map((i) =>
    Explorers.outputs(...WINDOW.map((name) => values[name][i]), ceil),
  );
  if (Math.min(...out) < 1) return fail(says.empty);
  showError(explorer, "");
  showShape(explorer, [values.n, values.c, ...out]);
  showFormula(explorer, values, out, ceil);
  showWindow(explorer, fields, values, out);
}

explore("conv", showConv);
explore("pool", showPool);
