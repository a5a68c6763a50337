// Every figure can be taken away: links below it save it as an SVG or a PNG file.
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

// The same as pixels, four for each point of the figure.
async function pixels(svg) {
  const picture = new Image();
  picture.src = `data:image/svg+xml,${encodeURIComponent(standalone(svg))}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [4 * picture.width, 4 * picture.height];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done));
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.addEventListener("DOMContentLoaded", () => {
  const page = location.pathname.split("/").pop().replace(/\.html$/, "") || "figure";
  document.querySelectorAll("svg.lc-figure").forEach((svg, k) => {
    const kinds = {
      SVG: () => new Blob([standalone(svg)], { type: "image/svg+xml" }),
      PNG: () => pixels(svg),
    };
    const row = document.createElement("div");
    row.className = "lc-download";
    for (const [kind, made] of Object.entries(kinds)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind;
      button.setAttribute("aria-label", `${kind}: save figure ${k + 1}`);
      button.addEventListener("click", async () => save(await made(), `${page}-${k + 1}.${kind.toLowerCase()}`));
      row.append(button);
    }
    svg.after(row);
  });
});
