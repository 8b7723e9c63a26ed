// A capture as a picture: velocity over time, comes nearer above, with a line at the event.

import { powerColours } from "./colours.js";

/** Paint `{columns, bins, power, lowest_db, step_db, event}` onto a canvas; `event` is a share of its width. */
export function picture(canvas, what, ink) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale].map(Math.round);
  if (!width || !height) return;
  const colours = powerColours(what.lowest_db, what.step_db);
  const cells = new ImageData(what.columns, what.bins);
  const pixels = new Uint32Array(cells.data.buffer);
  for (let column = 0; column < what.columns; column++) {
    for (let bin = 0; bin < what.bins; bin++) {
      pixels[(what.bins - 1 - bin) * what.columns + column] = colours[what.power[column * what.bins + bin]];
    }
  }
  const small = document.createElement("canvas");
  small.width = what.columns;
  small.height = what.bins;
  small.getContext("2d").putImageData(cells, 0, 0);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.drawImage(small, 0, 0, width, height);
  context.fillStyle = ink;
  context.globalAlpha = 0.35;
  context.fillRect(0, Math.round(height / 2), width, 1);
  context.globalAlpha = 0.8;
  context.fillRect(Math.round(what.event * width), 0, Math.max(1, scale), height);
}
