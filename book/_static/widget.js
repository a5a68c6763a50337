// What the live figures share: elements, numbers as the book writes them, fields with a slider.
"use strict";

// An element with attributes (a function becomes a listener) and children, which may be texts.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// A number with at most four decimals and true minus signs.
function written(value) {
  const tiny = value !== 0 && Math.abs(value) < 5e-5;
  return (tiny ? value.toExponential(1) : String(Number(value.toFixed(4)))).replaceAll("-", "−");
}

const vector = (values) => `(${values.map(written).join(", ")})`;

// A factor in a product: negative numbers stand in parentheses.
const factor = (value) => (value < 0 ? `(${written(value)})` : written(value));

// Letters with a subscript, as in f_t: markup for <sub>.
function symbols(text) {
  return text.split(/(_\w+|_\{[^}]+\})/).map((part) =>
    part.startsWith("_") ? element("sub", {}, part.replace(/[_{}]/g, "")) : part);
}

// A number field above a slider that move together. `set` shows a value, `change` hears of one.
function field(label, limit, step, change) {
  const slider = element("input", {
    type: "range", min: -limit, max: limit, step, "aria-label": `${label}, slider`,
    input: () => show(Number(slider.value), true),
  });
  const box = element("input", {
    type: "number", step: "any", "aria-label": label,
    input: () => {
      const valid = box.value !== "" && Number.isFinite(Number(box.value));
      box.setAttribute("aria-invalid", !valid);
      box.title = valid ? "" : `${label} is not a number, so the last one is used`;
      if (!valid) return;
      slider.value = box.value;
      change(Number(box.value));
    },
  });
  function show(value, told = false) {
    box.value = Number(value.toPrecision(12));
    box.setAttribute("aria-invalid", "false");
    slider.value = value;
    if (told) change(value);
  }
  return { element: element("span", { class: "lc-field" }, box, slider), set: show };
}

// The live figures of a page: build(place, figures before it) for every mark of that name, once a
// reader comes near, as a page should be there at once.
function enliven(name, build) {
  document.addEventListener("DOMContentLoaded", () => {
    const figures = [...document.querySelectorAll("svg.lc-figure")];
    const near = new IntersectionObserver((entries) => entries.filter((one) => one.isIntersecting).forEach(({ target }) => {
      near.unobserve(target);
      build(target, figures.filter((svg) => svg.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING));
    }), { rootMargin: "800px" });
    document.querySelectorAll(`[data-lc="${name}"]`).forEach((place) => near.observe(place));
  });
}
