// Saves a chart as a PNG file: what the page shows of it is painted on a canvas, element by element.

const SCALE = 2;
const MARGIN = 16;
const TITLE = 40;

/** Paint an element and what it contains, as the browser has laid it out. */
function paint(context, root) {
  const from = root.getBoundingClientRect();
  const box = (one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return [left - from.left, top - from.top, width, height];
  };
  for (const line of root.querySelectorAll("svg path.line")) {
    const [x, y, width] = box(line);
    context.fillStyle = getComputedStyle(line).stroke;
    context.fillRect(x, y, width, 1);
  }
  for (const bar of root.querySelectorAll("svg rect:not(.hit)")) {
    context.fillStyle = getComputedStyle(bar).fill;
    context.fillRect(...box(bar));
  }
  for (const canvas of root.querySelectorAll("canvas")) context.drawImage(canvas, ...box(canvas));
  for (const mark of root.querySelectorAll(".mark")) {
    const style = getComputedStyle(mark);
    context.fillStyle = style.backgroundColor;
    context.strokeStyle = style.borderTopColor;
    if (style.borderTopStyle === "none") context.fillRect(...box(mark));
    else context.strokeRect(...box(mark));
  }
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  context.textBaseline = "middle";
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const range = document.createRange();
    range.selectNodeContents(node);
    const [x, y, width, height] = box(range);
    const style = getComputedStyle(node.parentElement);
    if (!width || style.visibility === "hidden" || node.parentElement.closest("svg, figcaption, .whole")) continue;
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.fillStyle = style.color;
    context.fillText(node.data.trim(), x, y + height / 2);
  }
}

/** Save the chart of a section as a file with its title. */
export function savePicture(root) {
  const { width, top, bottom } = root.getBoundingClientRect();
  // The caption is about the cursor and the keys.
  const height = (root.querySelector("figcaption")?.getBoundingClientRect().top ?? bottom) - top;
  const canvas = document.createElement("canvas");
  canvas.width = (width + 2 * MARGIN) * SCALE;
  canvas.height = (height + 2 * MARGIN + TITLE) * SCALE;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(root.closest(".card"));
  context.scale(SCALE, SCALE);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = style.color;
  context.textBaseline = "middle";
  context.font = `600 18px ${style.fontFamily}`;
  context.fillText(root.dataset.picture, MARGIN, MARGIN + TITLE / 2 - 6, width);
  context.translate(MARGIN, MARGIN + TITLE);
  paint(context, root);
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${root.dataset.picture.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 80)}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
}
