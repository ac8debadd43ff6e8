// The map of the codes, an SVG: axes, one dot a sample, the names of the classes where they lie, and the ring.
//
// `drawMap` makes it and gives back what the view needs: where a code is on the map, where a pointer is among the codes,
// which dot is near, and how to move the ring. Both axes have the same scale, so distances can be compared.
"use strict";

const NAME = 14;  // letters of a class's name
const SIZE = [640, 500], MARGIN = {left: 58, right: 14, top: 12, bottom: 50};

function drawMap(svg, points, names, colourOf, classes) {
  const [width, height] = [SIZE[0] - MARGIN.left - MARGIN.right, SIZE[1] - MARGIN.top - MARGIN.bottom];
  const [x, y] = [0, 1].map((axis) => range(points.map((point) => point[axis])));
  const span = Math.max((x[1] - x[0]) / width, (y[1] - y[0]) / height) * 1.08 || 1 / width;
  const middle = [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
  const box = [0, 1].map((axis) => {
    const half = ([width, height][axis] * span) / 2;
    return [middle[axis] - half, middle[axis] + half];
  });
  const place = ([a, b]) => [MARGIN.left + (a - box[0][0]) / span, MARGIN.top + (box[1][1] - b) / span];
  const read = ([left, top]) => [box[0][0] + (left - MARGIN.left) * span, box[1][1] - (top - MARGIN.top) * span];
  const inside = (at) => at.map((value, axis) => Math.min(Math.max(value, box[axis][0]), box[axis][1]));

  drawAxes(svg, box, place, names);
  const dots = points.map((point, n) => {
    const [cx, cy] = place(point);
    return add(svg, "circle", {cx, cy, r: 3.6, fill: colourOf(n), class: "dot"});
  });
  for (const {name, middle: at} of classes) {
    const [left, top] = place(at);
    add(svg, "text", {x: left, y: top, class: "class-name"}, brief(name));
  }
  const ring = add(svg, "g", {
    id: "ring", tabindex: 0, role: "application", "aria-describedby": "answer-text",
    "aria-label": "the code that the decoder reads: move it with the arrow keys",
  });
  for (const [r, kind] of [[11, "halo"], [11, "line"], [1.8, "centre"]]) add(ring, "circle", {r, class: kind});

  return {
    inside, dots, span,
    moveRing: (at) => ring.setAttribute("transform", `translate(${place(at).join(" ")})`),
    // Where a pointer is: the code there, and how far it is from the ring at `at`, in units of the drawing.
    locate: (event, at) => {
      const {x: left, y: top} = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const [ringLeft, ringTop] = place(at);
      return {code: inside(read([left, top])), toRing: Math.hypot(left - ringLeft, top - ringTop)};
    },
    // The dot nearest to a code, and how far it is.
    nearest: (at) => points.reduce((best, point, n) => {
      const far = Math.hypot(point[0] - at[0], point[1] - at[1]) / span;
      return far < best.far ? {n, far} : best;
    }, {n: 0, far: Infinity}),
  };
}

function drawAxes(svg, box, place, names) {
  const [left, bottom] = place([box[0][0], box[1][0]]), [right, top] = place([box[0][1], box[1][1]]);
  for (const value of ticks(...box[0])) {
    const [x] = place([value, 0]);
    add(svg, "line", {x1: x, x2: x, y1: top, y2: bottom, class: "grid"});
    add(svg, "text", {x, y: bottom + 17, class: "tick across"}, short(value));
  }
  for (const value of names.length > 1 ? ticks(...box[1]) : []) {
    const [, y] = place([0, value]);
    add(svg, "line", {x1: left, x2: right, y1: y, y2: y, class: "grid"});
    add(svg, "text", {x: left - 7, y: y + 4, class: "tick up"}, short(value));
  }
  add(svg, "text", {x: (left + right) / 2, y: bottom + 41, class: "axis"}, names[0]);
  if (names.length > 1) {
    const [x, y] = [15, (top + bottom) / 2];
    add(svg, "text", {x, y, class: "axis", transform: `rotate(-90 ${x} ${y})`}, names[1]);
  }
}

// About five round numbers from low to high.
function ticks(low, high) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = power * ([1, 2, 5].find((round) => round * power * 6 >= high - low) || 10);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
  return found;
}

// A name that has to share the map with others: all of a short one, the beginning of a long one.
function brief(name) {
  const letters = Array.from(name);
  return letters.length <= NAME ? name : `${letters.slice(0, NAME - 1).join("")}\u2026`;
}

// A new element of the drawing, or a text: never markup, whatever it says.
function add(parent, kind, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}
