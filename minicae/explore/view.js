// What happens when you point, drag, type or choose: the state of the page, and what is drawn of it. Read `code` first.
//
// The ring stands for a code: the coordinates `at` along the page's directions, and a `rest` that no direction reaches. Both
// come from the sample that was chosen last, or from the mean; the map changes the first two coordinates, the sliders others.
"use strict";

const NAMED = 30;  // classes at most whose names are on the map
const content = JSON.parse(document.getElementById("content").textContent);
const numbers = unpack(content.numbers), samples = unpack(content.samples, content.bytes);
connect(content.encoder, numbers);
connect(content.decoder, numbers);
const origin = unpack(content.origin), D = origin.length;
const directions = rows(unpack(content.directions), D), points = rows(unpack(content.points), 2);
const state = {at: content.mean.slice(), rest: new Float64Array(D), from: null, chosen: 0, pointed: null, label: -1};
const element = (id) => document.getElementById(id);
const map = drawMap(element("map"), points, content.axes, colourOf, classesOnMap());

// The code under the ring: origin + rest + the sum over k of at[k] * directions[k].
function code() {
  const z = tensor(content.code_shape);
  for (let d = 0; d < D; d++) {
    let sum = origin[d] + state.rest[d];
    directions.forEach((direction, k) => { sum += state.at[k] * direction[d]; });
    z.data[d] = sum;
  }
  return z;
}

function sample(n) {
  const size = samples.length / points.length;
  return tensor(content.sample_shape, samples.subarray(n * size, (n + 1) * size));
}

// The class that a conditional model is told with sample n; -1 is none.
function labelOf(n) {
  return content.labels ? content.labels[n] : -1;
}

function last(outputs, x) {
  return outputs.length ? outputs[outputs.length - 1] : x;
}

function encode(n) {
  return last(run(content.encoder, sample(n), labelOf(n)), sample(n));
}

// Take up sample n: it is the chosen one, and the ring goes to its code.
function choose(n) {
  state.chosen = state.from = n;
  mark(null);
  state.label = labelOf(n);
  element("chosen").value = n;
  element("class").value = state.label;
  const z = encode(n).data;
  const away = Float64Array.from(z, (value, d) => value - origin[d]);
  state.at = directions.map((direction) => direction.reduce((sum, value, d) => sum + value * away[d], 0));
  state.rest = away.map((value, d) => value - directions.reduce((sum, direction, k) => sum + state.at[k] * direction[d], 0));
  drawSliders();
  drawChosen();
  drawRing();
}

function startFromMean() {
  Object.assign(state, {at: content.mean.slice(), rest: new Float64Array(D), from: null});
  drawSliders();
  drawRing();
}

function moveTo(at) {
  map.inside(at).slice(0, state.at.length).forEach((value, k) => { state.at[k] = value; });
  drawRing();
}

// The ring's place, and what the decoder makes of it; the pictures of its layers follow when the ring rests.
function drawRing() {
  map.moveRing(plane());
  const z = code(), outputs = run(content.decoder, z, state.label), y = last(outputs, z);
  drawSample(element("answer"), y, content.low, content.high, 196);
  const shown = state.at.slice(0, 2).map(short).join(", ");
  element("answer-text").value = `ring at ${shown}${listed(y, "; the decoder says ")}`;
  element("start").textContent = startText();
  clearTimeout(drawRing.later);
  drawRing.later = setTimeout(() => drawLayers("decoder", content.decoder, outputs), 120);
}

// The ring's place on the map.
function plane() {
  return [state.at[0], state.at.length > 1 ? state.at[1] : 0];
}

function startText() {
  const whose = state.from === null ? "the mean code" : `sample ${state.from}`;
  if (D <= 2) return "The map shows all of the code.";
  return `The code has ${D.toLocaleString("en")} numbers: the map moves it along two directions, the sliders along others;`
    + ` what is not moved stays as in ${whose}.`;
}

function drawChosen() {
  drawPair(state.chosen);
  drawLayers("encoder", content.encoder, run(content.encoder, sample(state.chosen), labelOf(state.chosen)));
  map.dots.forEach((dot, n) => dot.classList.toggle("chosen", n === state.chosen));
}

// Sample n and its reconstruction.
function drawPair(n) {
  const x = sample(n), z = encode(n), y = last(run(content.decoder, z, labelOf(n)), z);
  drawSample(element("input"), x, content.low, content.high, 150);
  drawSample(element("output"), y, content.low, content.high, 150);
  const error = x.data.reduce((sum, value, at) => sum + (value - y.data[at]) ** 2, 0) / x.data.length;
  const named = content.class_of ? `, class ${content.classes[content.class_of[n]]}` : "";
  element("sample-text").value = `sample ${n}${named}; mean squared error ${short(error)}`;
  element("input-text").textContent = `input${listed(x, ": ")}${averaged(x)}`;
  element("output-text").textContent = `reconstruction${listed(y, ": ")}`;
}

// The outputs of the layers of a part, "encoder" or "decoder", each in its row.
function drawLayers(part, layers, outputs) {
  const most = element("all").checked ? Infinity : content.first_channels;
  layers.forEach((layer, n) => {
    const row = element(part).children[n], canvas = row.querySelector("canvas"), note = row.querySelector(".note");
    const idle = layer.kernel === "identity" && layer.activation === "linear" && layer.shape.length !== 3;
    canvas.hidden = idle;
    note.textContent = idle ? "the same numbers" : drawMaps(canvas, outputs[n], most);
  });
}

// A row for a layer: what it is, and room for its picture.
function layerRow(layer) {
  const row = document.createElement("figure"), caption = document.createElement("figcaption");
  const canvas = document.createElement("canvas");
  canvas.hidden = true;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `output of ${layer.name}`);
  const lines = {name: layer.name, kind: layer.text, shape: layer.shape.join(" \u00d7 "), note: ""};
  for (const [kind, text] of Object.entries(lines)) {
    const line = document.createElement("span");
    line.className = kind;
    line.textContent = text;
    caption.append(line);
  }
  row.append(caption, canvas);
  return row;
}

// One slider for each direction that the map does not show.
function drawSliders() {
  const lines = state.at.slice(2).map((value, n) => {
    const k = n + 2, reach = Math.max(3 * content.spread[k], Math.abs(value)) || 1;
    const label = document.createElement("label"), slider = document.createElement("input");
    Object.assign(slider, {type: "range", min: -reach, max: reach, step: "any", value});
    slider.addEventListener("input", () => {
      state.at[k] = Number(slider.value);
      drawRing();
    });
    label.append(content.axes[k], slider);
    return label;
  });
  element("directions").replaceChildren(...lines);
}

// The colour of a dot: its class's own, if there are as many colours as classes.
function colourOf(n) {
  const few = content.classes.length > 1 && content.classes.length <= content.colours.length;
  return content.colours[few ? content.class_of[n] : 0];
}

// Each class by name, in the middle (median) of its dots, unless there are so many that the names would hide the map.
function classesOnMap() {
  if (content.classes.length < 2 || content.classes.length > NAMED) return [];
  const coloured = content.classes.length <= content.colours.length;
  return content.classes.map((name, kind) => {
    const own = points.filter((_, n) => content.class_of[n] === kind);
    const median = (axis) => own.map((point) => point[axis]).sort((a, b) => a - b)[Math.floor(own.length / 2)];
    if (coloured) legend(name, content.colours[kind]);
    return {name, middle: [median(0), median(1)]};
  });
}

function legend(name, background) {
  const item = document.createElement("li"), colour = document.createElement("span");
  colour.style.background = background;
  item.append(colour, name);
  element("legend").append(item);
}

function rows(values, width) {
  return Array.from({length: values.length / width}, (_, n) => Array.from(values.subarray(n * width, (n + 1) * width)));
}

// The pointer is at sample n, or at none: then the chosen one is shown again.
function point(n) {
  if (n === state.pointed) return;
  mark(n);
  drawPair(n === null ? state.chosen : n);
}

function mark(n) {
  if (state.pointed !== null) map.dots[state.pointed].classList.remove("pointed");
  if (n !== null) map.dots[n].classList.add("pointed");
  state.pointed = n;
}

let dragging = false;
element("map").addEventListener("pointerdown", (event) => {
  const {code: at, toRing} = map.locate(event, plane()), {n, far} = map.nearest(at);
  if (toRing > 14 && far < 7) return choose(n);
  dragging = true;
  element("map").setPointerCapture(event.pointerId);
  element("ring").focus();
  event.preventDefault();
  if (toRing > 14) moveTo(at);
});
element("map").addEventListener("pointermove", (event) => {
  const {code: at} = map.locate(event, plane()), {n, far} = map.nearest(at);
  if (dragging) moveTo(at);
  else point(far < 10 ? n : null);
});
for (const end of ["pointerup", "pointercancel"]) element("map").addEventListener(end, () => { dragging = false; });
element("map").addEventListener("pointerleave", () => { if (!dragging) point(null); });
element("ring").addEventListener("keydown", (event) => {
  const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
  if (way) moveTo(plane().map((value, axis) => value + way[axis] * map.span * (event.shiftKey ? 40 : 8)));
  if (event.key === "Enter") choose(map.nearest(plane()).n);
  if (way || event.key === "Enter") event.preventDefault();
});
element("mean").addEventListener("click", startFromMean);
element("all").addEventListener("change", () => { drawChosen(); drawRing(); });
element("chosen").max = points.length - 1;
element("chosen").addEventListener("change", (event) => {
  choose(Math.min(Math.max(Math.round(Number(event.target.value)) || 0, 0), points.length - 1));
});
if (content.classes_of_decoder) {
  for (let label = -1; label < content.classes_of_decoder; label++) {
    element("class").add(new Option(label < 0 ? "none" : label, label));
  }
  element("condition").hidden = false;
  element("class").addEventListener("change", (event) => {
    state.label = Number(event.target.value);
    drawRing();
  });
}
for (const part of ["encoder", "decoder"]) element(part).append(...content[part].map(layerRow));
choose(0);
