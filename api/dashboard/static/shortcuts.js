"use strict";
// Keyboard shortcuts, and buttons that copy. The dialog in base.html lists the shortcuts; a key is ignored while text is
// being written, and with Ctrl, Alt or Meta, which belong to the browser.

const dialog = document.getElementById("shortcuts");
const PAUSE_MS = 1500; // between "g" and the letter of a page

let isGoing = false;
let forget = null;

function isWriting(element) {
  return element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);
}

function go(key) {
  const link = document.querySelector(`#shortcuts a[data-key="${CSS.escape(key)}"]`);
  if (link) link.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || isWriting(event.target)) return;
  const wasGoing = isGoing;
  isGoing = false;
  clearTimeout(forget);
  if (wasGoing) {
    go(event.key);
  } else if (event.key === "g") {
    isGoing = true;
    forget = setTimeout(() => { isGoing = false; }, PAUSE_MS);
  } else if (event.key === "/" && document.getElementById("search")) {
    event.preventDefault(); // the key itself must not be written into the field
    document.getElementById("search").focus();
  } else if (event.key === "?" && dialog) {
    dialog.showModal();
  }
});

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    document.getElementById("announce").textContent = "Copied.";
    button.textContent = "Copied";
  });
}
