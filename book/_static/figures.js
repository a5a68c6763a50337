// Every figure can be taken away: a link below it saves it as an SVG file of its own.
"use strict";

// The page's colours, written out, as the file knows no stylesheet.
function standalone(svg) {
  const style = getComputedStyle(svg);
  const copy = svg.cloneNode(true);
  copy.removeAttribute("class");
  copy.setAttribute("width", svg.viewBox.baseVal.width);
  copy.setAttribute("height", svg.viewBox.baseVal.height);
  copy.removeAttribute("style");
  return new XMLSerializer()
    .serializeToString(copy)
    .replace(/var\((--[\w-]+)[^)]*\)/g, (_, name) => style.getPropertyValue(name).trim())
    .replaceAll("currentColor", style.color);
}

document.addEventListener("DOMContentLoaded", () => {
  const page = location.pathname.split("/").pop().replace(/\.html$/, "") || "figure";
  document.querySelectorAll("svg.lc-figure").forEach((svg, k) => {
    const link = document.createElement("a");
    link.className = "lc-download";
    link.textContent = "SVG";
    link.download = `${page}-${k + 1}.svg`;
    link.href = "#";
    link.setAttribute("aria-label", `SVG: save figure ${k + 1}`);
    link.addEventListener("click", () => {
      link.href = URL.createObjectURL(new Blob([standalone(svg)], { type: "image/svg+xml" }));
    });
    svg.after(link);
  });
});
