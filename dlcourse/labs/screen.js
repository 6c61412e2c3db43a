// The picture of a lab: an image with alt text, the finding in words under it, a ghost of an earlier run over it.
// A new image is decoded before it takes the old one's place, so the screen never shows a blank.

function make(parent, tag, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.appendChild(element);
  return element;
}

async function decoded(bytes) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  try {
    await image.decode();
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return image;
}

// ipywidgets leaves the handle of its slider without a name; its label is the name.
function nameSliders(box) {
  for (const slider of box.querySelectorAll(".widget-slider, .jupyter-widget-slider, .widget-hslider")) {
    const label = slider.querySelector(".widget-label")?.textContent;
    if (!label) continue;
    slider.querySelector(".noUi-handle")?.setAttribute("aria-label", label);
    slider.querySelector(".widget-readout")?.setAttribute("aria-label", label + ", value");
    slider.querySelector(".widget-readout")?.setAttribute("role", "textbox");
  }
}

function render({ model, el }) {
  el.classList.add("dlcourse-screen");
  const figure = make(el, "figure");
  const stage = make(figure, "div", { class: "dlcourse-stage" });
  const finding = make(figure, "figcaption", { role: "status", "aria-live": "polite" });
  const pinned = make(el, "p", { class: "dlcourse-pinned" });
  const problem = make(el, "pre", { role: "alert" });
  let image = null, ghost = null, newest = 0;

  async function show() {
    const number = ++newest;
    const [alt, words, settings] = [model.get("alt"), model.get("finding"), model.get("settings")];
    const next = await decoded(model.get("png"));
    if (number !== newest) return; // a newer one is on its way
    next.alt = alt;
    next.className = "dlcourse-picture";
    next.dataset.settings = settings;
    if (image) image.replaceWith(next); else stage.prepend(next);
    image = next;
    if (finding.textContent !== words) finding.textContent = words;
  }

  async function haunt() {
    const bytes = model.get("ghost");
    const next = bytes.byteLength ? await decoded(bytes) : null;
    if (next) {
      next.alt = "";
      next.className = "dlcourse-ghost";
    }
    if (ghost) ghost.remove();
    if (next) stage.append(next);
    ghost = next;
  }

  function words() {
    pinned.textContent = model.get("pinned");
    problem.textContent = model.get("problem");
    pinned.hidden = !pinned.textContent;
    problem.hidden = !problem.textContent;
    el.classList.toggle("dlcourse-broken", !problem.hidden);
  }

  model.on("change:frame", show);
  model.on("change:ghost", haunt);
  model.on("change:pinned change:problem", words);
  show();
  haunt();
  words();

  const box = () => el.closest(".dlcourse-lab") ?? el;
  const watch = new MutationObserver(() => nameSliders(box()));
  requestAnimationFrame(() => {
    nameSliders(box());
    for (const controls of box().querySelectorAll(".dlcourse-controls"))
      watch.observe(controls, { childList: true, subtree: true });
  });
  return () => watch.disconnect();
}

export default { render };
