// The model viewer: a small language model of this book writes on, and shows what is inside.
"use strict";

const MODELS = {}; // each arrives as a script of its own, on a click

// Half-precision numbers, little-endian, in base64.
function halves(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, k) => {
    const bits = view.getUint16(2 * k, true);
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
  });
}

// A model that reads one character after the other: embedding, LSTM, read-out.
function textModel({ characters, shapes, weights }) {
  const numbers = halves(weights);
  let start = 0;
  const [embedding, W, U, b, readout, bias] = shapes.map(([rows, columns]) => {
    const flat = numbers.subarray(start, (start += rows * (columns ?? 1)));
    return columns ? Array.from({ length: rows }, (_, k) => flat.subarray(k * columns, (k + 1) * columns)) : Array.from(flat);
  });
  const units = U[0].length;
  const zeros = () => new Array(units).fill(0);
  return {
    characters, units,
    start: { h: zeros(), c: zeros() },
    // The step for one character; the units in `off` have their cell state set to 0.
    read(character, { h, c }, off = new Set()) {
      const step = LSTM.step(embedding[characters.indexOf(character)], h, c, { W, U, b });
      for (const unit of off) step.c[unit] = step.tanh_c[unit] = step.h[unit] = 0;
      return step;
    },
    // Probabilities of the next character, at a temperature; at 0 the likeliest has all.
    next({ h }, temperature = 1) {
      const scores = readout.map((row, k) => row.reduce((sum, weight, j) => sum + weight * h[j], bias[k]));
      const top = Math.max(...scores);
      const powers = scores.map((score) => (temperature ? Math.exp((score - top) / temperature) : Number(score === top)));
      const sum = powers.reduce((one, other) => one + other);
      return powers.map((power) => power / sum);
    },
  };
}

enliven("viewer", (place) => {
  const prompts = {
    stories: "\nthe dog ate, and the hen ran. the cat (the cow lay) sat on the mat and ",
    reference: "\nThe expression list of \"for\" is evaluated once; it should yield an iterable object. The ",
  };
  const kinds = { f: "forget gate", i: "input gate", g: "candidate", o: "output gate", c: "cell state (tanh c)", h: "hidden state" };
  const set = { model: place.dataset.model, kind: "c", unit: Number(place.dataset.unit ?? 0), temperature: 0.7, off: new Set() };
  let model, text, steps, chosen, timer;

  const valueOf = (step, unit) => step[set.kind === "c" ? "tanh_c" : set.kind][unit];
  function shade(one, value) {
    one.style.setProperty("--lc-hue", value < 0 ? "var(--pst-color-text-muted)" : `var(--lc-${set.kind})`);
    one.style.setProperty("--lc-share", Math.min(1, Math.abs(value)).toFixed(2));
  }
  const visible = (letter) => ({ " ": "␣", "\n": "↵" })[letter] ?? letter;

  function reread() {
    let state = model.start;
    steps = [...text].map((letter) => (state = model.read(letter, state, set.off)));
  }

  const page = element("div", { class: "lc-text", tabindex: 0, role: "group", "aria-label": "the text, shaded by the chosen unit; arrow keys move along it",
    keydown: (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      choose(chosen + by);
    },
    click: (event) => { if (event.target.dataset.at) choose(Number(event.target.dataset.at)); } });
  const expected = element("div", { class: "lc-bars", "aria-live": "polite" });
  const grid = element("div", { class: "lc-units", role: "group", "aria-label": "units; arrow keys move between them",
    keydown: (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -16, ArrowDown: 16 }[event.key];
      if (!by) return;
      event.preventDefault();
      pick((set.unit + by + model.units) % model.units);
      grid.children[set.unit].focus();
    },
    click: (event) => { if (event.target.dataset.unit) pick(Number(event.target.dataset.unit)); } });
  const toggle = element("button", { type: "button", click: () => {
    if (!set.off.delete(set.unit)) set.off.add(set.unit);
    reread();
    show();
  } });
  const allOn = element("button", { type: "button", click: () => { set.off.clear(); reread(); show(); } }, "all units on");
  const said = element("span", { role: "status" });

  function choose(at) {
    chosen = Math.max(0, Math.min(text.length - 1, at));
    show();
  }
  function pick(unit) {
    set.unit = unit;
    show();
  }

  function show() {
    while (page.children.length > text.length) page.lastChild.remove();
    [...text].forEach((letter, k) => {
      const span = page.children[k] ?? page.appendChild(element("span", { "data-at": k }));
      if (span.textContent !== letter) span.textContent = letter;
      shade(span, valueOf(steps[k], set.unit));
      span.classList.toggle("lc-on", k === chosen);
    });
    const chances = model.next(steps[chosen]);
    const ranked = chances.map((chance, k) => [chance, model.characters[k]]).sort(([one], [other]) => other - one).slice(0, 6);
    const came = text[chosen + 1];
    expected.replaceChildren(
      element("p", {}, `After “${visible(text[chosen])}”, ${set.kind} of unit ${set.unit} is `, element("strong", {}, written(valueOf(steps[chosen], set.unit))), ". Most likely next:"),
      element("ul", {}, ...ranked.map(([chance, letter]) => element("li", { class: letter === came ? "lc-on" : "" },
        element("code", {}, visible(letter)), element("span", { class: "lc-bar", style: `width: ${5 * chance}rem` }), ` ${Math.round(100 * chance)} %`))));
    [...grid.children].forEach((square, unit) => {
      shade(square, valueOf(steps[chosen], unit));
      square.tabIndex = unit === set.unit ? 0 : -1;
      square.classList.toggle("lc-on", unit === set.unit);
      square.classList.toggle("lc-off", set.off.has(unit));
      square.setAttribute("aria-label", `unit ${unit}${set.off.has(unit) ? ", off" : ""}`);
      square.setAttribute("aria-pressed", unit === set.unit);
    });
    toggle.textContent = `switch unit ${set.unit} ${set.off.has(set.unit) ? "on" : "off"}`;
    allOn.hidden = set.off.size === 0;
    expected.setAttribute("aria-busy", Boolean(timer)); // a screen reader waits for the end
    if (timer) page.scrollTop = page.scrollHeight;
  }

  // The model writes on, a character at a time.
  function write() {
    if (timer) return stop();
    go.textContent = "stop";
    let left = 200;
    timer = setInterval(() => {
      const chances = model.next(steps.at(-1), set.temperature);
      let at = Math.random();
      const found = chances.findIndex((chance) => (at -= chance) < 0);
      const letter = model.characters[found < 0 ? chances.indexOf(Math.max(...chances)) : found];
      steps.push(model.read(letter, steps.at(-1), set.off));
      text += letter;
      chosen = text.length - 1;
      show();
      if (--left === 0) stop();
    }, 15);
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    go.textContent = "write on";
    expected.setAttribute("aria-busy", false);
  }
  const go = element("button", { type: "button", click: write }, "write on");

  function begin(given) {
    const known = [...given].filter((letter) => model.characters.includes(letter));
    const unknown = [...new Set(given)].filter((letter) => !model.characters.includes(letter));
    said.textContent = unknown.length ? `The model has never seen ${unknown.map((letter) => `“${letter}”`).join(", ")}, so that is left out.` : "";
    text = known.join("") || "\n";
    reread();
    chosen = text.length - 1;
    show();
  }

  const prompt = element("textarea", { rows: 2, "aria-label": "the text that the model reads first", input: () => { stop(); begin(prompt.value); } });
  const heat = element("output", {}, set.temperature.toFixed(1));
  const temperature = element("input", { type: "range", min: 0, max: 1.5, step: 0.1, value: set.temperature, "aria-label": "temperature", input: () => {
    set.temperature = Number(temperature.value);
    heat.textContent = set.temperature.toFixed(1);
  } });
  const select = (label, options, current, change) => element("label", {}, `${label} `, element("select", { change: (event) => change(event.target.value) },
    ...Object.entries(options).map(([value, name]) => element("option", { value, selected: value === current }, name))));

  function ready(name) {
    set.model = name;
    set.off.clear();
    model = textModel(MODELS[name]);
    set.unit = Math.min(set.unit, model.units - 1);
    grid.replaceChildren(...Array.from({ length: model.units }, (_, unit) => element("button", { type: "button", "data-unit": unit })));
    prompt.value = prompts[name];
    place.replaceChildren(
      element("div", { class: "lc-buttons" },
        select("model of", { stories: "the stories", reference: "Python's reference" }, name, load),
        go, element("label", {}, "temperature ", temperature, " ", heat),
        element("button", { type: "button", click: () => { stop(); begin(prompt.value); } }, "start again")),
      prompt, said, page,
      element("div", { class: "lc-inside" }, expected,
        element("div", {}, select("shade by", kinds, set.kind, (kind) => { set.kind = kind; show(); }), grid, element("div", { class: "lc-buttons" }, toggle, allOn))));
    begin(prompt.value);
  }

  function load(name) {
    stop();
    if (MODELS[name]) return ready(name);
    const folder = document.querySelector('script[src*="viewer.js"]').src.replace(/viewer\.js.*/, "");
    const script = element("script", { src: `${folder}model-${name}.js`, load: () => ready(name), error: () => { opening.textContent = "The model could not be loaded; try again"; } });
    document.head.append(script);
  }
  const opening = element("button", { type: "button", click: () => load(set.model) }, "Load the model and let it write (a quarter of a megabyte)");
  place.classList.add("lc-live");
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", "Model viewer");
  place.replaceChildren(opening);
});
