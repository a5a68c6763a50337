// A walk through time: "the cat sat" forward step by step, then dh and dc walking back.
"use strict";

enliven("walk", (place, figures) => {
  const { words, W, U, b, hs, cs } = EXAMPLE;
  const params = { W, U, b };
  const [svg, tall] = figures.slice(-2);
  const steps = words.map((_, t) => t);
  const last = words.length - 1;
  const gates = ["i", "f", "g", "o"];
  const H = 2;
  const withBack = place.dataset.way === "back";
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const losses = {
    [`h_${words.length}, unit 0`]: (t, unit) => Number(t === last && unit === 0),
    [`h_${words.length}, unit 1`]: (t, unit) => Number(t === last && unit === 1),
    "the sum of all h": () => 1,
  };

  // What the reader sets, and all that follows from it.
  const set = { read: [...steps], h: [...hs[0]], c: [...cs[0]], loss: Object.keys(losses)[0], unit: 0, frame: 0 };
  let caches, grads;
  function compute() {
    const xs = set.read.map((word) => words.map((_, k) => Number(k === word)));
    caches = LSTM.forward(xs, params, set.h, set.c);
    grads = LSTM.backward(steps.map((t) => [0, 1].map((unit) => losses[set.loss](t, unit))), caches, params, [0, 0]);
  }

  // The frames. Each lights blocks and arrows of one copy, and gives lines for a unit:
  // [what, how, value].
  const square = (value) => `(1 − ${factor(value)}²)`;
  const forward = [
    ["read", ["x > maps", "h_prev > maps", ...gates.flatMap((gate) => [`maps > ${gate}`, gate])], (t, u) => gates.map((gate, k) =>
      [`${gate}_${t + 1}`, `${gate === "g" ? "tanh" : "σ"}(${written(caches[t].a[k * H + u])})`, caches[t][gate][u]])],
    ["keep", ["c_prev > f * c_prev", "f > f * c_prev", "f * c_prev"], (t, u) =>
      [[`f_${t + 1} ⊙ c_${t}`, `${factor(caches[t].f[u])} · ${factor(caches[t].c_prev[u])}`, caches[t].kept[u]]]],
    ["write", ["i > i * g", "g > i * g", "i * g"], (t, u) =>
      [[`i_${t + 1} ⊙ g_${t + 1}`, `${factor(caches[t].i[u])} · ${factor(caches[t].g[u])}`, caches[t].written[u]]]],
    ["add", ["f * c_prev > c", "i * g > c", "c", "c > c_next"], (t, u) =>
      [[`c_${t + 1}`, `${factor(caches[t].kept[u])} + ${factor(caches[t].written[u])}`, caches[t].c[u]]]],
    ["show", ["c > tanh(c)", "tanh(c)", "tanh(c) > h", "o > h", "h", "h > h_next"], (t, u) =>
      [[`h_${t + 1}`, `${factor(caches[t].o[u])} · tanh(${written(caches[t].c[u])})`, caches[t].h[u]]]],
  ].map(([name, parts, lines]) => ({ name, parts, lines }));
  const back = [
    ["dh arrives", ["h > h_next", "h"], (t, u) => {
      const loss = losses[set.loss](t, u);
      return [[`dh_${t + 1}`, `${factor(loss)} from the loss${t === last ? "" : ` + ${factor(grads[t].dh[u] - loss)} from step ${t + 2}`}`, grads[t].dh[u]]];
    }],
    ["through the output", ["tanh(c) > h", "o > h", "o", "tanh(c)"], (t, u) => [
      [`do_${t + 1}`, `dh · tanh(c) = ${factor(grads[t].dh[u])} · ${factor(caches[t].tanh_c[u])}`, grads[t].dh[u] * caches[t].tanh_c[u]],
      ["into the cell state", `dh · o · (1 − tanh²(c)) = ${factor(grads[t].dh[u])} · ${factor(caches[t].o[u])} · ${square(caches[t].tanh_c[u])}`, grads[t].through_h[u]]]],
    ["two flows add up", ["c > tanh(c)", "c > c_next", "c"], (t, u) =>
      [[`dc_${t + 1}`, `${factor(grads[t].dc[u])} from ${t === last ? "the end" : `step ${t + 2}`} + ${factor(grads[t].through_h[u])} through h`, grads[t].dc_total[u]]]],
    ["along the cell state", ["f * c_prev > c", "f * c_prev", "c_prev > f * c_prev", "f > f * c_prev", "f"], (t, u) => [
      [`dc_${t}, the flow along the cell state`, `dc · f = ${factor(grads[t].dc_total[u])} · ${factor(caches[t].f[u])}`, grads[t].dc_prev[u]],
      [`df_${t + 1}`, `dc · c_${t} = ${factor(grads[t].dc_total[u])} · ${factor(caches[t].c_prev[u])}`, grads[t].dc_total[u] * caches[t].c_prev[u]]]],
    ["into input gate and candidate", ["i * g > c", "i * g", "i > i * g", "g > i * g", "i", "g"], (t, u) => [
      [`di_${t + 1}`, `dc · g = ${factor(grads[t].dc_total[u])} · ${factor(caches[t].g[u])}`, grads[t].dc_total[u] * caches[t].g[u]],
      [`dg_${t + 1}`, `dc · i = ${factor(grads[t].dc_total[u])} · ${factor(caches[t].i[u])}`, grads[t].dc_total[u] * caches[t].i[u]]]],
    ["through the squashings", gates.flatMap((gate) => [gate, `maps > ${gate}`]), (t, u) => gates.map((gate, k) => {
      const value = caches[t][gate][u];
      const slope = gate === "g" ? square(value) : `${factor(value)} · (1 − ${factor(value)})`;
      return [`da_${gate}`, `d${gate} · ${slope}`, grads[t].da[k * H + u]];
    })],
    ["through the maps", ["h_prev > maps", "x > maps"], (t, u) => [
      [`dh_${t}`, `column ${u} of U, times da = ${grads[t].da.map((value, row) => [U[row][u], value]).filter(([weight, value]) => weight * value !== 0).map(([weight, value]) => `${factor(weight)} · ${factor(value)}`).join(" + ") || "0"}`, grads[t].dh_prev[u]],
      ["dx", `${words.map((word, k) => `${word} ${written(grads[t].dx[k])}`).join(", ")}`, null]]],
  ].map(([name, parts, lines]) => ({ name, parts, lines, back: true }));
  const frames = [
    ...steps.flatMap((t) => forward.map((frame) => ({ ...frame, t }))),
    ...(withBack ? [...steps].reverse().flatMap((t) => back.map((frame) => ({ ...frame, t }))) : []),
  ];
  const first = withBack ? steps.length * forward.length : 0;

  // What the blocks show once a frame has been passed: values, then the gradients of those values.
  const valueOf = (t, part, u) => ({ c: caches[t].c, h: caches[t].h, "tanh(c)": caches[t].tanh_c, "f * c_prev": caches[t].kept, "i * g": caches[t].written })[part]?.[u] ?? caches[t][part]?.[u];
  function gradientOf(t, part, u) {
    const { dh, dc_total: dc } = grads[t];
    const { i, f, g, o, c_prev, tanh_c } = caches[t];
    return { h: dh[u], o: dh[u] * tanh_c[u], "tanh(c)": dh[u] * o[u], c: dc[u], "f * c_prev": dc[u], "i * g": dc[u],
      f: dc[u] * c_prev[u], i: dc[u] * g[u], g: dc[u] * i[u] }[part];
  }

  // The drawing: one group per part, with room for a number in each block.
  tall.closest(".lc-narrow").remove();
  svg.closest(".lc-wide").classList.remove("lc-wide");
  svg.classList.add("lc-walking");
  svg.setAttribute("role", "group");
  const groups = {};
  for (const one of svg.querySelectorAll("[data-part]")) (groups[one.dataset.part] ??= []).push(one);
  const numbers = {};
  for (const [part, shapes] of Object.entries(groups)) {
    const [t, name] = [Number(part[0]), part.slice(2)];
    shapes.forEach((shape) => shape.addEventListener("click", () => {
      const isBack = frames[set.frame].back ?? false;
      const found = frames.findIndex((frame) => frame.t === t && frame.parts.includes(name) && (frame.back ?? false) === isBack);
      if (found >= 0) { pause(); go(found); }
    }));
    if (shapes.length < 2) continue;
    const box = shapes[0].getBBox();
    shapes[1].setAttribute("transform", "translate(0 -4.5)");
    const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
    text.setAttribute("x", box.x + box.width / 2);
    text.setAttribute("y", box.y + box.height - 4);
    text.setAttribute("style", "font: 600 6.5px sans-serif; text-anchor: middle");
    svg.append(text);
    numbers[part] = text;
  }
  const whole = svg.getAttribute("viewBox");
  const phone = matchMedia("(max-width: 600px)");
  const dots = document.createElementNS("http://www.w3.org/2000/svg", "g");
  svg.append(dots);

  function travel(lines, backward) {
    dots.replaceChildren();
    const moving = lines.map((line) => {
      const path = line.querySelector("path") ?? line;
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      dot.setAttribute("r", 2.6);
      dot.setAttribute("style", "fill: var(--lc-accent)");
      dots.append(dot);
      return { path, dot, length: path.getTotalLength() };
    });
    const started = performance.now();
    const place = (share) => moving.forEach(({ path, dot, length }) => {
      const { x, y } = path.getPointAtLength(length * (backward ? 1 - share : share));
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
    });
    const mine = set.frame;
    function next(now) {
      const share = calm ? 1 : Math.min(1, (now - started) / 700);
      if (mine !== set.frame) return;
      place(share);
      if (share < 1) requestAnimationFrame(next);
    }
    place(calm ? 1 : 0);
    requestAnimationFrame(next);
  }

  const title = element("p", { class: "lc-title" });
  const lines = element("ul");
  const panel = element("div", { class: "lc-formula", "aria-live": "polite" }, title, lines);

  function show() {
    compute();
    const frame = frames[set.frame];
    const passed = frames.slice(0, set.frame + 1);
    for (const [part, shapes] of Object.entries(groups)) {
      const [t, name] = [Number(part[0]), part.slice(2)];
      const on = name === "copy" || (t === frame.t && (frame.parts.includes(name) || (name === "x" && frame.parts.includes("x > maps"))));
      shapes.forEach((shape) => shape.classList.toggle("lc-on", on));
      if (!numbers[part]) continue;
      const known = (isBack) => passed.some((one) => one.t === t && (one.back ?? false) === isBack && one.parts.includes(name));
      const gradient = known(true);
      const value = gradient ? gradientOf(t, name, set.unit) : valueOf(t, name, set.unit);
      numbers[part].textContent = gradient || known(false) ? value.toFixed(2).replace("-", "−") : "";
      numbers[part].setAttribute("fill", gradient ? "var(--lc-accent)" : "currentColor");
    }
    svg.classList.toggle("lc-back", frame.back ?? false);
    const word = words[set.read[frame.t]] ?? "nothing";
    title.textContent = `Step ${frame.t + 1} of ${steps.length}, “${word}”, ${frame.back ? "backward" : "forward"}: ${frame.name} (unit ${set.unit})`;
    lines.replaceChildren(...frame.lines(frame.t, set.unit).map(([what, how, value]) =>
      element("li", {}, ...symbols(what), ...(value === null ? [": ", how] : [" = ", ...symbols(how), " = ", element("strong", {}, written(value))]))));
    slider.value = set.frame;
    slider.setAttribute("aria-valuetext", title.textContent);
    if (phone.matches) {
      const { x, width } = groups[`${frame.t} copy`][0].getBBox();
      const [, top, , height] = whole.split(" ");
      svg.setAttribute("viewBox", `${x - 22} ${top} ${width + 44} ${height}`);
    } else svg.setAttribute("viewBox", whole);
    travel(frame.parts.filter((name) => name.includes(" > ")).flatMap((name) => groups[`${frame.t} ${name}`]), frame.back);
  }
  phone.addEventListener("change", show);

  // The controls.
  let timer = 0;
  const go = (frame) => { set.frame = Math.max(0, Math.min(frames.length - 1, frame)); show(); };
  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "play";
  }
  const play = element("button", { type: "button", click: () => {
    if (timer) return pause();
    if (set.frame === frames.length - 1) go(0);
    play.textContent = "pause";
    timer = setInterval(() => (set.frame === frames.length - 1 ? pause() : go(set.frame + 1)), 1800);
  } }, "play");
  const move = (label, by) => element("button", { type: "button", click: () => { pause(); go(set.frame + by); } }, label);
  const slider = element("input", { type: "range", min: 0, max: frames.length - 1, "aria-label": "where the walk stands", class: "lc-wide-slider", input: () => { pause(); go(Number(slider.value)); } });
  const choose = (label, options, change) => {
    const select = element("select", { change: () => { change(select.value); show(); } },
      ...options.map(([value, text, selected]) => element("option", { value, selected: Boolean(selected) }, text)));
    return element("label", {}, `${label} `, select);
  };
  const reads = steps.map((t) => choose(`step ${t + 1} reads`, [...words.map((word, k) => [k, word, k === t]), [-1, "nothing"]], (value) => { set.read[t] = Number(value); }));
  const state = (name, list, limit, step) => [0, 1].map((unit) => {
    const made = field(`${name}, unit ${unit}`, limit, step, (value) => { list[unit] = value; show(); });
    made.set(list[unit]);
    return element("span", { class: "lc-labelled" }, element("span", { "aria-hidden": true }, ...symbols(name), ` unit ${unit}`), made.element);
  });
  place.classList.add("lc-live");
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", "A walk through time");
  place.replaceChildren(
    element("div", { class: "lc-buttons" }, move("◀ back", -1), play, move("next ▶", 1),
      choose("show", [[0, "unit 0", true], [1, "unit 1"]], (value) => { set.unit = Number(value); }),
      ...(withBack ? [choose("loss:", Object.keys(losses).map((name) => [name, name.replace("_", " ")]), (value) => { set.loss = value; })] : [])),
    slider, panel,
    element("details", {}, element("summary", {}, "Change what is read, or the states before it"),
      element("div", { class: "lc-buttons" }, ...reads),
      element("div", { class: "lc-fields" }, ...state("h_0", set.h, 1, 0.05), ...state("c_0", set.c, 3, 0.1))));
  go(first);
});
