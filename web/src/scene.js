// Two shapes that bounce in a square, moved and drawn as lmvp_tf/datasets/bouncing_digits.py does.
export const SIZE = 64; // pixels a side of the square
export const SIDE = 28; // of a shape
export const REACH = SIZE - SIDE;
const STEP = 0.1; // way per frame, where 1 is from edge to edge

/**
 * Where a shape was and will be.
 * @param {{x: number, y: number, angle: number}} now its top left corner in [0, 1] and its direction.
 * @return {{x: number, y: number}[]} `past` frames up to now, now included, and `future` after it.
 */
export function path(now, past, future) {
  const before = walk(now, past - 1, -1).reverse();
  return [...before, {x: now.x, y: now.y}, ...walk(now, future, 1)];
}

// The training data's step: forward, and at an edge a clamp and a turn. Backwards likewise, so a digit
// may leave an edge a little later than it would have there.
function walk({x, y, angle}, length, sign) {
  let [dx, dy] = [sign * STEP * Math.cos(angle), sign * STEP * Math.sin(angle)];
  return Array.from({length}, () => {
    [x, dx] = bounce(x + dx, dx);
    [y, dy] = bounce(y + dy, dy);
    return {x, y};
  });
}

const bounce = (at, speed) => (at <= 0 ? [0, -speed] : at >= 1 ? [1, -speed] : [at, speed]);

/** Draws shapes, Uint8Array [28, 28], at their places: Float32Array [64, 64] in [0, 1]. */
export function render(shapes, places) {
  const frame = new Float32Array(SIZE * SIZE);
  shapes.forEach((shape, i) => {
    const [left, top] = [Math.trunc(places[i].x * REACH), Math.trunc(places[i].y * REACH)];
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++) {
        const at = (top + y) * SIZE + left + x;
        frame[at] = Math.max(frame[at], shape[y * SIDE + x] / 255);
      }
  });
  return frame;
}
