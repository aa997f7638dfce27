// Pages that follow what happens. The server renders sections and sends them; here each one that differs takes the place of the old.
// Where a person is in the middle of typing, it waits. Without scripts, reloading does the same.
"use strict";

const live = document.querySelector("[data-live]");
const shown = new Map();
let source = null;

function isBeingEdited(section) {
  return [...section.querySelectorAll("input:not([type=hidden]), textarea, select")].some((field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field === document.activeElement) return true;
    return field.tagName !== "SELECT" && field.value !== field.defaultValue;
  }) || section.querySelector("form[data-sent]") !== null;
}

function swap(fresh) {
  const old = document.getElementById(fresh.id);
  const html = fresh.outerHTML;
  if (!old || shown.get(fresh.id) === html || isBeingEdited(old)) return;
  const opened = [...old.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  // the sentence for those who listen stays the same element, or its change would not be told
  const told = old.querySelector("[role=status][id]");
  const telling = told && fresh.querySelector(`#${told.id}`);
  if (telling) {
    if (told.textContent !== telling.textContent) told.textContent = telling.textContent;
    telling.replaceWith(told);
  }
  old.replaceWith(fresh);
  opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  window.portal.tellTimes(fresh);
  shown.set(fresh.id, html);
}

function take(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  parsed.querySelectorAll("section[id^=live-]").forEach((section) => swap(document.adoptNode(section)));
}

function open() {
  if (source || document.hidden) return;
  source = new EventSource(live.dataset.live);
  source.onmessage = (event) => {
    document.body.dataset.stream = "open";
    take(event.data);
  };
  source.onerror = () => {
    document.body.dataset.stream = "broken";
    // a refusal ends the stream for good: whoever is signed out sees the sign-in after a reload
    if (source.readyState === EventSource.CLOSED) {
      close();
      setTimeout(open, 5000);
    }
  };
}

function close() {
  source?.close();
  source = null;
}

// What runs gets older between events. The number is put right with each.
function age() {
  document.querySelectorAll("[data-seconds]").forEach((element) => {
    const seconds = Number(element.dataset.seconds) + 1;
    element.dataset.seconds = seconds;
    const whole = Math.round(seconds);
    element.textContent = whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  });
}

// A browser keeps six connections to a host: pages that nobody looks at leave theirs to others.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", open);
setInterval(age, 1000);
open();
