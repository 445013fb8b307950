// One LSTM cell with one input and one memory, computed number by number.
"use strict";

const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const STAGES = ["f", "i", "g", "o", "c", "h"];

// Compute all steps. Each has its x, the states before (h_0, c_0), the pre-activations (a_f, ...)
// and what came of them (f, i, g, o, c, h).
Explorers.lstm = function lstm(parameters, inputs, h, c) {
  return inputs.map((x) => {
    const step = { x, h_0: h, c_0: c };
    for (const gate of "ifgo") {
      const { weight_ih, weight_hh, bias } = parameters[gate];
      step[`a_${gate}`] = weight_ih * x + weight_hh * h + bias;
      step[gate] = (gate === "g" ? Math.tanh : sigmoid)(step[`a_${gate}`]);
    }
    step.c = step.f * c + step.i * step.g;
    step.h = step.o * Math.tanh(step.c);
    ({ h, c } = step);
    return step;
  });
};

const short = (value) => String(Number(value.toFixed(3))).replace("-", "−");
const held = (value) => (value < 0 ? `(${short(value)})` : short(value));

// Write what a stage computes, first in symbols and then in numbers.
function formula(stage, step, parameters) {
  if (stage === "c") {
    const numbers = `${held(step.f)} · ${held(step.c_0)} + ${held(step.i)} · ${held(step.g)}`;
    return `c′ = f · c + i · g\n = ${numbers}\n = ${short(step.c)}`;
  }
  if (stage === "h") {
    const numbers = `${held(step.o)} · tanh ${held(step.c)}`;
    return `h′ = o · tanh(c′)\n = ${numbers}\n = ${short(step.h)}`;
  }
  const { weight_ih, weight_hh, bias } = parameters[stage];
  const name = stage === "g" ? "tanh" : "σ";
  const numbers = `${held(weight_ih)} · ${held(step.x)} + ${held(weight_hh)} · ${held(step.h_0)}`;
  return (
    `${stage} = ${name}(weight_ih · x + weight_hh · h + bias)\n` +
    ` = ${name}(${numbers} + ${held(bias)})\n` +
    ` = ${name}(${short(step[`a_${stage}`])}) = ${short(step[stage])}`
  );
}

// Read the form; null if a number is missing.
function readLstm(fields) {
  const number = (field) => (field.value.trim() === "" ? NaN : Number(field.value));
  const parameters = {};
  for (const gate of "ifgo") {
    parameters[gate] = {};
    for (const name of ["weight_ih", "weight_hh", "bias"]) {
      parameters[gate][name] = number(fields[`${gate}_${name}`]);
    }
  }
  const text = fields.x.value.trim();
  const inputs = text === "" ? [] : text.split(/\s*,\s*/).map((x) => (x === "" ? NaN : Number(x)));
  const read = { parameters, inputs, h: number(fields.h), c: number(fields.c) };
  const numbers = [...inputs, read.h, read.c].concat(
    Object.values(parameters).flatMap((gate) => Object.values(gate)),
  );
  const usable = inputs.length > 0 && inputs.length <= 20 && numbers.every(Number.isFinite);
  return usable ? read : null;
}

function showTrace(explorer, steps, done) {
  const lines = steps.map((step, t) => {
    const line = document.createElement("tr");
    [String(t + 1), short(step.x)].forEach((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      line.append(cell);
    });
    STAGES.forEach((stage, number) => {
      const cell = document.createElement("td");
      const place = t * STAGES.length + number;
      if (place < done) {
        cell.textContent = short(step[stage]);
        cell.dataset.value = step[stage];
      }
      if (place === done - 1) cell.className = "current";
      line.append(cell);
    });
    return line;
  });
  part(explorer, "trace").querySelector("tbody").replaceChildren(...lines);
}

// Show the state after so many stages.
function showStage(explorer, fields, read, done) {
  const steps = Explorers.lstm(read.parameters, read.inputs, read.h, read.c);
  const total = steps.length * STAGES.length;
  const now = Math.min(done, total);
  explorer.dataset.done = now;
  const result = part(explorer, "result");
  const stage = now ? STAGES[(now - 1) % STAGES.length] : null;
  const t = Math.ceil(now / STAGES.length);
  result.textContent = stage ? fill(result.dataset[stage], { t }) : result.dataset.start;
  part(explorer, "formula").textContent = stage
    ? formula(stage, steps[t - 1], read.parameters)
    : "";
  const shown = stage && "figo".includes(stage) ? stage : "all";
  for (const picture of explorer.querySelectorAll("[data-stage]")) {
    picture.hidden = picture.dataset.stage !== shown;
  }
  fields.back.disabled = now === 0;
  fields.next.disabled = fields.end.disabled = now === total;
  showTrace(explorer, steps, now);
}

function showLstm(explorer, fields, done) {
  const read = readLstm(fields);
  if (read === null) {
    showError(explorer, part(explorer, "error").dataset.number);
    return;
  }
  showError(explorer, "");
  showStage(explorer, fields, read, done);
}

explore("lstm", (explorer, fields) =>
  showLstm(explorer, fields, Number(explorer.dataset.done ?? 0)),
);
for (const explorer of document.querySelectorAll('[data-explorer="lstm"]')) {
  const moves = { back: (n) => n - 1, next: (n) => n + 1, end: () => Infinity, restart: () => 0 };
  explorer.addEventListener("click", (event) => {
    const move = moves[event.target.name];
    if (move === undefined || event.target.tagName !== "BUTTON") return;
    const { elements } = explorer.querySelector("form");
    showLstm(explorer, elements, Math.max(0, move(Number(explorer.dataset.done ?? 0))));
  });
}
