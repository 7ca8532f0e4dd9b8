// A sheet of paper to draw a digit on, and ten bars that say what is read.
// Each change sends the pixels of the sheet to Python; probabilities and a message come back.

const PAUSE = 200; // milliseconds from one reading to the next while a line is drawn
const STRIDE = 10; // pixels that the pen goes for an arrow key; with Shift a fifth of it
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HELP =
  "Draw one large digit with mouse, pen or finger. By keyboard: the arrow keys move the pen " +
  "(with Shift: slowly), Space or Enter sets it down and lifts it.";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function render({ model, el }) {
  const side = model.get("side"); // of the sheet, in pixels
  const id = `pad-${Math.random().toString(36).slice(2)}`;

  // --- What there is to see -------------------------------------------------------------------

  const canvas = make("canvas", {
    width: side,
    height: side,
    tabindex: 0,
    role: "application", // a screen reader hands the arrow keys on to us
    "aria-label": "Drawing pad",
    "aria-describedby": `${id}-help`,
  });
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  const pen = make("div", { class: "pen", "aria-hidden": "true" });
  const penState = make("span", { role: "status" });
  const undo = make("button", { type: "button" }, "Undo");
  const clear = make("button", { type: "button" }, "Clear");
  const eraser = make("button", { type: "button", "aria-pressed": "false" }, "Eraser");
  const width = make("input", { type: "range", min: 6, max: 40, step: 2, value: 20 });
  const message = make("p", { class: "message", "aria-live": "polite" });
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span"));
    return make("li", {}, make("b", {}, `${digit}`), bar, make("span", { class: "percent" }));
  });

  el.classList.add("digit-pad");
  for (const control of [canvas, undo, clear, eraser, width]) {
    control.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys
  }
  el.append(
    make(
      "div",
      { class: "drawing" },
      make("div", { class: "sheet" }, canvas, pen),
      make("div", { class: "tools" }, undo, clear, eraser, make("label", {}, "Pen width ", width)),
    ),
    make(
      "div",
      { class: "reading" },
      message,
      make("ul", { "aria-label": "Probability of each digit" }, ...rows),
      make("p", { class: "help", id: `${id}-help` }, HELP),
      penState,
    ),
  );

  // --- The drawing: a list of marks, each a line or a picture that covers the whole sheet ------

  const marks = [];
  let line = null; // the one being drawn

  function paint() {
    for (const mark of marks) {
      if (mark.picture) {
        paper.putImageData(mark.picture, 0, 0);
        continue;
      }
      paper.strokeStyle = mark.erases ? "white" : "black";
      paper.lineWidth = mark.width;
      paper.lineCap = paper.lineJoin = "round";
      paper.beginPath();
      paper.moveTo(...mark.points[0]);
      for (const point of mark.points) paper.lineTo(...point);
      paper.stroke();
    }
  }

  function blank() {
    const picture = paper.createImageData(side, side);
    picture.data.fill(255);
    return { picture };
  }

  function begin(point, erases) {
    if (model.get("example") && !erases) marks.push(blank());
    model.set("example", false);
    model.set("unfinished", true);
    line = { erases, width: Number(width.value) * (erases ? 1.5 : 1), points: [point] };
    marks.push(line);
    extend([point[0] + 0.01, point[1]]); // a line without any length would not be painted
  }

  function extend(point) {
    line.points.push(point);
    paint();
    showPen(point);
    timer ??= setTimeout(send, PAUSE);
  }

  function end() {
    line = null;
    showPen();
    send();
    model.set("unfinished", false); // sent after the pixels: first the answer, then the steps
    model.save_changes();
  }

  // --- To Python and back ---------------------------------------------------------------------

  let timer; // of the next reading
  let sending = false;

  function send() {
    clearTimeout(timer);
    timer = undefined;
    message.setAttribute("aria-busy", line !== null); // a screen reader waits for the whole line
    const { data } = paper.getImageData(0, 0, side, side); // red, green, blue, opacity
    const grey = new Uint8Array(side * side).map((_, i) => data[4 * i]);
    sending = true;
    model.set("pixels", new DataView(grey.buffer));
    sending = false;
    model.save_changes();
  }

  function showPixels() {
    if (sending) return;
    const pixels = model.get("pixels"); // a DataView
    const mark = blank();
    mark.picture.data.forEach((_, i, data) => {
      if (i % 4 < 3) data[i] = pixels.getUint8(i >> 2);
    });
    marks.push(mark);
    paint();
  }

  function showReading() {
    const probabilities = model.get("probabilities");
    const [best, second] = [...probabilities].sort((a, b) => b - a);
    rows.forEach((row, digit) => {
      const p = probabilities[digit] ?? 0;
      const [, bar, percent] = row.children;
      bar.firstChild.style.width = `${100 * p}%`;
      percent.textContent = probabilities.length ? `${(100 * p).toFixed(1)} %` : "";
      row.className = p && p === best ? "best" : p && p === second ? "second" : "";
    });
    message.textContent = model.get("message");
  }

  model.on("change:pixels", showPixels);
  model.on("change:probabilities change:message", showReading);

  // --- Mouse, pen and finger ------------------------------------------------------------------

  let pointer = null; // the one that draws; a second finger does nothing

  function pointOf(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * side,
      ((event.clientY - box.top) / box.height) * side,
    ];
  }

  const erasing = () => eraser.getAttribute("aria-pressed") === "true";

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button > 0 && event.button !== 5) return;
    if (line) end(); // one that the keyboard began
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    begin(pointOf(event), erasing() || event.button === 5); // the other end of a pen
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const between = event.getCoalescedEvents(); // a quick hand is not angular
    for (const each of between.length ? between : [event]) extend(pointOf(each));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      end();
    });
  }

  // --- Keyboard -------------------------------------------------------------------------------

  let spot = [side / 2, side / 4]; // where the pen is
  const held = new Set(); // arrow keys; two of them go diagonally

  function showPen(point = spot) {
    spot = point;
    pen.style.left = `${(100 * spot[0]) / side}%`;
    pen.style.top = `${(100 * spot[1]) / side}%`;
    pen.classList.toggle("down", line !== null);
    const state = line ? "The pen is down." : "The pen is up.";
    if (penState.textContent !== state) penState.textContent = state;
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.key in ARROWS) {
      held.add(event.key);
      const stride = event.shiftKey ? STRIDE / 5 : STRIDE;
      const go = (axis) => {
        const way = [...held].reduce((sum, key) => sum + ARROWS[key][axis], 0);
        return Math.min(side, Math.max(0, spot[axis] + way * stride));
      };
      const point = [go(0), go(1)];
      if (line) extend(point);
      else showPen(point);
    } else if (event.key === " " || event.key === "Enter") {
      if (!event.repeat && line) end();
      else if (!event.repeat) begin(spot, erasing());
    } else {
      return;
    }
    event.preventDefault(); // the page would scroll
    event.stopPropagation();
  });
  canvas.addEventListener("keyup", (event) => held.delete(event.key));
  canvas.addEventListener("blur", () => {
    held.clear();
    if (line && pointer === null) end();
  });

  // --- Buttons --------------------------------------------------------------------------------

  undo.addEventListener("click", () => {
    if (marks.length) marks.pop();
    paper.putImageData(blank().picture, 0, 0);
    paint();
    send();
  });
  clear.addEventListener("click", () => {
    marks.push(blank());
    model.set("example", false);
    paint();
    send();
  });
  eraser.addEventListener("click", () => eraser.setAttribute("aria-pressed", !erasing()));

  showPixels();
  showReading();
  showPen();
}

export default { render };
