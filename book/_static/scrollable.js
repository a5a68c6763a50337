// A block that scrolls can be reached by keyboard; a folded one has no size until it is unfolded.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const scrolls = (block) => block.scrollWidth > block.clientWidth || block.scrollHeight > block.clientHeight;
  const sizes = new ResizeObserver((entries) => {
    // All are read before any is written, or the browser would lay out the page for each.
    const found = entries.map(({ target }) => [target, scrolls(target)]);
    found.forEach(([block, yes]) => { block.tabIndex = yes ? 0 : -1; });
  });
  document
    .querySelectorAll("pre, .cell_output > .output, .pst-scrollable-table-container")
    .forEach((block) => sizes.observe(block));
});
