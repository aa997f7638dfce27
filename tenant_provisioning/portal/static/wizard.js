// The wizard, a little quicker: answers while somebody types, and a draft that is kept without a button.
"use strict";

const form = document.querySelector("form[data-draft]");

function later(milliseconds, call) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
}

// Whatever was entered is kept a moment later. The buttons keep it too, so a failure here needs no words.
async function keep() {
  if (form.dataset.sent) return;
  const body = new URLSearchParams(new FormData(form));
  form.querySelectorAll("input[type=password]").forEach((secret) => body.delete(secret.name));
  body.set("go", "keep");
  await fetch(form.action, { method: "POST", body, headers: { "X-CSRF-Token": portal.csrf() } }).catch(() => {});
}
form.addEventListener("input", later(600, keep));

// The subdomain, while it is typed; only the answer to the newest question counts.
const availability = form.querySelector("[data-availability]");
if (availability) {
  const field = availability.querySelector("input");
  const verdict = availability.querySelector("[data-verdict]");
  const ask = async () => {
    const wished = field.value.trim().toLowerCase();
    if (!wished) return say("", "");
    const url = `${availability.dataset.availability}?subdomain=${encodeURIComponent(wished)}`;
    const answer = await fetch(url).then((response) => response.json()).catch(() => null);
    if (!answer || answer.subdomain !== field.value.trim().toLowerCase()) return;
    const [mistake] = answer.mistakes;
    if (mistake) say("errors", mistake);
    else say("ok", `✓ ${wished}.${availability.dataset.domain} is free`);
  };
  const say = (kind, text) => {
    availability.querySelector("ul.errors")?.remove();
    verdict.className = `small ${kind}`;
    verdict.textContent = text;
    field.setAttribute("aria-invalid", kind === "errors");
  };
  field.addEventListener("input", later(250, ask));
  // a name suggests its subdomain until somebody has typed one
  const name = form.querySelector("#name");
  let suggested = field.value === "";
  field.addEventListener("input", () => { suggested = false; });
  name.addEventListener("input", () => {
    if (!suggested) return;
    const words = name.value.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase().match(/[a-z0-9]+/g) || [];
    field.value = (words[0] || "").slice(0, 63);
    ask();
  });
}

// The matching reports, as soon as the choices change.
const matching = form.querySelector("[data-matching]");
if (matching) {
  const part = matching.querySelector("[data-matching-part]");
  let asked = 0;
  form.addEventListener("change", async () => {
    const mine = ++asked;
    const choices = new URLSearchParams(new FormData(form));
    choices.delete("csrf");
    const response = await fetch(`${matching.dataset.matching}?${choices}`).catch(() => null);
    const html = response?.ok && (await response.text());
    if (!html || mine !== asked) return;
    const open = part.querySelector("details")?.open;
    portal.replace(part, html);
    const details = part.querySelector("details");
    if (details) details.open = Boolean(open);
  });
}

// Fields that only one kind of data store asks for.
const choices = [...form.querySelectorAll("input[name=kind]")];
function showFields() {
  choices.forEach((choice) => {
    if (choice.dataset.shows) document.getElementById(choice.dataset.shows).hidden = !choice.checked;
  });
}
choices.forEach((choice) => choice.addEventListener("change", showFields));
showFields();

// Mistakes are read out, and the keyboard is at the first of them.
const wrong = form.querySelector("[aria-invalid=true]");
if (document.querySelector("[data-focus]") && wrong) wrong.focus();
