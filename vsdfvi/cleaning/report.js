"use strict";
// The worst frames on one stage. All that is shown stands in the page already; without this script it is a plain list.
document.documentElement.classList.add("scripted");

document.addEventListener("DOMContentLoaded", () => {
  readTimeline();
  const worst = document.getElementById("worst");
  const frames = [...worst.querySelectorAll(".frame")];
  if (!frames.length) return;
  const said = worst.querySelector(".said");
  const help = document.getElementById("help");
  const keysOn = document.getElementById("keys-on");
  const thumbs = [...worst.querySelectorAll(".thumbs a")];
  const COUNTERPART = { before: "after", after: "before", confidence: "after", invented: "after" };
  const state = { place: 0, view: "after", zoomed: false, wipes: true, held: false };

  const stageOf = (frame) => frame.querySelector(".stage");
  const pressed = (button, on) => button.setAttribute("aria-pressed", String(on));

  function show(speak = true) {
    const other = COUNTERPART[state.view];
    frames.forEach((frame, place) => {
      frame.hidden = place !== state.place;
      frame.querySelectorAll("figure").forEach((figure) => {
        figure.classList.toggle("shown", figure.dataset.kind === state.view);
        figure.classList.toggle("other", figure.dataset.kind === other);
      });
    });
    thumbs.forEach((thumb, place) => {
      if (place === state.place) thumb.setAttribute("aria-current", "true");
      else thumb.removeAttribute("aria-current");
    });
    worst.dataset.view = state.view;
    worst.classList.toggle("zoomed", state.zoomed);
    worst.classList.toggle("wipes", state.wipes);
    worst.querySelectorAll("button[data-view]").forEach((each) => pressed(each, each.dataset.view === state.view));
    pressed(document.getElementById("zoom"), state.zoomed);
    pressed(document.getElementById("wipe"), state.wipes);
    worst.querySelectorAll(".hint-left").forEach((each) => (each.textContent = other));
    worst.querySelector(".hint-right").textContent = state.view;
    hold(false);
    fit();
    if (speak) {
      const size = state.zoomed ? ", 1:1" : "";
      const name = frames[state.place].dataset.name;
      said.textContent = `Frame ${name}, ${state.view}${size}. ${state.place + 1} of ${frames.length}.`;
    }
  }

  // Enlarged pixels stay squares, and 1:1 means pixels of the screen, whatever the browser calls a pixel.
  function fit() {
    const canvas = frames[state.place].querySelector(".canvas");
    canvas.style.setProperty("--ratio", window.devicePixelRatio);
    const width = canvas.querySelector("img").naturalWidth;
    canvas.classList.toggle("enlarged", canvas.clientWidth * window.devicePixelRatio > width + 1);
  }

  function select(place) {
    state.place = (place + frames.length) % frames.length;
    show();
  }

  function view(kind) {
    state.view = kind;
    show();
  }

  function zoom() {
    state.zoomed = !state.zoomed;
    show();
    const stage = stageOf(frames[state.place]);
    stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
  }

  function wipe() {
    state.wipes = !state.wipes;
    show(false);
    said.textContent = `Swap under the pointer is ${state.wipes ? "on" : "off"}.`;
  }

  function hold(on) {
    state.held = on;
    worst.classList.toggle("held", on);
  }

  function toggleHelp() {
    if (help.open) help.close();
    else help.showModal();
  }

  // ---- Pointer ----

  frames.forEach((frame) => {
    const stage = stageOf(frame);
    const canvas = frame.querySelector(".canvas");
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", `Pictures of frame ${frame.dataset.name}`);
    const leave = () => {
      canvas.classList.remove("wiping");
      hold(false);
    };
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      const box = canvas.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      canvas.style.setProperty("--cut", `${100 * share}%`);
      canvas.classList.add("wiping");
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (state.wipes && event.button === 0) hold(true);
    });
    canvas.addEventListener("pointerup", () => hold(false));
    canvas.addEventListener("pointerleave", leave);
    canvas.addEventListener("pointercancel", leave);
    canvas.addEventListener("contextmenu", (event) => state.held && event.preventDefault());
  });

  // ---- Buttons and links ----

  worst.querySelectorAll("button[data-view]").forEach((each) => each.addEventListener("click", () => view(each.dataset.view)));
  worst.querySelectorAll("button[data-step]").forEach((each) =>
    each.addEventListener("click", () => select(state.place + Number(each.dataset.step))),
  );
  document.getElementById("zoom").addEventListener("click", zoom);
  document.getElementById("wipe").addEventListener("click", wipe);
  document.getElementById("help-button").addEventListener("click", toggleHelp);
  document.getElementById("help-close").addEventListener("click", () => help.close());
  document.querySelectorAll('a[href^="#frame-"]').forEach((link) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      select(frames.findIndex((frame) => `#${frame.id}` === link.hash));
      if (!thumbs.includes(link)) {
        stageOf(frames[state.place]).focus({ preventScroll: true });
        worst.scrollIntoView();
      }
    }),
  );

  // ---- Keys ----

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !keysOn.checked) return;
    if (event.key === "?") {
      toggleHelp();
      event.preventDefault();
      return;
    }
    if (help.open) return;
    const focused = document.activeElement;
    const scrolls = focused.closest(".scroll") || (state.zoomed && focused.classList.contains("stage"));
    const steps = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 };
    const kinds = [...worst.querySelectorAll("button[data-view]")].map((each) => each.dataset.view);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key in steps && !(scrolls && key.startsWith("Arrow"))) {
      const inStage = focused.classList.contains("stage");
      select(state.place + steps[key]);
      if (inStage) stageOf(frames[state.place]).focus({ preventScroll: true });
    } else if (kinds[Number(key) - 1]) view(kinds[Number(key) - 1]);
    else if (key === "z") zoom();
    else if (key === "w") wipe();
    else return;
    event.preventDefault();
  });

  window.addEventListener("resize", fit);
  const wanted = frames.findIndex((frame) => `#${frame.id}` === location.hash);
  state.place = Math.max(0, wanted);
  show();
});

// Says what stands under the pointer.
function readTimeline() {
  const plot = document.querySelector(".plot");
  const pointer = plot.querySelector(".pointer");
  const reading = document.querySelector(".reading");
  const readings = plot.dataset.readings.split("\n");
  const drawing = plot.querySelector("svg");
  plot.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const inside = share >= 0 && share < 1;
    pointer.hidden = !inside;
    reading.textContent = inside ? readings[Math.floor(share * readings.length)] : "";
    pointer.style.left = `${event.clientX - plot.getBoundingClientRect().left}px`;
  });
  plot.addEventListener("pointerleave", () => {
    pointer.hidden = true;
    reading.textContent = "";
  });
}
