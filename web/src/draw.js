// Draws frames and flow.

/** Draws a frame [H, W, C] on a canvas, which becomes as large as the frame. */
export function drawFrame(canvas, frame, {height, width, channels}) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  canvas.getContext('2d').putImageData(toPixels(frame, width, height, channels), 0, 0);
}

/** Empties a canvas. */
export function clear(canvas) {
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
}

function toPixels(frame, width, height, channels) {
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(255 * frame[channels * i + (c % channels)]);
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}

/**
 * Draws arrows along which pixels are moved, over the frame, dimmed.
 * @param {Float32Array} flow [H, W, 2], (dy, dx) to where a pixel is fetched from.
 * @param {function(number): boolean} shown whether the pixel of an index has an arrow.
 */
export function drawFlow(canvas, frame, flow, {height, width, channels}, shown) {
  const zoom = 6;
  const every = 4;
  if (canvas.width !== zoom * width || canvas.height !== zoom * height)
    Object.assign(canvas, {width: zoom * width, height: zoom * height});
  const context = canvas.getContext('2d');
  const small = new OffscreenCanvas(width, height);
  small.getContext('2d').putImageData(toPixels(frame, width, height, channels), 0, 0);
  context.imageSmoothingEnabled = false;
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalAlpha = 0.45;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  context.lineWidth = 2;
  context.lineCap = 'round';
  for (let y = every >> 1; y < height; y += every)
    for (let x = every >> 1; x < width; x += every) {
      const i = y * width + x;
      const [dy, dx] = [-flow[2 * i], -flow[2 * i + 1]];
      if (Math.hypot(dy, dx) > 0.25 && shown(i))
        arrow(context, zoom * (x + 0.5 - dx), zoom * (y + 0.5 - dy), zoom * dx, zoom * dy);
    }
}

/** An arrow from (x, y), coloured by its direction. */
export function arrow(context, x, y, dx, dy) {
  const angle = Math.atan2(dy, dx);
  const head = Math.min(7, 0.5 * Math.hypot(dx, dy));
  context.strokeStyle = `hsl(${Math.round((angle * 180) / Math.PI + 200)} 90% 66%)`;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + dx, y + dy);
  for (const side of [-0.5, 0.5]) {
    context.moveTo(x + dx, y + dy);
    context.lineTo(x + dx - head * Math.cos(angle + side), y + dy - head * Math.sin(angle + side));
  }
  context.stroke();
}

/** The mean squared difference of two frames. */
export function meanSquare(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum / a.length;
}
