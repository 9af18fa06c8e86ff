import {REACH, SIDE, SIZE} from './scene.js';

const NAMES = ['first', 'second'];
const LENGTH = 0.2; // of the arrow, in squares
const TURN = Math.PI / 12; // by an arrow key
const MOVE = 1 / REACH;
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** Handles over the scene: a digit can be dragged, and the dot that says where it goes. */
export class Stage {
  /** @param {{x, y, angle, shape}[]} digits are changed in place.  @param {function()} onChange */
  constructor(parent, digits, onChange) {
    this.parent = parent;
    this.onChange = onChange;
    this.handles = digits.map((digit, i) => this.add(digit, NAMES[i]));
  }

  add(digit, name) {
    const make = (kind, part) => {
      const made = document.createElement(kind);
      made.className = `${part} ${name}`;
      return this.parent.appendChild(made);
    };
    const handle = make('button', 'handle');
    const stem = make('span', 'stem');
    const tip = make('button', 'tip');
    tip.setAttribute('role', 'slider');
    tip.setAttribute('aria-valuemin', 0);
    tip.setAttribute('aria-valuemax', 359);
    tip.setAttribute('aria-label', `Direction of the ${name} digit`);
    drag(handle, (event, from) => this.drop(digit, this.at(event), from), () => ({...digit}), (event) => this.at(event));
    drag(tip, (event) => this.point(digit, this.at(event)));
    keys(handle, ([dx, dy]) => this.move(digit, digit.x + dx * MOVE, digit.y + dy * MOVE));
    keys(tip, ([dx, dy]) => this.turn(digit, digit.angle + TURN * (dx || -dy)));
    return {digit, name, handle, stem, tip};
  }

  /** Where a pointer is, in squares. */
  at({clientX, clientY}) {
    const {left, top, width} = this.parent.getBoundingClientRect();
    return {x: (clientX - left) / width, y: (clientY - top) / width};
  }

  drop(digit, at, {start, pointer}) {
    const scale = SIZE / REACH;
    this.move(digit, start.x + (at.x - pointer.x) * scale, start.y + (at.y - pointer.y) * scale);
  }

  move(digit, x, y) {
    const inside = (value) => Math.min(Math.max(value, 0), 1);
    Object.assign(digit, {x: inside(x), y: inside(y)});
    this.onChange();
  }

  point(digit, at) {
    const {x, y} = middle(digit);
    this.turn(digit, Math.atan2(at.y - y, at.x - x));
  }

  turn(digit, angle) {
    digit.angle = (angle + 4 * Math.PI) % (2 * Math.PI);
    this.onChange();
  }

  /** Puts the handles where the digits are. */
  update() {
    for (const {digit, name, handle, stem, tip} of this.handles) {
      const {x, y} = middle(digit);
      const [dx, dy] = [LENGTH * Math.cos(digit.angle), LENGTH * Math.sin(digit.angle)];
      const degrees = Math.round((digit.angle * 180) / Math.PI) % 360;
      place(handle, (digit.x * REACH) / SIZE, (digit.y * REACH) / SIZE);
      place(stem, x, y);
      place(tip, x + dx, y + dy);
      Object.assign(stem.style, {width: `${100 * LENGTH}%`, transform: `rotate(${digit.angle}rad)`});
      handle.setAttribute('aria-label', `The ${name} digit, ${digit.shape}. The arrow keys move it.`);
      tip.setAttribute('aria-valuenow', degrees);
      tip.setAttribute('aria-valuetext', `${degrees} degrees clockwise from the right`);
    }
  }
}

const middle = ({x, y}) => ({x: (x * REACH + SIDE / 2) / SIZE, y: (y * REACH + SIDE / 2) / SIZE});
const place = ({style}, x, y) => Object.assign(style, {left: `${100 * x}%`, top: `${100 * y}%`});

// Calls onMove(event, from) while a pointer holds an element; `from` is what was when it took hold.
function drag(element, onMove, start = () => ({}), pointer = () => ({})) {
  let from;
  element.addEventListener('pointerdown', (event) => {
    element.setPointerCapture(event.pointerId);
    from = {start: start(), pointer: pointer(event)};
  });
  element.addEventListener('pointermove', (event) => {
    if (element.hasPointerCapture(event.pointerId)) onMove(event, from);
  });
}

function keys(element, onArrow) {
  element.addEventListener('keydown', (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    onArrow(ARROWS[event.key]);
  });
}
