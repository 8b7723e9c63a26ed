// The last so many columns of a picture that grows at its right end, as a ring of pixels.

// What is known of a column.
export const KNOWN = 1;
export const PRESENCE = 2;
export const MINOR = 4;
export const MAJOR = 8;
export const BLIND = 16; // nobody looked

/** Columns of `bins` bytes; drawn with two `drawImage`, whatever their number. */
export class Ring {
  constructor(columns, bins, colours) {
    this.columns = columns;
    this.bins = bins;
    this.head = 0; // the next column, and so the oldest
    this._power = new Uint8Array(columns * bins);
    this._marks = new Uint8Array(columns);
    this._canvas = document.createElement("canvas");
    this._canvas.width = columns;
    this._canvas.height = bins;
    this._context = this._canvas.getContext("2d", { willReadFrequently: true });
    this._strip = new ImageData(1, bins);
    this._pixels = new Uint32Array(this._strip.data.buffer);
    this._colours = colours;
  }

  /** Append a column: power, or null where there is none. */
  push(power, marks) {
    const column = this.head;
    this.head = (column + 1) % this.columns;
    this._marks[column] = marks;
    if (power === null) {
      this._context.clearRect(column, 0, 1, this.bins);
      return;
    }
    this._power.set(power, column * this.bins);
    this._paint(column);
  }

  /** Say more of the column that came last. */
  mark(marks) {
    this._marks[(this.head + this.columns - 1) % this.columns] |= marks;
  }

  recolour(colours) {
    this._colours = colours;
    for (let column = 0; column < this.columns; column++) {
      if (this._marks[column] && !(this._marks[column] & BLIND)) this._paint(column);
    }
  }

  /** The top of the grid is what comes nearest: fastest. */
  _paint(column) {
    const first = column * this.bins;
    const last = first + this.bins - 1;
    for (let i = 0; i < this.bins; i++) this._pixels[i] = this._colours[this._power[last - i]];
    this._context.putImageData(this._strip, column, 0);
  }

  /** Bins `from` to `from + count` from the top, into a rectangle; the newest column at its right. */
  draw(context, from, count, left, top, width, height) {
    const scale = width / this.columns;
    const older = this.columns - this.head;
    const seam = left + Math.round(older * scale); // whole pixels: no line where the ring closes
    context.drawImage(this._canvas, this.head, from, older, count, left, top, seam - left, height);
    if (this.head > 0) {
      context.drawImage(this._canvas, 0, from, this.head, count, seam, top, left + width - seam, height);
    }
  }

  /** Stretches of alike columns, oldest first: `visit(first, end, marks)`, columns counted from the left. */
  runs(visit) {
    let first = 0;
    let marks = this._marks[this.head];
    for (let i = 1; i <= this.columns; i++) {
      const next = i < this.columns ? this._marks[(this.head + i) % this.columns] : -1;
      if (next === marks) continue;
      visit(first, i, marks);
      [first, marks] = [i, next];
    }
  }
}
