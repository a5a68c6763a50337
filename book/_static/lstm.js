// The LSTM of lstm_course.cell for one sequence: x is an array of D numbers, h and c of H, and the
// parameters are W (4H rows of D), U (4H rows of H) and b (4H), in slices i, f, g, o.
// A test in the browser holds every function to NumPy's numbers.
"use strict";

const LSTM = (() => {
  const sigmoid = (a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a)));
  const dot = (row, vector) => row.reduce((sum, weight, k) => sum + weight * vector[k], 0);
  const map = (n, value) => Array.from({ length: n }, (_, k) => value(k));
  const transposed = (rows, vector) =>
    map(rows[0].length, (k) => rows.reduce((sum, row, j) => sum + row[k] * vector[j], 0));

  // One step; `squash` is what the cell state passes on its way to h. Returns the cache.
  function step(x, h_prev, c_prev, { W, U, b }, squash = Math.tanh) {
    const H = c_prev.length;
    const a = b.map((bias, k) => dot(W[k], x) + dot(U[k], h_prev) + bias);
    const slice = (k) => a.slice(k * H, (k + 1) * H);
    const [i, f, o] = [0, 1, 3].map((k) => slice(k).map(sigmoid));
    const g = slice(2).map(Math.tanh);
    const kept = map(H, (k) => f[k] * c_prev[k]);
    const written = map(H, (k) => i[k] * g[k]);
    const c = map(H, (k) => kept[k] + written[k]);
    const tanh_c = c.map(squash);
    const h = map(H, (k) => o[k] * tanh_c[k]);
    return { x, h_prev, c_prev, a, i, f, g, o, kept, written, c, tanh_c, h };
  }

  // Gradients of a loss through one step, from those of its h and c; dW, dU are outer products of da.
  function stepBackward(dh, dc, cache, { W, U }) {
    const { x, h_prev, c_prev, i, f, g, o, tanh_c } = cache;
    const H = c_prev.length;
    const through_h = map(H, (k) => dh[k] * o[k] * (1 - tanh_c[k] ** 2));
    const dc_total = map(H, (k) => dc[k] + through_h[k]);
    const da = [
      ...map(H, (k) => dc_total[k] * g[k] * i[k] * (1 - i[k])),
      ...map(H, (k) => dc_total[k] * c_prev[k] * f[k] * (1 - f[k])),
      ...map(H, (k) => dc_total[k] * i[k] * (1 - g[k] ** 2)),
      ...map(H, (k) => dh[k] * tanh_c[k] * o[k] * (1 - o[k])),
    ];
    return {
      dh, dc, through_h, dc_total, da,
      dc_prev: map(H, (k) => dc_total[k] * f[k]),
      dh_prev: transposed(U, da),
      dx: transposed(W, da),
      dW: da.map((value) => x.map((each) => value * each)),
      dU: da.map((value) => h_prev.map((each) => value * each)),
      db: da,
    };
  }

  // The caches of all steps.
  function forward(xs, params, h, c) {
    return xs.map((x) => {
      const cache = step(x, h, c, params);
      ({ h, c } = cache);
      return cache;
    });
  }

  // The gradients of all steps, from those of every h (dhs) and of the last cell state.
  function backward(dhs, caches, params, dc) {
    let dh = dhs[0].map(() => 0);
    return caches.map((_, k) => caches.length - 1 - k).map((t) => {
      const grads = stepBackward(map(dh.length, (k) => dh[k] + dhs[t][k]), dc, caches[t], params);
      [dh, dc] = [grads.dh_prev, grads.dc_prev];
      return grads;
    }).reverse();
  }

  return { sigmoid, step, stepBackward, forward, backward };
})();
