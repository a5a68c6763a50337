// The cell explorer: the block diagram above it, filled with the numbers of one step.
"use strict";

enliven("explorer", (place, figures) => {
  const { words, W, U, b, xs, hs, cs } = EXAMPLE;
  const gates = ["i", "f", "g", "o"];
  const names = { i: "input gate", f: "forget gate", g: "candidate", o: "output gate" };
  const units = [0, 1];
  const copy = (value) => JSON.parse(JSON.stringify(value));
  const at = (gate, unit) => 2 * gates.indexOf(gate) + unit;

  // What the reader sets: inputs, parameters, and two switches that break the cell.
  let now;
  const example = (t) => ({ x: copy(xs[t]), h: copy(hs[t]), c: copy(cs[t]), W: copy(W), U: copy(U), b: copy(b), noTanh: false, flipped: false });
  const biased = (biases) => {
    const made = example(1);
    for (const [gate, bias] of Object.entries(biases)) units.forEach((unit) => { made.b[at(gate, unit)] = bias; });
    return made;
  };
  const tenfold = (rows) => rows.map((row) => row.map((weight) => 10 * weight));
  const presets = {
    ...Object.fromEntries(words.map((word, t) => [word, () => example(t)])),
    keep: () => biased({ f: 8, i: -8 }),
    erase: () => biased({ f: -8, i: -8 }),
    write: () => biased({ f: -8, i: 8 }),
    "add up": () => biased({ f: 8, i: 8 }),
    saturated: () => ({ ...example(1), W: tenfold(W), U: tenfold(U), b: b.map((bias) => 10 * bias) }),
  };

  // The step itself.
  function cell() {
    const bias = now.b.map((value, k) => (now.flipped && Math.floor(k / 2) === 1 ? -value : value));
    const squash = now.noTanh ? (value) => value : Math.tanh;
    return { bias, ...LSTM.step(now.x, now.h, now.c, { ...now, b: bias }, squash) };
  }

  // The values that come out of a block, and how each comes about: [equation, numbers of a unit].
  function explain(part, step) {
    const gate = part.startsWith("W_") ? part[2] : part;
    const k = (unit) => at(gate, unit);
    const of = (name) => (unit) => written(step[name][unit]);
    if (part.startsWith("W_")) {
      return [`W_${gate} x_t + U_${gate} h_{t-1} + b_${gate}`, (unit) => step.a[k(unit)], (unit) =>
        [...now.W[k(unit)].map((weight, j) => `${factor(weight)} · ${factor(now.x[j])}`),
          ...now.U[k(unit)].map((weight, j) => `${factor(weight)} · ${factor(now.h[j])}`),
          factor(step.bias[k(unit)])].join(" + ")];
    }
    if (gates.includes(part)) {
      const squash = part === "g" ? "tanh" : "σ";
      return [`${part}_t = ${squash}(W_${part} x_t + U_${part} h_{t-1} + b_${part})`, (unit) => step[part][unit],
        (unit) => `${squash}(${written(step.a[k(unit)])})`];
    }
    const product = (one, other) => (unit) => `${factor(step[one][unit])} · ${factor(step[other][unit])}`;
    return {
      x: ["x_t, what is read", (unit) => now.x[unit], null],
      h_prev: ["h_{t-1}, the hidden state before", (unit) => now.h[unit], null],
      c_prev: ["c_{t-1}, the cell state before", (unit) => now.c[unit], null],
      "f * c_prev": ["f_t ⊙ c_{t-1}, what is kept", (unit) => step.kept[unit], product("f", "c_prev")],
      "i * g": ["i_t ⊙ g_t, what is written", (unit) => step.written[unit], product("i", "g")],
      c: ["c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t", (unit) => step.c[unit], (unit) => `${factor(step.kept[unit])} + ${factor(step.written[unit])}`],
      "tanh(c)": now.noTanh
        ? ["c_t, as tanh is switched off", (unit) => step.tanh_c[unit], of("c")]
        : ["tanh(c_t)", (unit) => step.tanh_c[unit], (unit) => `tanh(${written(step.c[unit])})`],
      h: [now.noTanh ? "h_t = o_t ⊙ c_t" : "h_t = o_t ⊙ tanh(c_t)", (unit) => step.h[unit], product("o", "tanh_c")],
    }[part];
  }

  // The diagram: every block takes the focus, shows its values, and explains itself.
  const svgs = figures.slice(-2); // the wide form and the narrow one
  const order = ["x", "h_prev", "c_prev", ...["f", "i", "g", "o"].flatMap((gate) => [`W_${gate}`, gate]),
    "f * c_prev", "i * g", "c", "c_t", "tanh(c)", "h", "h_t"];
  const blocks = svgs.flatMap((svg) => {
    svg.setAttribute("role", "group");
    return order.map((part) => live([...svg.querySelectorAll("[data-part]")].filter(
      (one) => one.dataset.part === part || one.dataset.part.startsWith(`${part} @`)), part));
  });

  function live(shapes, part) {
    const made = (tag, attributes) => {
      const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
      return one;
    };
    const block = made("g", { class: "lc-block", tabindex: 0, role: "button" });
    shapes[0].parentNode.append(block);
    block.append(...shapes);
    const { x, y, width, height } = block.getBBox();
    const boxed = shapes.length > 1; // the values of a box stand in it, those of a letter below
    if (boxed) shapes[1].setAttribute("transform", "translate(0 -5)");
    const text = made("text", {
      x: x + width / 2, y: y + height + (boxed ? -4 : 8),
      style: "font: 600 7px sans-serif; text-anchor: middle; fill: currentColor",
    });
    block.append(made("rect", { x, y, width, height, fill: "transparent" }), text); // no holes for the pointer
    part = part.replace(/_t$/, "");
    for (const event of ["pointerenter", "focus", "click"]) block.addEventListener(event, () => { chosen = part; show(); });
    return { block, text, part };
  }

  // The words below the diagram.
  const formula = element("div", { class: "lc-formula", "aria-live": "polite" });
  const outcome = element("p", { class: "lc-outcome" });
  let chosen = "f";

  function show() {
    const step = cell();
    for (const { block, text, part } of blocks) {
      const [, value] = explain(part, step);
      const values = (part === "x" ? words.map((_, k) => k) : units).map(value);
      const rounded = values.map((each) => each.toFixed(2).replace("-", "−"));
      text.textContent = rounded.join(" ");
      block.setAttribute("aria-label", `${names[part] ?? part}: ${rounded.join(", ")}`);
      block.setAttribute("aria-pressed", part === chosen);
      block.classList.toggle("lc-off", part === "tanh(c)" && now.noTanh);
    }
    const [equation, value, numbers] = explain(chosen, step);
    const rows = (chosen === "x" ? words.map((_, k) => k) : units).map((unit) => element("li", {},
      `${chosen === "x" ? words[unit] : `unit ${unit}`}: ${numbers ? `${numbers(unit)} = ` : ""}`, element("strong", {}, written(value(unit)))));
    formula.replaceChildren(element("p", {}, ...symbols(equation)), element("ul", {}, ...rows));
    outcome.replaceChildren("This step takes ", ...symbols("c_{t-1}"), ` = ${vector(now.c)} to `, ...symbols("c_t"), ` = ${vector(step.c)} and puts out `, ...symbols("h_t"), ` = ${vector(step.h)}.`);
  }

  // The controls.
  const fields = [];
  function control(label, limit, step, list, k) {
    const made = field(label, limit, step, (value) => { list()[k] = value; show(); });
    fields.push(() => made.set(list()[k]));
    return made.element;
  }
  const titled = (name, ...children) => element("fieldset", {}, element("legend", {}, ...symbols(name)), ...children);
  const labelled = (name, input) => element("span", { class: "lc-labelled" }, element("span", { "aria-hidden": true }, name), input);
  const states = element("div", { class: "lc-fields" },
    titled("x_t", ...words.map((word, k) => labelled(word, control(`x, ${word}`, 2, 0.1, () => now.x, k)))),
    titled("h_{t-1}", ...units.map((unit) => labelled(`unit ${unit}`, control(`h before, unit ${unit}`, 1, 0.05, () => now.h, unit)))),
    titled("c_{t-1}", ...units.map((unit) => labelled(`unit ${unit}`, control(`c before, unit ${unit}`, 3, 0.1, () => now.c, unit)))));
  const weights = gates.map((gate) => {
    const head = element("tr", {}, element("td"), ...words.map((word) => element("th", { scope: "col" }, word)),
      ...units.map((unit) => element("th", { scope: "col" }, `h[${unit}]`)), element("th", { scope: "col" }, "b"));
    const rows = units.map((unit) => {
      const row = at(gate, unit);
      const one = (name, list, k) => element("td", {}, control(`${names[gate]}, unit ${unit}, ${name}`, 10, 0.5, list, k));
      return element("tr", {}, element("th", { scope: "row" }, `unit ${unit}`),
        ...words.map((word, k) => one(`weight of ${word}`, () => now.W[row], k)),
        ...units.map((k) => one(`weight of h[${k}]`, () => now.U[row], k)),
        one("bias", () => now.b, row));
    });
    return element("div", { class: "lc-weights", style: `--lc-gate: var(--lc-${gate})` },
      element("table", {}, element("caption", {}, `${gate}, ${names[gate]}`), head, ...rows));
  });
  const switches = [["noTanh", "no tanh on c: h = o ⊙ c"], ["flipped", "the forget bias with its sign flipped"]].map(([name, label]) => {
    const box = element("input", { type: "checkbox", change: () => { now[name] = box.checked; show(); } });
    fields.push(() => { box.checked = now[name]; });
    return element("label", {}, box, ` ${label}`);
  });
  function load(state) {
    now = state;
    fields.forEach((refresh) => refresh());
    show();
  }
  const button = (label, action) => element("button", { type: "button", click: action }, label);
  const presetRow = element("div", { class: "lc-buttons", role: "group", "aria-label": "Presets" },
    ...Object.entries(presets).map(([name, state]) => button(name, () => load(state()))));
  const again = button("next step", () => {
    const { h, c } = cell();
    load({ ...now, h, c });
  });

  // A state as a link, and back.
  const numbers = (state) => [state.x, state.h, state.c, ...state.W, ...state.U, state.b].flat();
  function encoded() {
    return [...numbers(now), Number(now.noTanh), Number(now.flipped)].join(",");
  }
  function decoded(text) {
    const values = text.split(",").map(Number);
    const state = example(0);
    if (values.length !== numbers(state).length + 2 || !values.every(Number.isFinite)) return null;
    for (const list of [state.x, state.h, state.c, ...state.W, ...state.U, state.b]) list.forEach((_, k) => { list[k] = values.shift(); });
    [state.noTanh, state.flipped] = values.map(Boolean);
    return state;
  }
  const said = element("span", { role: "status" });
  const link = button("link to this state", async () => {
    const address = new URL(`#cell=${encoded()}`, location.href).href;
    history.replaceState(null, "", address);
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = " copied";
    } catch {
      said.textContent = " it is in the address bar";
    }
  });

  place.classList.add("lc-live");
  place.replaceChildren(presetRow, formula, outcome,
    element("div", { class: "lc-buttons" }, again, link, said), states,
    element("div", { class: "lc-switches" }, ...switches),
    element("details", {}, element("summary", {}, "Weights and biases"), ...weights));
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", "Cell explorer");
  const given = location.hash.startsWith("#cell=") ? decoded(location.hash.slice(6)) : null;
  load(given ?? example(0));
  if (location.hash.startsWith("#cell=") && !given) said.textContent = " The link holds no state of this cell, so the example is shown.";
});
