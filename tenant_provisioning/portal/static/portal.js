// What makes the portal pleasanter where scripts run; every page works without. Elements say by data-… what they want.
"use strict";

// Times in the reader's zone and language; the text from the server, in UTC, stays for everybody else.
const STYLES = {
  full: { dateStyle: "medium", timeStyle: "short" },
  day: { dateStyle: "medium" },
};
const SPANS = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always", style: "short" });

function tellTime(element) {
  const moment = new Date(element.dateTime);
  const style = element.dataset.when;
  element.title = moment.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  if (style !== "ago") {
    element.textContent = moment.toLocaleString(undefined, STYLES[style] || STYLES.full);
    return;
  }
  const seconds = (Date.now() - moment) / 1000;
  const span = SPANS.find(([, size]) => seconds >= size);
  element.textContent = span ? relative.format(-Math.floor(seconds / span[1]), span[0]) : "just now";
}

function tellTimes(root = document) {
  root.querySelectorAll("time[data-when]").forEach(tellTime);
}

// A form is sent once: its button shows that it is on its way and takes no second click.
function sendOnce(event) {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  (event.submitter || form.querySelector("button"))?.classList.add("busy");
}

// Coming back with the browser's button shows the page as it was left: let its forms be sent again.
function unlock() {
  document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelectorAll(".busy").forEach((button) => button.classList.remove("busy"));
  });
}

// Filters apply themselves: a choice at once, typing when it pauses. The button does the same.
function applyFilters() {
  document.querySelectorAll("[data-submit]").forEach((field) => field.addEventListener("change", () => field.form.requestSubmit()));
  document.querySelectorAll("[data-submit-later]").forEach((field) => {
    let timer;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => field.form.requestSubmit(), 500);
    });
    if (field.value) {
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    }
  });
}

// For pages with live parts: put new HTML from the server into an element, times included.
function replace(element, html) {
  element.innerHTML = html;
  tellTimes(element);
}

window.portal = {
  replace,
  tellTimes,
  csrf: () => document.querySelector("meta[name=csrf]").content,
};
document.addEventListener("submit", sendOnce);
window.addEventListener("pageshow", (event) => event.persisted && unlock());
setInterval(tellTimes, 30_000);
tellTimes();
applyFilters();
document.querySelectorAll("[data-no-script]").forEach((element) => { element.hidden = true; });
