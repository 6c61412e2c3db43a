// The picture of a lab: an image with alt text, the finding in words under it, a ghost of an earlier run over it.
// A new image is loaded before it takes the old one's place, so the screen never shows a blank.

function make(parent, tag, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.appendChild(element);
  return element;
}

// The fast road: blobs live in another process, twice as far away as a data URL, and decode() waits for a frame;
// "sync" has the decoding done by the first paint all the same.
async function loaded(bytes) {
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const image = new Image();
  image.decoding = "sync";
  image.src = view.toBase64 ? "data:image/png;base64," + view.toBase64() : URL.createObjectURL(new Blob([view]));
  try {
    await new Promise((done, failed) => Object.assign(image, { onload: done, onerror: failed }));
  } finally {
    URL.revokeObjectURL(image.src); // if it is a blob
  }
  return image;
}

const LATE = 150; // ms after which a picture that no longer fits its controls is dimmed
const QUIET = 700; // ms without a new finding, after which a screen reader is told the last one

function set(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// What ipywidgets leaves unsaid: the name of a slider's handle, its value as it is read, whether a button is pressed.
function speak(box) {
  for (const slider of box.querySelectorAll(".widget-slider, .jupyter-widget-slider, .widget-hslider")) {
    const label = slider.querySelector(".widget-label")?.textContent;
    if (!label) continue;
    const [handle, readout] = [slider.querySelector(".noUi-handle"), slider.querySelector(".widget-readout")];
    set(handle, "aria-label", label);
    set(handle, "aria-valuetext", readout?.textContent ?? "");
    set(readout, "aria-label", label + ", value");
    set(readout, "role", "textbox");
  }
  for (const button of box.querySelectorAll(".widget-toggle-button"))
    set(button, "aria-pressed", String(button.classList.contains("mod-active")));
  // Arrow keys, Enter and Space belong to the control that has the focus, not to JupyterLab's cells.
  for (const control of box.querySelectorAll("select, button, input, [tabindex], [contenteditable]"))
    set(control, "data-lm-suppress-shortcuts", "true");
}

function render({ model, el }) {
  el.classList.add("dlcourse-screen");
  const figure = make(el, "figure");
  const stage = make(figure, "div", { class: "dlcourse-stage" });
  const finding = make(figure, "figcaption", { "aria-hidden": "true" }); // seen at once, said when the dragging ends
  const said = make(el, "p", { class: "dlcourse-said", role: "status" });
  const pinned = make(el, "p", { class: "dlcourse-pinned" });
  const swept = make(el, "p", { class: "dlcourse-swept" });
  const problem = make(el, "pre", { role: "alert" });
  let image = null, ghost = null, staying = 0, loading = false, newestGhost = 0, saying = 0;

  // As in the kernel: the picture on its way is shown, then the newest is taken and those between are forgotten.
  async function show() {
    if (loading) return;
    loading = true;
    try {
      for (let number = -1; number !== model.get("frame"); ) {
        number = model.get("frame");
        await swap();
      }
    } finally {
      loading = false;
    }
  }

  async function swap() {
    if (!model.get("png").byteLength) return; // there is none yet: the first run failed
    const [alt, words, settings] = [model.get("alt"), model.get("finding"), model.get("settings")];
    const next = await loaded(model.get("png"));
    next.alt = alt;
    next.className = "dlcourse-picture";
    next.dataset.settings = settings;
    clearTimeout(saying);
    if (said.textContent !== words) saying = setTimeout(() => (said.textContent = words), image ? QUIET : 0);
    const left = model.get("left");
    if (image && left && left !== staying) become(image); // the reader changes something: what was there stays behind
    if (image && image !== ghost) image.replaceWith(next); else stage.prepend(next);
    [image, staying] = [next, left];
    if (finding.textContent !== words) finding.textContent = words;
  }

  // The ghost lies over the picture, but not where `bare` says: one outline around all, and in it one around each hole.
  function become(next) {
    if (ghost) ghost.remove();
    ghost = next;
    if (!next) return;
    next.alt = "";
    next.className = "dlcourse-ghost";
    delete next.dataset.settings;
    const around = ([x0, y0, x1, y1]) =>
      [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0], [0, 0]].map(([x, y]) => `${100 * x}% ${100 * y}%`).join();
    next.style.clipPath = `polygon(evenodd, ${[[0, 0, 1, 1], ...model.get("bare")].map(around)})`;
    stage.append(next);
  }

  async function setGhost() {
    const bytes = model.get("ghost");
    const number = ++newestGhost;
    if (!bytes.byteLength && model.get("left")) return; // it stays, or is about to
    const next = bytes.byteLength ? await loaded(bytes) : null;
    if (number === newestGhost) become(next);
  }

  function words() {
    pinned.textContent = model.get("pinned");
    swept.textContent = model.get("swept");
    problem.textContent = model.get("problem");
    swept.hidden = !swept.textContent;
    pinned.hidden = !pinned.textContent;
    problem.hidden = !problem.textContent;
    el.classList.toggle("dlcourse-broken", !problem.hidden);
  }

  // A picture that is still behind its controls after a moment says so.
  let late = 0;
  function wait() {
    clearTimeout(late);
    if (model.get("behind")) late = setTimeout(() => el.classList.add("dlcourse-behind"), LATE);
    else el.classList.remove("dlcourse-behind");
  }

  model.on("change:frame", show);
  model.on("change:behind", wait);
  model.on("change:ghost change:left", setGhost);
  model.on("change:pinned change:swept change:problem", words);
  model.on("change:ready", mark);
  show();
  setGhost();
  words();

  // The part of a slider that is trained already is coloured. A control that is approached may be moved next.
  function mark() {
    const [number, from, to] = model.get("ready");
    controls().forEach((control, n) => {
      control.classList.toggle("dlcourse-ready", n === number);
      if (n === number) control.style.setProperty("--from", `${100 * from}%`);
      if (n === number) control.style.setProperty("--to", `${100 * to}%`);
    });
  }

  function approach(event) {
    const near = controls().findIndex((control) => control.contains(event.target));
    if (near >= 0 && near !== approached) model.send({ near });
    approached = near;
  }

  const box = () => el.closest(".dlcourse-lab, .dlcourse-trial") ?? el;
  const controls = () => [...box().querySelectorAll(".dlcourse-controls > *")];
  let approached = -1;
  const watch = new MutationObserver(() => speak(box()));
  requestAnimationFrame(() => {
    speak(box());
    for (const kind of ["pointerover", "focusin"])
      box().querySelector(".dlcourse-controls")?.addEventListener(kind, approach);
    box().querySelector(".dlcourse-controls")?.addEventListener("pointerleave", () => (approached = -1));
    for (const part of box().querySelectorAll(".dlcourse-controls, .dlcourse-buttons"))
      watch.observe(part, { childList: true, subtree: true, attributeFilter: ["class", "aria-valuetext"] });
  });
  return () => {
    watch.disconnect();
    clearTimeout(saying);
    clearTimeout(late);
  };
}

export default { render };
