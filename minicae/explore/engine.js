// The network, one sample at a time: what every layer computes outside training, written out as loops.
//
// A tensor is {shape, data}: [C] numbers or [H, W, C] pixels in row-major order, the channel last (NHWC without the N).
// A layer is an object with the name of its `kernel`, the `shape` of its output, its settings and its weights. Each kernel
// below has the name and the formula of the kernel in minicae/kernels/reference; it reads x and writes y. Sums are made
// in double precision and rounded to float32 when they are stored. Read `run` first, then `dense_forward`.
"use strict";

// The outputs of all layers, in order, for the sample x; `label` is the class that a conditional model is told.
function run(layers, x, label) {
  const outputs = [];
  for (const layer of layers) {
    const y = tensor(layer.shape);
    KERNELS[layer.kernel](x, y, layer, label);
    activation_forward(y, layer.activation, layer.alpha);
    outputs.push(y);
    x = y;
  }
  return outputs;
}

function tensor(shape, data) {
  return {shape, data: data || new Float32Array(shape.reduce((product, size) => product * size, 1))};
}

// y[f] = b[f] + sum over c of x[c] * w[c, f]; a tied layer uses the w of another one turned, w[f, c].
function dense_forward(x, y, {w, b, turned}) {
  const C = x.data.length, F = y.data.length;
  const [down, across] = turned ? [1, C] : [F, 1];
  for (let f = 0; f < F; f++) {
    let sum = b ? b.data[f] : 0;
    for (let c = 0; c < C; c++) sum += x.data[c] * w.data[c * down + f * across];
    y.data[f] = sum;
  }
}

// y[i, j, f] = b[f] + sum over p, q, c of x[i * sh + p * dh - top, j * sw + q * dw - left, c] * w[p, q, c, f].
function conv2d_forward(x, y, {w, b, strides, padding, dilation}) {
  const [, W, C] = x.shape, [OH, OW, F] = y.shape, sums = new Float64Array(F);
  for (let i = 0; i < OH; i++) for (let j = 0; j < OW; j++) {
    if (b) sums.set(b.data); else sums.fill(0);
    for (const [p, q, row, column] of taps(i, j, w.shape, strides, padding, dilation, x.shape)) {
      for (let c = 0; c < C; c++) {
        const pixel = x.data[(row * W + column) * C + c], first = ((p * w.shape[1] + q) * C + c) * F;
        for (let f = 0; f < F; f++) sums[f] += pixel * w.data[first + f];
      }
    }
    y.data.set(sums, (i * OW + j) * F);
  }
}

// The adjoint: where the convolution reads y[row, column, f] for x[i, j, c], this adds x[i, j, c] * w[p, q, f, c] to it.
function conv2d_transpose_forward(x, y, {w, b, strides, padding, dilation}) {
  const [H, W, C] = x.shape, [, OW, F] = y.shape, sums = new Float64Array(y.data.length);
  for (let at = 0; b && at < sums.length; at++) sums[at] = b.data[at % F];
  for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) {
    const pixel = x.data.subarray((i * W + j) * C, (i * W + j + 1) * C);
    for (const [p, q, row, column] of taps(i, j, w.shape, strides, padding, dilation, y.shape)) {
      for (let f = 0; f < F; f++) {
        const first = ((p * w.shape[1] + q) * F + f) * C;
        let sum = 0;
        for (let c = 0; c < C; c++) sum += pixel[c] * w.data[first + c];
        sums[(row * OW + column) * F + f] += sum;
      }
    }
  }
  y.data.set(sums);
}

// The places of a window that lie in the image, in reading order: [p, q, row, column].
function taps(i, j, [KH, KW], [sh, sw], [top, , left], [dh, dw], [H, W]) {
  const found = [];
  for (let p = 0; p < KH; p++) for (let q = 0; q < KW; q++) {
    const row = i * sh + p * dh - top, column = j * sw + q * dw - left;
    if (row >= 0 && row < H && column >= 0 && column < W) found.push([p, q, row, column]);
  }
  return found;
}

// Each window's largest value; the padding counts as minus infinity, a NaN as larger than every number.
function maxpool2d_forward(x, y, {window, strides, padding}) {
  pool(x, y, window, strides, padding, (values) => Math.max(...values));
}

// Each window's mean, over its real pixels, or over all of it with zeros for the padding.
function avgpool2d_forward(x, y, {window, strides, padding, count_padding}) {
  const places = window[0] * window[1];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / (count_padding ? places : values.length);
  pool(x, y, window, strides, padding, mean);
}

function pool(x, y, window, strides, padding, summary) {
  const [, W, C] = x.shape, [OH, OW] = y.shape;
  for (let i = 0; i < OH; i++) for (let j = 0; j < OW; j++) {
    const seen = taps(i, j, window, strides, padding, [1, 1], x.shape);
    for (let c = 0; c < C; c++) {
      const values = seen.map(([, , row, column]) => x.data[(row * W + column) * C + c]);
      y.data[(i * OW + j) * C + c] = summary(values);
    }
  }
}

// y[i, j, c] = x[i / sh, j / sw, c], rounded down: every pixel becomes a block.
function upsample_nearest_forward(x, y, {size}) {
  const [, W, C] = x.shape, [OH, OW] = y.shape;
  for (let i = 0; i < OH; i++) for (let j = 0; j < OW; j++) {
    const from = (Math.floor(i / size[0]) * W + Math.floor(j / size[1])) * C;
    y.data.set(x.data.subarray(from, from + C), (i * OW + j) * C);
  }
}

// y[i, j, c] = x at the point (i, j), seen from y, on straight lines between the four pixels around it.
function upsample_bilinear_forward(x, y, {align_corners}) {
  const [H, W, C] = x.shape, [OH, OW] = y.shape;
  for (let i = 0; i < OH; i++) for (let j = 0; j < OW; j++) {
    const [above, below, u] = neighbours(i, H, OH, align_corners);
    const [before, after, v] = neighbours(j, W, OW, align_corners);
    for (let c = 0; c < C; c++) {
      const at = (row, column) => x.data[(row * W + column) * C + c];
      const left = (1 - u) * at(above, before) + u * at(below, before);
      const right = (1 - u) * at(above, after) + u * at(below, after);
      y.data[(i * OW + j) * C + c] = (1 - v) * left + v * right;
    }
  }
}

// Along one axis, for the new pixel i: the old ones before and after it, and how far between.
function neighbours(i, size, newSize, alignCorners) {
  const source = alignCorners
    ? i * (size - 1) / Math.max(newSize - 1, 1)
    : Math.min(Math.max((i + 0.5) * size / newSize - 0.5, 0), size - 1);
  const before = Math.floor(source);
  return [before, Math.min(before + 1, size - 1), source - before];
}

// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, channel by channel, with the running statistics.
function batchnorm_forward(x, y, {mean, variance, gamma, beta, epsilon}) {
  const C = gamma.data.length;
  for (let at = 0; at < x.data.length; at++) {
    const c = at % C, deviation = Math.sqrt(variance.data[c] + epsilon);
    y.data[at] = gamma.data[c] * (x.data[at] - mean.data[c]) / deviation + beta.data[c];
  }
}

// exp(x) / sum of exp(x), over the last axis; the largest x is taken off first, so that exp cannot overflow.
function softmax_forward(x, y) {
  const C = x.shape[x.shape.length - 1];
  for (let first = 0; first < x.data.length; first += C) {
    const row = x.data.subarray(first, first + C), largest = row.reduce((a, b) => Math.max(a, b));
    const powers = Array.from(row, (value) => Math.exp(value - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    y.data.set(powers.map((power) => power / sum), first);
  }
}

// x in a frame of zeros, borders = [top, bottom, left, right]; a negative border cuts pixels off.
function pad2d(x, y, {borders}) {
  const [H, W, C] = x.shape, OW = y.shape[1], [top, , left] = borders;
  for (let i = Math.max(0, -top); i < H && i + top < y.shape[0]; i++) {
    for (let j = Math.max(0, -left); j < W && j + left < OW; j++) {
      const from = (i * W + j) * C;
      y.data.set(x.data.subarray(from, from + C), ((i + top) * OW + j + left) * C);
    }
  }
}

// The same numbers under another shape, which is all that noise, dropout and penalties do outside training.
function identity(x, y) {
  y.data.set(x.data);
}

// The mean of a variational code: the first half of x.
function gaussian_mean(x, y) {
  y.data.set(x.data.subarray(0, y.data.length));
}

// The class behind the channels of x, one-hot: more numbers, or more maps.
function append_label(x, y, layer, label) {
  const C = x.shape[x.shape.length - 1], F = y.shape[y.shape.length - 1];
  for (let from = 0, to = 0; from < x.data.length; from += C, to += F) {
    y.data.set(x.data.subarray(from, from + C), to);
    if (label >= 0 && label < F - C) y.data[to + C + label] = 1;
  }
}

// y = act(y), in place; a is alpha. Tests are written so that a NaN stays one.
function activation_forward(y, activation, alpha) {
  if (activation === "linear") return;
  for (let at = 0; at < y.data.length; at++) y.data[at] = ACTIVATIONS[activation](y.data[at], alpha);
}

const ACTIVATIONS = {
  relu: (x) => (x <= 0 ? 0 : x),
  leaky_relu: (x, a) => (x <= 0 ? a * x : x),
  elu: (x, a) => (x <= 0 ? a * Math.expm1(x) : x),
  sigmoid: (x) => (x <= 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  tanh: (x) => Math.tanh(x),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
};

const KERNELS = {
  dense_forward, conv2d_forward, conv2d_transpose_forward, maxpool2d_forward, avgpool2d_forward,
  upsample_nearest_forward, upsample_bilinear_forward, batchnorm_forward, softmax_forward, pad2d,
  identity, gaussian_mean, append_label,
};

// The numbers of a base64 text: float32, or bytes scaled to 0..1.
function unpack(text, bytesOfImages) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytesOfImages ? Float32Array.from(bytes, (byte) => byte / 255) : new Float32Array(bytes.buffer);
}

// Give each layer its weights: where the page says [offset, shape], a tensor that looks into the one vector of all.
function connect(layers, numbers) {
  for (const layer of layers) {
    for (const [name, [offset, shape]] of Object.entries(layer.arrays)) {
      const size = shape.reduce((product, n) => product * n, 1);
      layer[name] = tensor(shape, numbers.subarray(offset, offset + size));
    }
  }
}
