import {SIDE} from './scene.js';

/** The ten digits of digits.png: {'0': Uint8Array [28, 28], ...}. */
export async function loadDigits() {
  const answer = await fetch('digits.png');
  const picture = await createImageBitmap(await answer.blob(), {colorSpaceConversion: 'none'});
  const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d', {willReadFrequently: true});
  context.drawImage(picture, 0, 0);
  const cut = (i) => context.getImageData(i * SIDE, 0, SIDE, SIDE).data.filter((_, p) => p % 4 === 0);
  return Object.fromEntries(Array.from({length: 10}, (_, i) => [String(i), cut(i)]));
}
