import {SIDE} from './scene.js';

const RADIUS = 1.6; // of the pen: strokes as wide as MNIST's

/** A drawing pad of 28x28 pixels, by pointer and by keyboard. */
export class Pad {
  /** @param {function(Uint8Array)} onDrawn is given the drawing, [28, 28]. */
  constructor(canvas, onDrawn) {
    this.canvas = canvas;
    this.onDrawn = onDrawn;
    this.values = new Uint8Array(SIDE * SIDE);
    this.pen = {x: SIDE / 2, y: SIDE / 2, down: false};
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.moveTo(this.place(event), false);
      this.moveTo(this.place(event), true);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.moveTo(this.place(event), true);
    });
    canvas.addEventListener('keydown', (event) => this.onKey(event));
    for (const name of ['focus', 'blur']) canvas.addEventListener(name, () => this.draw());
    this.draw();
  }

  wipe() {
    this.values.fill(0);
    this.draw();
    this.onDrawn(this.values.slice());
  }

  place(event) {
    const {left, top, width} = this.canvas.getBoundingClientRect();
    return {x: ((event.clientX - left) / width) * SIDE, y: ((event.clientY - top) / width) * SIDE};
  }

  onKey(event) {
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (event.key === ' ') {
      this.pen.down = !this.pen.down;
      this.moveTo(this.pen, this.pen.down);
    } else if (way) {
      const inside = (value) => Math.min(Math.max(value, 2), SIDE - 2);
      this.moveTo({x: inside(this.pen.x + way[0]), y: inside(this.pen.y + way[1])}, this.pen.down);
    } else return;
    event.preventDefault();
  }

  /** Moves the pen in a straight line, drawing or not. */
  moveTo({x, y}, drawing) {
    const steps = Math.ceil(2 * Math.hypot(x - this.pen.x, y - this.pen.y)) || 1;
    if (drawing)
      for (let i = 0; i <= steps; i++)
        this.dot(this.pen.x + ((x - this.pen.x) * i) / steps, this.pen.y + ((y - this.pen.y) * i) / steps);
    Object.assign(this.pen, {x, y});
    this.draw();
    if (drawing) this.onDrawn(this.values.slice());
  }

  dot(x, y) {
    for (let i = 0; i < this.values.length; i++) {
      const distance = Math.hypot((i % SIDE) + 0.5 - x, Math.floor(i / SIDE) + 0.5 - y);
      const value = 255 * Math.min(Math.max(RADIUS + 0.5 - distance, 0), 1);
      this.values[i] = Math.max(this.values[i], value);
    }
  }

  draw() {
    const pixels = new ImageData(SIDE, SIDE);
    this.values.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
    if (document.activeElement === this.canvas) {
      const at = Math.floor(this.pen.y) * SIDE + Math.floor(this.pen.x);
      pixels.data.set(this.pen.down ? [255, 180, 84, 255] : [127, 164, 255, 255], 4 * at);
    }
    this.canvas.getContext('2d').putImageData(pixels, 0, 0);
  }
}
