// A camera or a film: what it shows, and what the model expects next.
import {clear, drawFlow, drawFrame, meanSquare} from './draw.js';
import {box, toFrame} from './picture.js';

const USUAL_RATE = 30; // frames per second of a film, where a model does not say what it was trained on
const KEPT = 64; // frames and predictions that are remembered
const WINDOW = 2000; // milliseconds over which rates are counted
const element = (id) => document.getElementById(id);

export class Films {
  /** @param {function(): Promise<Predictor>} open  @param {function(Error)} trouble says that it failed. */
  constructor(open, trouble) {
    this.open = open;
    this.trouble = trouble;
    this.video = element('video');
    this.picture = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    this.forget();
    element('camera').addEventListener('click', () => this.useCamera());
    element('film').addEventListener('change', ({target}) => target.files[0] && this.useFilm(target.files[0]));
    element('stop').addEventListener('click', () => this.stop());
    this.video.addEventListener('seeked', () => this.forget()); // a film that begins anew
    this.video.addEventListener('error', () => this.video.src && this.say('The browser cannot play this film.'));
    this.takeDrops(element('films'));
  }

  takeDrops(area) {
    for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]])
      area.addEventListener(name, (event) => {
        event.preventDefault();
        area.classList.toggle('dragged', over);
      });
    area.addEventListener('drop', ({dataTransfer}) => dataTransfer.files[0] && this.useFilm(dataTransfer.files[0]));
  }

  resume() {
    if (this.running) this.video.play();
  }

  pause() {
    this.video.pause();
  }

  async useCamera() {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
      await this.run('the camera', () => (this.video.srcObject = stream));
    } catch (error) {
      this.say(`There is no camera to be had: ${error.message}.`);
    }
  }

  async useFilm(file) {
    try {
      await this.run(file.name, () => (this.video.src = URL.createObjectURL(file)));
    } catch {
      this.say(`The browser cannot play ${file.name}.`);
    }
  }

  async run(name, setSource) {
    this.stop();
    this.say('Loading the network: 4 MB, once.');
    try {
      this.predictor = await this.open();
    } catch (error) {
      this.trouble(error);
      return;
    }
    setSource();
    await this.video.play();
    this.running = true;
    element('stop').disabled = false;
    this.say(`Predicting ${name}.`);
    this.next();
  }

  stop() {
    this.running = false;
    this.video.pause();
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.srcObject = null;
    this.video.removeAttribute('src');
    element('stop').disabled = true;
    this.say('');
    this.forget();
  }

  /** Begins to count anew. */
  forget() {
    this.frames = []; // {number, frame}, one every `interval`
    this.predicted = new Map(); // by the frame's number: what was predicted for it
    this.number = 0;
    this.nextTime = -Infinity;
    this.times = {read: [], predicted: []};
  }

  /** Milliseconds from one of the model's frames to the next. */
  get interval() {
    const {fps, rate, stride} = this.predictor.film;
    return 1000 / (fps || rate || USUAL_RATE / stride);
  }

  next() {
    if (!this.running) return;
    const {video} = this;
    const look = (now) => {
      this.look(now);
      this.next();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(look);
    else requestAnimationFrame(look);
  }

  /** Takes the film's frame where it is time for one. */
  look(now) {
    const {video, interval} = this;
    if (!this.running || !video.videoWidth || now < this.nextTime - 4) return;
    this.nextTime = now - this.nextTime > interval ? now + interval : this.nextTime + interval;
    const frame = this.read();
    this.frames.push({number: this.number++, frame});
    if (this.frames.length > KEPT) this.frames.shift();
    this.count('read');
    drawFrame(element('films-now'), frame, this.predictor);
    this.judge(this.frames.at(-1));
    if (!this.busy && this.frames.length >= this.predictor.numInputs) this.predict();
  }

  read() {
    const {video, picture} = this;
    const [x, y, w, h] = box(this.predictor.film, video.videoWidth, video.videoHeight);
    if (picture.canvas.width !== w || picture.canvas.height !== h) Object.assign(picture.canvas, {width: w, height: h});
    picture.drawImage(video, x, y, w, h, 0, 0, w, h);
    return toFrame(picture.getImageData(0, 0, w, h), this.predictor.film);
  }

  /** Shows what was predicted for this frame, and how good that was. */
  judge({number, frame}) {
    const was = this.predicted.get(number);
    if (!was) return;
    drawFrame(element('films-was'), was.frame, this.predictor);
    element('films-was-name').textContent = `What it had predicted for now, ${this.ahead(was.steps)} before`;
    element('error').textContent = meanSquare(was.frame, frame).toFixed(4);
    element('error-still').textContent = meanSquare(was.last, frame).toFixed(4);
  }

  ahead(steps) {
    return `${((steps * this.interval) / 1000).toFixed(2)} s`;
  }

  async predict() {
    this.busy = true;
    const {predictor} = this;
    const inputs = this.frames.slice(-predictor.numInputs);
    const {number, frame: last} = inputs.at(-1);
    const known = this.predicted;
    try {
      const {frames, flows, milliseconds} = await predictor.predict(inputs.map(({frame}) => frame));
      if (known === this.predicted && this.running) {
        frames.forEach((frame, i) => known.set(number + i + 1, {frame, last, steps: i + 1}));
        for (const old of known.keys()) if (old < number - KEPT) known.delete(old);
        this.show(frames, flows, milliseconds);
      }
    } catch (error) {
      this.stop();
      this.trouble(error);
    }
    this.busy = false;
  }

  show(frames, flows, milliseconds) {
    this.count('predicted');
    this.lastPrediction = frames;
    drawFrame(element('films-next'), frames.at(-1), this.predictor);
    element('films-next-name').textContent = `What it predicts, ${this.ahead(frames.length)} ahead`;
    element('step-time').textContent = milliseconds.toFixed(0);
    if (flows[0]) drawFlow(element('films-flow'), frames[0], flows[0], this.predictor, () => true);
    else clear(element('films-flow'));
  }

  count(what) {
    const now = performance.now();
    const times = (this.times[what] = [...this.times[what], now].filter((time) => time > now - WINDOW));
    const rate = times.length > 1 ? ((times.length - 1) * 1000) / (now - times[0]) : 0;
    element(what === 'read' ? 'read-rate' : 'predict-rate').textContent = rate.toFixed(1);
  }

  say(text) {
    element('films-status').textContent = text;
  }
}
