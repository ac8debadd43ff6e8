// Pictures of tensors on canvases: samples as images or bars, and the maps of a layer side by side.
//
// A canvas has one pixel for each number, and is shown larger by the style sheet's rule for canvases; so what the network
// said can be read off it exactly. Grey goes from black to white between two numbers that the caller gives.
"use strict";

const BARS = 63, GAP = [0, 0, 0, 0], BAR_COLOUR = "#3f90da";

// The sample y, side pixels wide on the screen: images of 1 or 3 channels, others averaged; vectors as bars or as a picture.
function drawSample(canvas, y, low, high, side) {
  if (y.shape.length !== 3 && y.data.length <= BARS) return drawBars(canvas, y.data, low, high, side);
  const [H, W, C] = y.shape.length === 3 ? y.shape : folded(y.data.length);
  const image = blank(canvas, H, W, GAP);  // a folded vector may leave some of it empty
  for (let at = 0; at < H * W && at * C < y.data.length; at++) {
    const channels = y.data.subarray(at * C, (at + 1) * C);
    const mean = channels.reduce((a, b) => a + b, 0) / C;
    paint(image, at, ...[0, 1, 2].map((c) => grey(C === 3 ? channels[c] : mean, low, high)));
  }
  show(canvas, image, side / Math.max(H, W));
}

// Numbers as bars that stand on zero, in a frame from the lowest to the highest number of all samples.
function drawBars(canvas, values, low, high, side) {
  canvas.width = side;
  canvas.height = Math.round(0.75 * side);
  resize(canvas, 1);
  const pen = canvas.getContext("2d"), wide = side / values.length, tall = canvas.height / (high - low);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = BAR_COLOUR;
  values.forEach((value, at) => {
    const [from, to] = [Math.max(low, Math.min(0, value)), Math.min(high, Math.max(0, value))];
    pen.fillRect((at + 0.15) * wide, (high - to) * tall, 0.7 * wide, (to - from) * tall);
  });
  pen.fillStyle = "#333333";
  pen.fillRect(0, Math.round(high * tall) - 0.5, canvas.width, 1);
}

// The output y of a layer: its first channels, at most so many, in rows; a vector as one strip. Returns a line on what is seen.
function drawMaps(canvas, y, most) {
  const [low, high] = range(y.data), text = listed(y, "") || `from ${short(low)} to ${short(high)}`;
  if (y.shape.length !== 3) {
    drawStrip(canvas, y.data, low, high);
    return text;
  }
  const [H, W, C] = y.shape, count = Math.min(C, most), factor = Math.max(1, Math.round(52 / W));
  const down = Math.ceil(count / Math.max(1, Math.floor(900 / (factor * (W + 1))))), across = Math.ceil(count / down);
  const image = blank(canvas, down * (H + 1) - 1, across * (W + 1) - 1, GAP);
  for (let c = 0; c < count; c++) {
    const top = Math.floor(c / across) * (H + 1), left = (c % across) * (W + 1);
    for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) {
      paint(image, (top + i) * canvas.width + left + j, grey(y.data[(i * W + j) * C + c], low, high));
    }
  }
  show(canvas, image, factor);
  return count < C ? `${text}; the first ${count} of ${C} channels` : text;
}

function drawStrip(canvas, values, low, high) {
  const [H, W] = values.length <= BARS ? [1, values.length] : folded(values.length, 4);
  const image = blank(canvas, H, W, GAP);
  values.forEach((value, at) => paint(image, at, grey(value, low, high)));
  show(canvas, image, H === 1 ? Math.min(24, 900 / W) : Math.max(2, Math.min(8, Math.floor(700 / W))));
}

// [height, width, 1] of so many numbers in rows: a square where they fill one, else about `wide` times as wide as high.
function folded(size, wide = 1) {
  const side = Math.sqrt(size);
  if (Number.isInteger(side)) return [side, side, 1];
  const width = Math.ceil(Math.sqrt(size * wide));
  return [Math.ceil(size / width), width, 1];
}

function grey(value, low, high) {
  return (255 * (Math.min(Math.max(value, low), high) - low)) / (high - low || 1);
}

function range(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

function paint(image, pixel, red, green = red, blue = red) {
  image.data.set([red, green, blue, 255], 4 * pixel);
}

// An image of the canvas's new size, all of one colour (red, green, blue, opacity); what is stored into it is rounded.
function blank(canvas, height, width, colour) {
  [canvas.height, canvas.width] = [height, width];
  const image = canvas.getContext("2d").createImageData(width, height);
  for (let at = 0; at < image.data.length; at += 4) image.data.set(colour, at);
  return image;
}

function show(canvas, image, factor) {
  canvas.getContext("2d").putImageData(image, 0, 0);
  resize(canvas, factor);
}

function resize(canvas, factor) {
  canvas.style.width = `${Math.round(canvas.width * factor)}px`;
  canvas.style.height = `${Math.round(canvas.height * factor)}px`;
}

// A number with three digits that count, and a true minus sign.
function short(value) {
  return String(Number(value.toPrecision(3))).replace("-", "\u2212");
}

// The numbers of a short vector as text, for which a picture alone would say too little.
function listed(y, before) {
  return y.shape.length === 1 && y.data.length <= 8 ? before + Array.from(y.data, short).join(", ") : "";
}

// What a picture of a sample leaves out.
function averaged({shape}) {
  return shape.length === 3 && ![1, 3].includes(shape[2]) ? ` (the mean of its ${shape[2]} channels)` : "";
}
