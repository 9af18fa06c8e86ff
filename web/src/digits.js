// Moving digits: a scene that the visitor arranges, and what the model makes of it.
import {clear, drawFlow, drawFrame, meanSquare} from './draw.js';
import {Pad} from './pad.js';
import {path, render, SIDE, SIZE} from './scene.js';
import {loadDigits} from './shapes.js';
import {Stage} from './stage.js';

const PER_SECOND = 8;
const OWN = 'own';
const element = (id) => document.getElementById(id);
const canvases = (id, length) =>
  Array.from({length}, () => element(id).appendChild(Object.assign(document.createElement('canvas'), {width: SIZE, height: SIZE})));

export class Digits {
  /** @param {function(): Promise<Predictor>} open  @param {function(Error)} trouble says that it failed. */
  constructor(open, trouble) {
    this.open = open;
    this.trouble = trouble;
    this.prediction = {frames: [], flows: []};
    this.digits = [
      {shape: '3', x: 0.25, y: 0.2, angle: 0.5},
      {shape: '8', x: 0.7, y: 0.75, angle: 3.9},
    ];
    this.playing = !matchMedia('(prefers-reduced-motion: reduce)').matches;
  }

  async resume() {
    try {
      await (this.ready ??= this.start());
    } catch (error) {
      this.trouble(error);
      return;
    }
    this.visible = true;
    if (this.giveUp.signal.aborted) this.predict();
    this.tick();
  }

  pause() {
    this.visible = false;
    clearTimeout(this.timer);
    this.giveUp?.abort();
  }

  async start() {
    [this.predictor, this.shapes] = await Promise.all([this.open(), loadDigits()]);
    this.numSeen = this.predictor.numInputs;
    this.numFrames = this.numSeen + this.predictor.horizon;
    this.thumbnails = {
      seen: canvases('strip-seen', this.numSeen),
      truth: canvases('strip-truth', this.predictor.horizon),
      predicted: canvases('strip-predicted', this.predictor.horizon),
    };
    this.stage = new Stage(element('stage'), this.digits, () => this.changed());
    this.pad = new Pad(element('pad'), (drawing) => this.drawn(drawing));
    element('wipe').addEventListener('click', () => this.pad.wipe());
    element('throw').addEventListener('click', () => this.throwAnew());
    this.digits.forEach((digit, i) => this.chooser(element(`shape-${i}`), digit));
    element('frame').max = this.numFrames;
    element('frame').addEventListener('input', () => {
      this.setPlaying(false);
      this.show();
    });
    element('play').addEventListener('click', () => this.setPlaying(!this.playing));
    this.setPlaying(this.playing);
    this.changed();
  }

  chooser(select, digit) {
    for (const name of [...Object.keys(this.shapes), OWN])
      select.add(new Option(name === OWN ? 'my own' : name, name));
    select.value = digit.shape;
    select.addEventListener('change', () => {
      digit.shape = select.value;
      if (digit.shape === OWN && !this.shapes[OWN]) element('own').open = true;
      this.changed();
    });
  }

  drawn(drawing) {
    this.shapes[OWN] = drawing;
    if (this.digits.every(({shape}) => shape !== OWN)) {
      this.digits[0].shape = OWN;
      element('shape-0').value = OWN;
    }
    this.changed();
  }

  throwAnew() {
    for (const digit of this.digits)
      Object.assign(digit, {x: Math.random(), y: Math.random(), angle: 2 * Math.PI * Math.random()});
    this.changed();
  }

  /** The scene is another one: draws it, and predicts anew. */
  changed() {
    const shapes = this.digits.map(({shape}) => this.shapes[shape] ?? new Uint8Array(SIDE * SIDE));
    const paths = this.digits.map((digit) => path(digit, this.numSeen, this.predictor.horizon));
    this.frames = Array.from({length: this.numFrames}, (_, t) => render(shapes, paths.map((places) => places[t])));
    this.stage.update();
    drawFrame(element('scene'), this.frames[this.numSeen - 1], this.predictor);
    this.frames.forEach((frame, t) => {
      const {seen, truth} = this.thumbnails;
      drawFrame(t < this.numSeen ? seen[t] : truth[t - this.numSeen], frame, this.predictor);
    });
    this.predict();
    this.show();
  }

  async predict() {
    this.giveUp?.abort();
    this.settled = false;
    element('digits').classList.add('stale'); // until then the prediction before stays in sight
    const {signal} = (this.giveUp = new AbortController());
    const prediction = {inputs: this.frames.slice(0, this.numSeen), frames: [], flows: []};
    const onFrame = (i, frame, flow) => {
      this.prediction = prediction;
      element('digits').classList.remove('stale');
      prediction.frames[i] = frame;
      prediction.flows[i] = flow;
      drawFrame(this.thumbnails.predicted[i], frame, this.predictor);
      this.show();
    };
    try {
      const result = await this.predictor.predict(prediction.inputs, {signal, onFrame});
      if (result) this.done(prediction, result);
    } catch (error) {
      this.trouble(error);
    }
  }

  done(prediction, {milliseconds}) {
    const came = this.frames.slice(this.numSeen);
    const error = (frames) => came.reduce((sum, frame, i) => sum + meanSquare(frame, frames[i]), 0) / came.length;
    const still = error(came.map(() => this.frames[this.numSeen - 1]));
    element('digits-status').textContent =
      `${milliseconds.toFixed(0)} ms a frame. Mean squared error ${error(prediction.frames).toFixed(4)}; ` +
      `of repeating the last frame ${still.toFixed(4)}.`;
    this.settled = true;
  }

  setPlaying(playing) {
    this.playing = playing;
    element('play').setAttribute('aria-pressed', playing);
    element('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
    this.tick();
  }

  tick() {
    clearTimeout(this.timer);
    if (!this.visible || !this.playing) return;
    const slider = element('frame');
    slider.value = (Number(slider.value) % this.numFrames) + 1;
    this.show();
    this.timer = setTimeout(() => this.tick(), 1000 / PER_SECOND);
  }

  /** Shows the frame that the slider is at. */
  show() {
    const t = Number(element('frame').value) - 1;
    const i = t - this.numSeen;
    const {frames, flows} = this.prediction;
    element('frame-name').textContent = `${t + 1}: ${i < 0 ? 'seen' : 'predicted'}`;
    drawFrame(element('digits-truth'), this.frames[t], this.predictor);
    if (i < 0) drawFrame(element('digits-predicted'), this.frames[t], this.predictor);
    else if (frames[i]) drawFrame(element('digits-predicted'), frames[i], this.predictor);
    if (i >= 0 && flows[i]) drawFlow(element('digits-flow'), frames[i], flows[i], this.predictor, (p) => frames[i][p] > 0.15);
    else if (i < 0) clear(element('digits-flow'));
    for (const [name, first] of [['seen', 0], ['truth', this.numSeen], ['predicted', this.numSeen]])
      this.thumbnails[name].forEach((canvas, k) => canvas.classList.toggle('current', first + k === t));
  }
}
